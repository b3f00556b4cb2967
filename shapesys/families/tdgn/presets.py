"""Presets of TDGN, and where each of their values comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shapesys.families.base import Preset
from shapesys.families.fields.presets import SMALL, SMALL_SCHEDULE

_STATED = "TDGN (arXiv 2010.08276), section 4"
_OPEN = "our choice: the paper does not say"
_CVXNET = "CvxNet's released flags, for the same data and backbone: TDGN's own are not stated"
_PAPER: Mapping[str, Any] = {
    "model.encoder": "image",
    "model.side": 1.1,
    "model.code_dim": 256,
    "model.image_size": 224,
    "model.image_width": 64,
    "model.points": 32,
    "model.kernel": "anisotropic",
    "model.embedding": True,
    "model.learner": "svm",
    "model.box": 1.0,
    "model.generator_hidden": 512,
    "model.generator_blocks": 2,
    "model.embedding_hidden": 256,
    "model.embedding_blocks": 3,
    "inference.level": 0.5,
    "train.epochs": 730,
    "train.shapes_per_step": 32,
    "train.points_per_shape": 2048,
    "train.learning_rate": 1e-4,
    "train.checkpoint_epochs": 10,
    "train.select": "best",
    "train.validate_epochs": 10,
}
_ORIGINS: Mapping[str, str] = dict.fromkeys(_PAPER, _STATED) | {
    **dict.fromkeys(
        (
            "model.generator_hidden",
            "model.generator_blocks",
            "model.embedding_hidden",
            "model.embedding_blocks",
            "train.checkpoint_epochs",
            "train.select",
            "train.validate_epochs",
        ),
        _OPEN,
    ),
    **dict.fromkeys(("train.shapes_per_step", "train.learning_rate"), _CVXNET),
    "model.side": "Occupancy Networks' cube about shapes in the frame unit_cube, whose evaluation the paper follows",
    "model.image_size": "Occupancy Networks' and CvxNet's pictures",
    "train.epochs": "800,000 steps, as CvxNet's, of some 1,094 per pass over ShapeNet",
}


def _paper(summary: str, **model: Any) -> Preset:
    """The paper's settings but for these, all of which it has, too, but for clouds."""
    changed = {f"model.{name}": value for name, value in model.items()}
    return Preset(summary, {**_PAPER, **changed}, {**dict.fromkeys(changed, _STATED), **_ORIGINS})


PAPER = _paper("pictures: 32 points, a width for each axis, space bent; a GPU, and shapes in the frame unit_cube")
ISOTROPIC = _paper("the same with one width for all axes", kernel="isotropic")
WITHOUT_EMBEDDING = _paper("the same where space is not bent", embedding=False)
N4, N8, N16, N64 = (_paper(f"the same with {points} points", points=points) for points in (4, 8, 16, 64))
_CLOUD: Mapping[str, Any] = {
    **{name: value for name, value in _PAPER.items() if not name.startswith("model.image")},
    "model.encoder": "cloud",
    "model.input_points": 300,
    "model.input_noise": 0.005,
    "inference.points": 300,
}
CLOUD = Preset(
    "noisy clouds of 300 points in place of pictures",
    _CLOUD,
    {**dict.fromkeys(_CLOUD, "released settings of Occupancy Networks for clouds of points"), **_ORIGINS},
)

_SMALL: Mapping[str, Any] = {
    **_PAPER,
    "model.code_dim": 128,
    "model.image_size": 96,
    "model.image_width": 16,
    "model.generator_hidden": 256,
    "model.embedding_hidden": 128,
    **SMALL_SCHEDULE,
}


def _ours(summary: str, settings: Mapping[str, Any]) -> Preset:
    """What differs from the paper's is ours."""
    return Preset(
        summary, settings, {**_ORIGINS, **{name: SMALL for name in settings if settings[name] != _PAPER.get(name)}}
    )


SMALL_OBJECTS = _ours("pictures on a CPU: 96 pixels a side, a quarter of ResNet18's channels", _SMALL)
_TINY: Mapping[str, Any] = {
    **_SMALL,
    "model.side": 2.2,
    "model.image_size": 64,
    "model.image_width": 8,
    "model.generator_hidden": 128,
    "model.embedding_hidden": 64,
    "model.embedding_blocks": 2,
    "train.epochs": 150,
    "train.checkpoint_epochs": 50,
    "train.points_per_shape": 512,
    "train.learning_rate": 2e-3,
}
TINY = _ours("pictures on a laptop in a minute: 64 pixels a side, shapes in the unit sphere or in the unit cube", _TINY)
_TINY_CLOUD: Mapping[str, Any] = {
    **{name: value for name, value in _TINY.items() if not name.startswith("model.image")},
    "model.encoder": "cloud",
    "model.encoder_hidden": 96,
    "model.encoder_blocks": 3,
    "model.input_points": 256,
    "model.input_noise": 0.01,
    "inference.points": 256,
}
TINY_CLOUD = _ours("noisy clouds on a laptop in a minute", _TINY_CLOUD)

PRESETS = {
    "tiny": TINY,
    "tiny_cloud": TINY_CLOUD,
    "small": SMALL_OBJECTS,
    "paper": PAPER,
    "isotropic": ISOTROPIC,
    "without_embedding": WITHOUT_EMBEDDING,
    "n4": N4,
    "n8": N8,
    "n16": N16,
    "n64": N64,
    "cloud": CLOUD,
}
