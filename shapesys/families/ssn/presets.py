"""Named settings of SSN and where each value comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shapesys.families.base import Preset

_CODE = "SSN's published code"
_OURS = "our choice: round numbers over the range that papers plot"
_PUBLISHED: Mapping[str, tuple[Any, str]] = {
    "model.width": (64, _CODE),
    "model.learned": (15, _CODE),
    "model.initial_std": (1e-3, _CODE),
    "model.superpixels": (100, _CODE),
    "model.iterations": (5, _CODE),
    "model.counting": ("associations", _CODE),
    "model.color_scale": (0.26, _CODE),
    "model.position_ratio": (0.40, "SSN's published code, at test"),
    "model.training_position_scale": (
        0.25,
        "SSN's published code, which does not say why; at test its rule gives half of that for such patches",
    ),
    "model.compactness_weight": (1e-5, _CODE),
    "model.compactness_reduction": ("caffe_sum", _CODE),
    "model.segments": (50, _CODE),
    "model.zoom_std": (0.75, _CODE),
    "model.zoom_least": (0.75, _CODE),
    "model.zoom_most": (3.0, _CODE),
    "train.shapes_per_step": (6, _CODE),
    "train.points_per_shape": (201 * 201, "SSN's published code: patches of 201 x 201 pixels"),
    "train.learning_rate": (1e-4, _CODE),
    "inference.superpixels": ((100, 200, 300, 400, 500, 600, 800, 1000), _OURS),
    "inference.iterations": (10, _CODE),
    "inference.least_share": (0.06, _CODE),
    "inference.most_share": (3.0, _CODE),
}


def _preset(summary: str, values: Mapping[str, tuple[Any, str]]) -> Preset:
    settings = {path: value for path, (value, _) in values.items()}
    return Preset(summary, settings, {path: origin for path, (_, origin) in values.items()})


PAPER = _preset(
    "as published: 500,000 steps of 6 patches from the 200 training images of BSDS500, meant for a GPU",
    {
        **_PUBLISHED,
        "train.epochs": (
            15_152,
            "500,000 steps, 33 an epoch, of 6 of 200 images: a port's account of the paper; the published code allows "
            "twice as many",
        ),
        "train.checkpoint_epochs": (303, "SSN's published code: every 10,000 steps"),
    },
)

DPGNET = _preset(
    "as DPGNet's section 4.2 repeats it: 15,000 steps, otherwise as published",
    {
        **_PUBLISHED,
        "train.epochs": (455, "DPGNet, section 4.2: 15,000 steps, 33 an epoch, with 200 images and 6 per step"),
        "train.checkpoint_epochs": (152, "our choice: every 5,000 steps"),
    },
)

_SMALL = "our choice: minutes on a laptop"
TINY = _preset(
    "a narrow network on patches of 128 x 128 pixels, about two minutes on two CPU cores",
    {
        "model.width": (16, _SMALL),
        "model.initial_std": (
            0.1,
            "our choice: near zero, where gradients of squared distances vanish, costs many steps",
        ),
        "model.superpixels": (40, "our choice: as many pixels per superpixel as in the published patches"),
        "train.epochs": (20, _SMALL),
        "train.shapes_per_step": (6, _CODE),
        "train.points_per_shape": (128 * 128, _SMALL),
        "train.learning_rate": (2e-3, "our choice: 20 times the published rate, for a thousandth of the steps"),
        "train.log_steps": (20, _SMALL),
        "train.checkpoint_epochs": (10, _SMALL),
    },
)
