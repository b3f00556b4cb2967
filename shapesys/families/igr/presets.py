"""Presets of IGR, and where each of their values comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shapesys.families.base import Preset
from shapesys.families.fields.presets import SMALL, SMALL_SINGLE, SMALL_SPHERE, SMALL_SPHERE_ORIGINS

_RECON = "IGR's released code for one shape"
_DFAUST = "IGR's released code for D-FAUST"

_RELEASED: Mapping[str, Any] = {
    "model.hidden": 512,
    "model.layers": 8,
    "model.skip_at": 4,
    "model.weight_norm": False,
    "model.activation": "softplus100",
    "model.radius": 1.0,
    "model.rescaled_start": False,
    "model.eikonal_weight": 0.1,
    "model.normal_weight": 1.0,
    "model.box": 1.8,
    "train.learning_rate": 5e-3,
    "train.lr_factor": 0.5,
    "train.lr_floor": 5e-6,
}
_PAPER_SINGLE: Mapping[str, Any] = {
    **_RELEASED,
    "model.latent_dim": 0,
    "train.epochs": 100_000,
    "train.points_per_shape": 16_384,
    "train.lr_step_epochs": 2_000,
    "inference.cloud_neighbour": 50,
}
PAPER_SINGLE = Preset(
    summary="IGR for one scan with normals: 100,000 iterations of 16,384 points, a GPU; prepare as preset single",
    settings=_PAPER_SINGLE,
    origins=dict.fromkeys(_PAPER_SINGLE, _RECON),
)

_PAPER: Mapping[str, Any] = {
    **_RELEASED,
    "model.latent_dim": 256,
    "model.near_std": 0.01,
    "model.code_std": 0.0,
    "model.code_weight": 1e-3,
    "train.epochs": 10_000,
    "train.shapes_per_step": 64,
    "train.points_per_shape": 8_000,
    "train.code_learning_rate": 1e-3,
    "train.lr_step_epochs": 500,
    "inference.iterations": 800,
    "inference.learning_rate": 5e-3,
    "inference.points": 16_384,
    "inference.initial_std": 1.0 / 256,
}
PAPER = Preset(
    summary="IGR's shape space of D-FAUST, with normals: 64 x 8,000 points, a large GPU; prepare as preset sal",
    settings=_PAPER,
    origins=dict.fromkeys(_PAPER, _DFAUST)
    | {
        "model.code_weight": f"{_DFAUST}: 1e-3 on |z|, here on |z|^2",
        "train.shapes_per_step": f"{_DFAUST}: 16 on each of 4 GPUs",
    },
)

_LOSS: Mapping[str, Any] = {"model.eikonal_weight": 0.1, "model.normal_weight": 1.0}
_SINGLE: Mapping[str, Any] = {
    "train.epochs": 3_000,
    "train.points_per_shape": 512,
    "train.lr_step_epochs": 1_000,
}


def _of_points(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What they become with IGR's loss, which takes a cloud's own points in place of queries about it."""
    return {name: value for name, value in settings.items() if name != "inference.cloud_queries"} | dict(_LOSS)


_SMALL_SINGLE = _of_points({**SMALL_SINGLE, **_SINGLE})
SINGLE = Preset(
    summary="a small network of one scan with normals, fitted in a minute on a CPU core; for shapesys fit",
    settings=_SMALL_SINGLE,
    origins=dict.fromkeys(_SMALL_SINGLE, SMALL) | dict.fromkeys(_LOSS, _RECON),
)
TINY = Preset(
    summary="a small shape space of scans with normals that learns a few dozen shapes on two CPU cores in minutes",
    settings=_of_points(SMALL_SPHERE),
    origins={**SMALL_SPHERE_ORIGINS, **dict.fromkeys(_LOSS, _DFAUST)},
)

PRESETS: Mapping[str, Preset] = {"tiny": TINY, "single": SINGLE, "paper": PAPER, "paper_single": PAPER_SINGLE}
