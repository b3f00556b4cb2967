"""Presets of DiGS, and where each of their values comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shapesys.families.base import Preset
from shapesys.families.fields.presets import SMALL

_SRB = "DiGS's released code for the surface reconstruction benchmark"
_DFAUST = "DiGS's released code for D-FAUST"
_SCENE = "DiGS's released code for scenes"

_LOSS: Mapping[str, Any] = {
    "model.surface_weight": 3e3,
    "model.off_surface_weight": 1e2,
    "model.normal_weight": 0.0,
    "model.eikonal_weight": 5e1,
    "model.divergence_weight": 1e2,
    "train.gradient_clip": 10.0,
}
_PAPER_SINGLE: Mapping[str, Any] = {
    **_LOSS,
    "model.latent_dim": 0,
    "model.hidden": 256,
    "model.layers": 5,
    "model.start": "multi_frequency",
    "model.periods": 30.0,
    "model.divergence_until": 0.2,
    "model.divergence_gone": 0.4,
    "model.box": 1.1,
    "train.epochs": 10_000,
    "train.points_per_shape": 15_000,
    "train.learning_rate": 5e-5,
    "train.lr_step_epochs": 0,
}
PAPER_SINGLE = Preset(
    summary="DiGS for one scan, 264,449 parameters: 15,000 points a step, a GPU; prepare as preset single",
    settings=_PAPER_SINGLE,
    origins=dict.fromkeys(_PAPER_SINGLE, _SRB) | {"model.layers": f"{_SRB}: an input layer and 4 hidden ones"},
)

_OF_SCENES: Mapping[str, Any] = {
    "model.hidden": 512,
    "model.layers": 9,
    "model.start": "siren",
    "model.divergence_weight": 1e1,
    "model.divergence_until": 0.1,
    "model.divergence_gone": 0.3,
    "train.epochs": 300_000,
    "train.learning_rate": 1e-6,
}
PAPER_SCENE = Preset(
    summary="DiGS for a scanned room, 2.1 M parameters: 300,000 iterations of 15,000 points, a GPU",
    settings={**_PAPER_SINGLE, **_OF_SCENES},
    origins=dict.fromkeys({**_PAPER_SINGLE, **_OF_SCENES}, _SCENE)
    | {"model.layers": f"{_SCENE}: an input layer and 8 hidden ones"},
)

_PAPER: Mapping[str, Any] = {
    **_LOSS,
    "model.latent_dim": 256,
    "model.hidden": 256,
    "model.layers": 9,
    "model.start": "multi_frequency",
    "model.periods": 30.0,
    "model.code_std": 0.0,
    "model.code_weight": 1.0,
    "model.divergence_until": 0.5,
    "model.divergence_gone": 0.7,
    "model.box": 1.2,
    "train.epochs": 500,
    "train.shapes_per_step": 16,
    "train.accumulate": 16,
    "train.points_per_shape": 15_000,
    "train.learning_rate": 5e-5,
    "train.code_learning_rate": 5e-5,
    "train.lr_step_epochs": 0,
    "inference.iterations": 800,
    "inference.learning_rate": 1e-3,
    "inference.points": 15_000,
    "inference.initial_std": 1.0 / 256,
}
PAPER = Preset(
    summary="DiGS's shape space of D-FAUST, 593,153 parameters: 16 x 15,000 points, a GPU; prepare as preset sal",
    settings=_PAPER,
    origins=dict.fromkeys(_PAPER, _DFAUST)
    | {
        "model.layers": f"{_DFAUST}: an input layer and 8 hidden ones",
        "model.code_weight": f"{_DFAUST}: 1 on |z|, here on |z|^2",
        "model.divergence_until": f"{_DFAUST}, which counts 100 epochs as the whole",
        "model.divergence_gone": f"{_DFAUST}, which counts 100 epochs as the whole",
        "train.gradient_clip": f"{_DFAUST}: of the network alone, here of codes, too",
    },
)

_SMALL_TRUNK: Mapping[str, Any] = {
    **_LOSS,
    "model.hidden": 128,
    "model.layers": 4,
    "model.start": "multi_frequency",
    "model.periods": 15.0,
}
_SMALL_ORIGINS = dict.fromkeys(_SMALL_TRUNK, SMALL) | {
    **dict.fromkeys((*_LOSS, "model.start"), _SRB),
    "model.periods": "our choice: with 30 as released, surfaces get ghosts between so few points a step",
}
_SINGLE: Mapping[str, Any] = {
    "model.latent_dim": 0,
    "train.epochs": 3_000,
    "train.points_per_shape": 512,
    "train.learning_rate": 4e-4,
    "train.schedule": "cosine",
}
SINGLE = Preset(
    summary="a small network of one scan without normals, fitted in a minute on a CPU core; for shapesys fit",
    settings={**_SMALL_TRUNK, **_SINGLE},
    origins={**_SMALL_ORIGINS, **dict.fromkeys(_SINGLE, SMALL)},
)

_TINY: Mapping[str, Any] = {
    "model.latent_dim": 32,
    "model.code_std": 1e-3,
    "model.code_weight": 1e-2,
    "train.epochs": 1_000,
    "train.shapes_per_step": 8,
    "train.points_per_shape": 256,
    "train.learning_rate": 5e-4,
    "train.code_learning_rate": 2e-3,
    "train.schedule": "cosine",
    "train.log_steps": 20,
    "train.checkpoint_epochs": 100,
    "inference.iterations": 200,
    "inference.points": 1_024,
    "inference.learning_rate": 1e-2,
}
TINY = Preset(
    summary="a small shape space that learns a few dozen solid shapes on two CPU cores in minutes",
    settings={**_SMALL_TRUNK, **_TINY},
    origins={**_SMALL_ORIGINS, **dict.fromkeys(_TINY, SMALL)},
)

PRESETS: Mapping[str, Preset] = {
    "tiny": TINY,
    "single": SINGLE,
    "paper": PAPER,
    "paper_single": PAPER_SINGLE,
    "paper_scene": PAPER_SCENE,
}
