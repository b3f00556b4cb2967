"""Presets of Occupancy Networks, of clouds and of pictures, and where each of their values comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shapesys.families.base import Preset
from shapesys.families.fields.presets import SMALL, SMALL_SCHEDULE

_CODE = "released settings of Occupancy Networks for clouds of points"
_PAPER: Mapping[str, Any] = {
    "model.side": 1.1,
    "model.code_dim": 512,
    "model.encoder_hidden": 512,
    "model.encoder_blocks": 5,
    "model.hidden": 256,
    "model.blocks": 5,
    "model.input_points": 300,
    "model.input_noise": 0.005,
    "inference.points": 300,
    "inference.level": 0.2,
    "train.epochs": 625,
    "train.shapes_per_step": 64,
    "train.points_per_shape": 2048,
    "train.learning_rate": 1e-4,
    "train.checkpoint_epochs": 20,
    "train.select": "best",
    "train.validate_epochs": 20,
}
_ORIGINS = dict.fromkeys(_PAPER, _CODE) | {
    "model.encoder_hidden": "released settings of the baseline PSGN, which has the same encoder for the same input",
    **dict.fromkeys(
        ("model.encoder_blocks", "model.hidden", "model.blocks"), "released definitions of encoder and decoder"
    ),
    "train.learning_rate": "released training script",
    "train.epochs": "our choice: 300,000 steps of 480 per pass over ShapeNet, as many as ConvONet's; the released loop "
    "has no end, and its model of images was saved after 2,886,000",
    "train.checkpoint_epochs": "our choice: some 10,000 steps of ShapeNet",
    "train.validate_epochs": "our choice: some 10,000 steps of ShapeNet, as ConvONet's",
}
PAPER = Preset("clouds of 300 points, 10.4 M parameters; a GPU, and shapes in the frame unit_cube", _PAPER, _ORIGINS)

_SMALL: Mapping[str, Any] = {
    **_PAPER,
    "model.code_dim": 128,
    "model.encoder_hidden": 128,
    "model.hidden": 128,
    "model.input_points": 1024,
    "inference.points": 1024,
    **SMALL_SCHEDULE,
}
SMALL_OBJECTS = Preset(
    "objects on a CPU: 128 channels throughout; data, schedule and cost of ConvONet's small",
    _SMALL,
    {**_ORIGINS, **{name: SMALL for name in _SMALL if _SMALL[name] != _PAPER.get(name)}},
)

_TINY: Mapping[str, Any] = {
    **_SMALL,
    "model.side": 2.2,
    "model.encoder_hidden": 96,
    "model.encoder_blocks": 3,
    "model.hidden": 64,
    "model.blocks": 3,
    "model.input_points": 256,
    "model.input_noise": 0.01,
    "inference.points": 256,
    "train.epochs": 100,
    "train.shapes_per_step": 16,
    "train.points_per_shape": 512,
    "train.learning_rate": 2e-3,
    "train.schedule": "step",
    "train.lr_step_epochs": 40,
    "train.lr_factor": 0.3,
    "train.checkpoint_epochs": 25,
}
TINY = Preset(
    "a laptop in a minute: a code of 128 channels, shapes in the unit sphere or in the unit cube",
    _TINY,
    dict.fromkeys(_TINY, SMALL) | {"model.side": "our choice: the unit sphere with the published margin of a tenth"},
)

_IMAGE_CODE = "released settings of Occupancy Networks for single pictures"
_OF_PICTURES: Mapping[str, Any] = {"model.encoder": "image", "model.code_dim": 256}


def _of_pictures(clouds: Mapping[str, Any], **model: Any) -> Mapping[str, Any]:
    """The same settings where one picture is seen in place of a cloud."""
    of_clouds = ("model.encoder_", "model.input_", "inference.points")
    kept = {name: value for name, value in clouds.items() if not name.startswith(of_clouds)}
    return {**kept, **_OF_PICTURES, **{f"model.{name}": value for name, value in model.items()}}


_IMAGE = _of_pictures(_PAPER, image_size=224, image_width=64)
IMAGE = Preset(
    "single pictures of 224 x 224 pixels, by ResNet18; a GPU, and shapes in the frame unit_cube",
    {**_IMAGE, "train.epochs": 5270},
    {
        **_ORIGINS,
        **dict.fromkeys(
            ("model.encoder", "model.code_dim", "model.image_size", "model.image_width", "train.shapes_per_step"),
            _IMAGE_CODE,
        ),
        "train.epochs": "2,886,000 steps, after which the released model was saved, of some 548 per pass over Choy et "
        "al.'s split",
    },
)
_SMALL_IMAGE = _of_pictures(_SMALL, code_dim=128, image_size=96, image_width=16)
SMALL_IMAGE = Preset(
    "single pictures on a CPU: 96 pixels a side, a quarter of ResNet18's channels; what TDGN's small is measured by",
    _SMALL_IMAGE,
    {**IMAGE.origins, **{name: SMALL for name in _SMALL_IMAGE if _SMALL_IMAGE[name] != _IMAGE.get(name)}},
)
_TINY_IMAGE = _of_pictures(_TINY, code_dim=128, image_size=64, image_width=8)
TINY_IMAGE = Preset(
    "single pictures on a laptop in a minute: 64 pixels a side", _TINY_IMAGE, dict.fromkeys(_TINY_IMAGE, SMALL)
)

PRESETS = {
    "tiny": TINY,
    "tiny_image": TINY_IMAGE,
    "small": SMALL_OBJECTS,
    "small_image": SMALL_IMAGE,
    "paper": PAPER,
    "image": IMAGE,
}
