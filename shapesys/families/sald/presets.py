"""Presets of SALD, and where each of their values comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shapesys.families.base import Preset
from shapesys.families.fields.presets import (
    CODE_WEIGHT,
    DFAUST_AUTODECODER,
    RELEASED_ENCODER,
    SMALL,
    SMALL_ENCODER,
    SMALL_SINGLE,
    SMALL_SPHERE,
    SMALL_SPHERE_ORIGINS,
)

_CODE = "SALD's released code for D-FAUST"
_PAPER_CODES: Mapping[str, Any] = {
    **DFAUST_AUTODECODER,
    "model.weight_norm_head": True,
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
_PAPER_ORIGINS = dict.fromkeys(_PAPER_CODES, _CODE) | {
    "model.derivative_weight": f"{_CODE}: grad_loss_weight = 1; the paper prints 0.1",
    "model.code_weight": f"{_CODE}: {CODE_WEIGHT}",
    "train.points_per_shape": f"{_CODE}: 90^2; as many surface points again carry a normal term of weight 0",
}
PAPER = Preset(
    summary="SALD's variational autoencoder for D-FAUST: 32 x 8,100 queries, a large GPU; prepare as preset sald",
    settings={**_PAPER_CODES, **RELEASED_ENCODER, "model.encoder_points": 8_100},
    origins={**_PAPER_ORIGINS, **dict.fromkeys(RELEASED_ENCODER, _CODE)}
    | {
        "model.encoder_points": f"{_CODE}: 90^2",
        "inference.iterations": f"{_CODE}: 800 where its codes are refined at test time, else none",
    },
)
PAPER_CODES = Preset(
    summary="SALD's autodecoder for D-FAUST, the same decoder and schedule",
    settings=_PAPER_CODES,
    origins=_PAPER_ORIGINS,
)

_SMALL_WEIGHT: Mapping[str, Any] = {"model.derivative_weight": 0.1}
_SMALL_WEIGHTS: Mapping[str, Any] = {**_SMALL_WEIGHT, "inference.derivative_weight": 0.1}
_WEIGHT_ORIGINS = {"model.derivative_weight": "the paper's value", "inference.derivative_weight": _CODE}
TINY = Preset(
    summary="a small trunk that learns a few dozen solid shapes on two CPU cores in minutes",
    settings={**SMALL_SPHERE, **_SMALL_WEIGHTS},
    origins={**SMALL_SPHERE_ORIGINS, **_WEIGHT_ORIGINS},
)
TINY_VAE = Preset(
    summary="the small trunk with an encoder of surface points in place of codes",
    settings={**SMALL_SPHERE, **_SMALL_WEIGHTS, **SMALL_ENCODER},
    origins={**SMALL_SPHERE_ORIGINS, **_WEIGHT_ORIGINS, **dict.fromkeys(SMALL_ENCODER, SMALL)},
)
SINGLE = Preset(
    summary="a small network of one shape, fitted in a dozen seconds on a CPU core; for shapesys fit",
    settings={**SMALL_SINGLE, **_SMALL_WEIGHT},
    origins={**dict.fromkeys(SMALL_SINGLE, SMALL), "model.derivative_weight": "the paper's value"},
)
_PAPER_SINGLE: Mapping[str, Any] = {
    "model.latent_dim": 0,
    "model.hidden": 512,
    "model.layers": 8,
    "model.skip_at": 4,
    "model.weight_norm": True,
    "model.weight_norm_head": True,
    "model.radius": 1.0,
    "model.rescaled_start": False,
    "model.activation": "softplus100",
    "model.derivative_weight": 0.1,
    "train.epochs": 10_000,
    "train.points_per_shape": 8_100,
    "train.learning_rate": 5e-4,
    "inference.cloud_neighbour": 50,
    "inference.cloud_std": 1.0,
    "inference.cloud_queries": 500_000,
}
PAPER_SINGLE = Preset(
    summary="SALD's decoder as a network of one shape, prepared as SAL prepares one: a GPU",
    settings=_PAPER_SINGLE,
    origins=dict.fromkeys(_PAPER_SINGLE, _CODE)
    | dict.fromkeys(
        ("model.latent_dim", "train.epochs"), "our choice: only networks of many shapes were released; DiGS' iterations"
    )
    | dict.fromkeys(
        ("inference.cloud_neighbour", "inference.cloud_std", "inference.cloud_queries"),
        "SAL's released code for one shape",
    )
    | {"model.derivative_weight": "the paper's value"},
)

PRESETS: Mapping[str, Preset] = {
    "tiny": TINY,
    "tiny_vae": TINY_VAE,
    "single": SINGLE,
    "paper": PAPER,
    "paper_codes": PAPER_CODES,
    "paper_single": PAPER_SINGLE,
}
