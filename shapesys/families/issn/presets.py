"""Presets of ISSN, and where each of their values comes from."""

from __future__ import annotations

from shapesys.families.base import Preset

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

_SMALL = "our choice: minutes on a laptop"
_TINY_SETTINGS = {
    "model.latent_dim": 32,
    "model.hidden": 128,
    "model.layers": 6,
    "model.skip_at": 3,
    "model.dropout": 0.0,
    "model.saliency_weight": 5e-3,
    "model.code_weight": 1e-4,
    "train.epochs": 500,
    "train.shapes_per_step": 16,
    "train.points_per_shape": 256,
    "train.learning_rate": 3e-3,
    "train.code_learning_rate": 1e-2,
    "train.lr_step_epochs": 160,
    "train.log_steps": 20,
    "train.checkpoint_epochs": 100,
    "inference.iterations": 200,
    "inference.points": 2_048,
    "inference.learning_rate": 2e-2,
}
TINY = Preset(
    summary="a small trunk that learns a few dozen shapes on two CPU cores in about a minute",
    settings=_TINY_SETTINGS,
    origins={
        **dict.fromkeys(_TINY_SETTINGS, _SMALL),
        "model.saliency_weight": "our choice: lambda is an error, and so small a network errs several times as much",
    },
)
