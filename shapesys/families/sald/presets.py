"""Presets of SALD, and where each of their values comes from."""

from __future__ import annotations

from shapesys.families.base import Preset
from shapesys.families.fields.presets import CODE_WEIGHT, DFAUST_AUTODECODER, SMALL_SPHERE, SMALL_SPHERE_ORIGINS

_CODE = "SALD's released autodecoder for D-FAUST"
_PAPER = {
    **DFAUST_AUTODECODER,
    "model.activation": "softplus100",
    "model.derivative_weight": 1.0,
    "train.epochs": 5000,
    "train.shapes_per_step": 32,
    "train.points_per_shape": 8_100,
    "train.lr_step_epochs": 0,
    "train.checkpoint_epochs": 50,
    "inference.derivative_weight": 0.1,
    "inference.cloud_neighbour": 10,
    "inference.cloud_std": 0.3,
}
PAPER = Preset(
    summary="SALD's D-FAUST autodecoder and schedule: 32 x 8,100 queries, a large GPU; prepare with 10 neighbours, 0.3",
    settings=_PAPER,
    origins=dict.fromkeys(_PAPER, _CODE)
    | {
        "model.code_weight": f"{_CODE}: {CODE_WEIGHT}",
        "model.derivative_weight": f"{_CODE}: grad_loss_weight = 1; the paper prints 0.1",
        "train.points_per_shape": f"{_CODE}: 90^2; as many surface points again carry a normal term of weight 0",
    },
)

TINY = Preset(
    summary="a small trunk that learns a few dozen solid shapes on two CPU cores in minutes",
    settings={**SMALL_SPHERE, "model.derivative_weight": 0.1, "inference.derivative_weight": 0.1},
    origins={
        **SMALL_SPHERE_ORIGINS,
        "model.derivative_weight": "the paper's value",
        "inference.derivative_weight": _CODE,
    },
)
