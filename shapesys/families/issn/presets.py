"""Presets of ISSN, and where each of their values comes from."""

from __future__ import annotations

from shapesys.families.base import Preset
from shapesys.families.fields.presets import SMALL, SMALL_AUTODECODER

_PAPER = "section 4.2"
_OPEN = "not stated; DeepSDF's value"
PAPER = Preset(
    summary="as published: 48 shapes x 16,384 queries on two 11 GB GPUs, 500 epochs per category",
    settings={
        "model.latent_dim": 256,
        "model.hidden": 512,
        "model.layers": 8,
        "model.skip_at": 4,
        "model.dropout": 0.2,
        "model.saliency_weight": 1e-3,
        "model.code_weight": 0.1,
        "model.clamp": 0.1,
        "model.clamp_gradient": "published",
        "train.epochs": 500,
        "train.shapes_per_step": 48,
        "train.points_per_shape": 16_384,
        "train.learning_rate": 5e-4,
        "train.code_learning_rate": 1e-3,
        "train.lr_step_epochs": 200,
        "train.lr_factor": 0.5,
    },
    origins={
        "model.latent_dim": _OPEN,
        "model.hidden": _OPEN,
        "model.layers": _OPEN,
        "model.skip_at": _OPEN,
        "model.dropout": _OPEN,
        "model.saliency_weight": "appendix A.1",
        "model.code_weight": _PAPER,
        "model.clamp": _PAPER,
        "model.clamp_gradient": "equation 2 as written",
        "train.epochs": _PAPER,
        "train.shapes_per_step": _PAPER,
        "train.points_per_shape": _PAPER,
        "train.learning_rate": _PAPER,
        "train.code_learning_rate": _PAPER,
        "train.lr_step_epochs": _PAPER,
        "train.lr_factor": _PAPER,
    },
)

_TINY = {**SMALL_AUTODECODER, "model.dropout": 0.0, "model.saliency_weight": 5e-3}
TINY = Preset(
    summary="a small trunk that learns a few dozen shapes on two CPU cores in about a minute",
    settings=_TINY,
    origins={
        **dict.fromkeys(_TINY, SMALL),
        "model.saliency_weight": "our choice: lambda is an error, and so small a network errs several times as much",
    },
)
