"""Presets of SALD, and where each of their values comes from."""

from __future__ import annotations

from shapesys.families.base import Preset
from shapesys.families.fields.presets import SMALL, SMALL_AUTODECODER

_CODE = "SALD's released autodecoder for D-FAUST"
_PAPER = {
    "model.latent_dim": 256,
    "model.hidden": 512,
    "model.layers": 8,
    "model.skip_at": 4,
    "model.weight_norm": True,
    "model.activation": "softplus100",
    "model.radius": 1.0,
    "model.code_std": 0.0,
    "model.code_weight": 1e-3 / 256,
    "model.derivative_weight": 1.0,
    "train.epochs": 5000,
    "train.shapes_per_step": 32,
    "train.points_per_shape": 8_100,
    "train.learning_rate": 5e-4,
    "train.code_learning_rate": 1e-3,
    "train.lr_step_epochs": 0,
    "train.checkpoint_epochs": 50,
    "inference.iterations": 800,
    "inference.learning_rate": 1e-3,
    "inference.initial_std": 1e-5,
    "inference.derivative_weight": 0.1,
    "inference.cloud_neighbour": 10,
    "inference.cloud_std": 0.3,
}
PAPER = Preset(
    summary="SALD's D-FAUST autodecoder and schedule: 32 x 8,100 queries, a large GPU; prepare with 10 neighbours, 0.3",
    settings=_PAPER,
    origins=dict.fromkeys(_PAPER, _CODE)
    | {
        "model.code_weight": f"{_CODE}: 1e-3 on the mean of z^2 over 256 dimensions",
        "model.derivative_weight": f"{_CODE}: grad_loss_weight = 1; the paper prints 0.1",
        "train.points_per_shape": f"{_CODE}: 90^2; as many surface points again carry a normal term of weight 0",
    },
)

_TINY = {
    **SMALL_AUTODECODER,
    "model.radius": 0.5,
    "model.code_std": 1e-3,
    "model.derivative_weight": 0.1,
    "inference.derivative_weight": 0.1,
    "inference.cloud_neighbour": 4,
    "inference.cloud_queries": 16_384,
}
TINY = Preset(
    summary="a small trunk that learns a few dozen solid shapes on two CPU cores in minutes",
    settings=_TINY,
    origins=dict.fromkeys(_TINY, SMALL)
    | {
        "model.radius": "our choice: inside the shapes of the unit sphere, as SAL's own start is",
        "model.code_std": "our choice: codes that tell shapes apart and leave the first sphere a sphere",
        "model.derivative_weight": "the paper's value",
        "inference.derivative_weight": _CODE,
    },
)
