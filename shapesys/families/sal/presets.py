"""Presets of SAL, and where each of their values comes from."""

from __future__ import annotations

from shapesys.families.base import Preset
from shapesys.families.fields.presets import SMALL, SMALL_AUTODECODER

_CODE = "SAL's released code for D-FAUST"
_OURS = "ours: the published network encodes scans instead of optimising codes; as SALD's released autodecoder"
_PAPER = {
    "model.latent_dim": 256,
    "model.hidden": 512,
    "model.layers": 8,
    "model.skip_at": 4,
    "model.weight_norm": True,
    "model.activation": "relu",
    "model.radius": 1.0,
    "model.code_std": 0.0,
    "model.code_weight": 1e-3 / 256,
    "model.saliency_weight": 0.0,
    "train.epochs": 2000,
    "train.shapes_per_step": 64,
    "train.points_per_shape": 16_384,
    "train.learning_rate": 5e-4,
    "train.code_learning_rate": 1e-3,
    "train.lr_step_epochs": 500,
    "train.lr_factor": 0.5,
    "train.lr_floor": 1e-5,
    "inference.iterations": 800,
    "inference.learning_rate": 1e-3,
    "inference.initial_std": 1e-5,
    "inference.cloud_neighbour": 50,
    "inference.cloud_std": 0.2,
}
PAPER = Preset(
    summary="SAL's D-FAUST decoder and schedule, codes in place of its encoder: 64 x 16,384 queries, a large GPU",
    settings=_PAPER,
    origins=dict.fromkeys(_PAPER, _CODE)
    | {
        "model.radius": "SALD's and IGR's constant sqrt(pi); SAL's code has twice that, about half the radius",
        "model.code_std": _OURS,
        "model.code_weight": f"{_OURS}: 1e-3 on the mean of z^2 over 256 dimensions",
        "model.saliency_weight": "SAL has no saliency",
        "train.points_per_shape": f"{_CODE}: as many surface points again only feed its encoder",
        "train.code_learning_rate": _OURS,
        "inference.initial_std": _OURS,
        "inference.iterations": f"{_CODE}: its refinement of codes at test time",
        "inference.learning_rate": f"{_CODE}: its refinement of codes at test time",
    },
)

_TINY = {
    **SMALL_AUTODECODER,
    "model.radius": 0.5,
    "model.code_std": 1e-3,
    "inference.cloud_neighbour": 4,
    "inference.cloud_queries": 16_384,
}
_TINY_ORIGINS = dict.fromkeys(_TINY, SMALL) | {
    "model.radius": "our choice: inside the shapes of the unit sphere, as SAL's own start is",
    "model.code_std": "our choice: codes that tell shapes apart and leave the first sphere a sphere",
}
TINY = Preset(
    summary="a small trunk that learns a few dozen solid shapes (sofas, cars) on two CPU cores in about a minute",
    settings=_TINY,
    origins=_TINY_ORIGINS,
)

_SALIENT = {"model.saliency_weight": 3e-3}
TINY_SALIENCY = Preset(
    summary="the same with a saliency head",
    settings=_TINY | _SALIENT,
    origins=_TINY_ORIGINS
    | {"model.saliency_weight": "our choice: about half the mean error that tiny reaches, so that lambda / L is 1/2"},
)
