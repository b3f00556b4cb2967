"""Presets of SAL, and where each of their values comes from."""

from __future__ import annotations

from shapesys.families.base import Preset
from shapesys.families.fields.presets import CODE_WEIGHT, DFAUST_AUTODECODER, SMALL_SPHERE, SMALL_SPHERE_ORIGINS

_CODE = "SAL's released code for D-FAUST"
_OURS = "ours: the published network encodes scans instead of optimising codes; as SALD's released autodecoder"
_PAPER = {
    **DFAUST_AUTODECODER,
    "model.activation": "relu",
    "model.saliency_weight": 0.0,
    "train.epochs": 2000,
    "train.shapes_per_step": 64,
    "train.points_per_shape": 16_384,
    "train.lr_step_epochs": 500,
    "train.lr_factor": 0.5,
    "train.lr_floor": 1e-5,
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
        "model.code_weight": f"{_OURS}: {CODE_WEIGHT}",
        "model.saliency_weight": "SAL has no saliency",
        "train.points_per_shape": f"{_CODE}: as many surface points again only feed its encoder",
        "train.code_learning_rate": _OURS,
        "inference.initial_std": _OURS,
        "inference.iterations": f"{_CODE}: its refinement of codes at test time",
        "inference.learning_rate": f"{_CODE}: its refinement of codes at test time",
    },
)

TINY = Preset(
    summary="a small trunk that learns a few dozen solid shapes (sofas, cars) on two CPU cores in about a minute",
    settings=SMALL_SPHERE,
    origins=SMALL_SPHERE_ORIGINS,
)

_SALIENT = {"model.saliency_weight": 3e-3}
TINY_SALIENCY = Preset(
    summary="the same with a saliency head",
    settings={**SMALL_SPHERE, **_SALIENT},
    origins={**SMALL_SPHERE_ORIGINS}
    | {"model.saliency_weight": "our choice: about half the mean error that tiny reaches, so that lambda / L is 1/2"},
)
