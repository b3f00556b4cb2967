"""Presets of SAL, and where each of their values comes from."""

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

_CODE = "SAL's released code for D-FAUST"
_OURS = "ours: the published network encodes scans instead of optimising codes; as SALD's released autodecoder"
_PAPER_CODES: Mapping[str, Any] = {
    **DFAUST_AUTODECODER,
    "model.activation": "relu",
    "model.radius": 0.5,
    "model.loss": "l2",
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
_PAPER_ORIGINS = dict.fromkeys(_PAPER_CODES, _CODE) | {
    "model.radius": f"{_CODE}: its constant 2 sqrt(pi)",
    "model.saliency_weight": "SAL has no saliency",
    "inference.initial_std": _OURS,
    "inference.iterations": f"{_CODE}: its refinement of codes at test time",
    "inference.learning_rate": f"{_CODE}: its refinement of codes at test time",
}
PAPER = Preset(
    summary="SAL's variational autoencoder for D-FAUST, 4.21 M parameters: 64 x 16,384 queries, a large GPU",
    settings={**_PAPER_CODES, **RELEASED_ENCODER, "model.encoder_points": 16_384},
    origins={
        **_PAPER_ORIGINS,
        **dict.fromkeys(RELEASED_ENCODER, _CODE),
        "model.encoder_points": f"{_CODE}: 128^2",
        "model.code_weight": _OURS,
        "inference.iterations": f"{_CODE}: 800 where its codes are refined at test time, else none",
    },
)
PAPER_CODES = Preset(
    summary="the same decoder and schedule with a trained code per shape in place of the encoder",
    settings=_PAPER_CODES,
    origins={
        **_PAPER_ORIGINS,
        "model.code_std": _OURS,
        "model.code_weight": f"{_OURS}: {CODE_WEIGHT}",
        "train.points_per_shape": f"{_CODE}: as many surface points again only feed its encoder",
        "train.code_learning_rate": _OURS,
    },
)

_LIGHT_DECODER: Mapping[str, Any] = {"model.latent_dim": 128, "model.hidden": 256}
_LIGHT_ENCODER: Mapping[str, Any] = {"model.encoder_width": 256}
_LIGHT_SCHEDULE: Mapping[str, Any] = {"train.epochs": 500, "train.lr_step_epochs": 125}
_LIGHT = "our choice: the paper's layers are not published; half of every width of SAL"
_LIGHT_ORIGINS = dict.fromkeys(_LIGHT_DECODER, _LIGHT) | {
    "train.epochs": "LightSAL (arXiv 2103.14273) is compared with SAL after 500 epochs",
    "train.lr_step_epochs": "our choice: as many steps as SAL's 2,000 epochs have",
}
LIGHT = Preset(
    summary="LightSAL's budget: SAL at half of every width, 1.06 M parameters for 4.21 M, a quarter of the epochs",
    settings={**PAPER.settings, **_LIGHT_DECODER, **_LIGHT_ENCODER, **_LIGHT_SCHEDULE},
    origins={**PAPER.origins, **_LIGHT_ORIGINS, **dict.fromkeys(_LIGHT_ENCODER, _LIGHT)},
)
LIGHT_CODES = Preset(
    summary="the same with trained codes: 0.46 M parameters and the codes, for 1.84 M",
    settings={**_PAPER_CODES, **_LIGHT_DECODER, **_LIGHT_SCHEDULE},
    origins={**PAPER_CODES.origins, **_LIGHT_ORIGINS},
)

_PAPER_SINGLE: Mapping[str, Any] = {
    "model.latent_dim": 0,
    "model.hidden": 512,
    "model.layers": 8,
    "model.skip_at": None,
    "model.weight_norm": True,
    "model.activation": "relu",
    "model.radius": 0.5,
    "model.rescaled_start": False,
    "model.loss": "l2",
    "train.epochs": 10_000,
    "train.points_per_shape": 16_384,
    "train.learning_rate": 5e-4,
    "train.lr_step_epochs": 0,
    "inference.cloud_neighbour": 50,
    "inference.cloud_std": 1.0,
    "inference.cloud_queries": 500_000,
}
_RECON = "SAL's released code for one shape"
_SINGLE_ORIGINS = dict.fromkeys(_PAPER_SINGLE, _RECON) | {
    "train.epochs": "our choice: as many iterations as DiGS takes; the released number of epochs depends on the data",
    "model.radius": f"{_RECON}: its constant 2 sqrt(pi)",
}
PAPER_SINGLE = Preset(
    summary="SAL's network of one shape: 16,384 queries a step, a GPU; prepare with 50 neighbours, 1.0, to points",
    settings=_PAPER_SINGLE,
    origins=_SINGLE_ORIGINS,
)
_L0: Mapping[str, Any] = {
    "model.loss": "l0",
    "model.skip_at": 4,
    "model.weight_norm": False,
    "train.learning_rate": 1e-4,
}
PAPER_SINGLE_L0 = Preset(
    summary="the same for the loss l0: no weight norm, a skip, tanh(x) + x behind the last layer",
    settings={**_PAPER_SINGLE, **_L0},
    origins={**_SINGLE_ORIGINS, **dict.fromkeys(_L0, f"{_RECON}, recon_tanh.conf")},
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
TINY_VAE = Preset(
    summary="the small trunk with an encoder of surface points in place of codes",
    settings={**SMALL_SPHERE, **SMALL_ENCODER},
    origins={**SMALL_SPHERE_ORIGINS, **dict.fromkeys(SMALL_ENCODER, SMALL)},
)
_TINY_LIGHT: Mapping[str, Any] = {"model.latent_dim": 16, "model.hidden": 64, "model.encoder_width": 32}
TINY_LIGHT = Preset(
    summary="tiny_vae at half of every width, as lightsal is of paper: 30,907 parameters for 121,211",
    settings={**TINY_VAE.settings, **_TINY_LIGHT},
    origins={**TINY_VAE.origins, **dict.fromkeys(_TINY_LIGHT, SMALL)},
)
SINGLE = Preset(
    summary="a small network of one shape, fitted in seconds on a CPU core; for shapesys fit",
    settings=SMALL_SINGLE,
    origins=dict.fromkeys(SMALL_SINGLE, SMALL),
)
_SMALL_L0: Mapping[str, Any] = {"model.loss": "l0", "model.weight_norm": False, "train.learning_rate": 1e-3}
SINGLE_L0 = Preset(
    summary="the same for the loss l0",
    settings={**SMALL_SINGLE, **_SMALL_L0},
    origins=dict.fromkeys([*SMALL_SINGLE, *_SMALL_L0], SMALL),
)

PRESETS: Mapping[str, Preset] = {
    "tiny": TINY,
    "tiny_saliency": TINY_SALIENCY,
    "tiny_vae": TINY_VAE,
    "tiny_lightsal": TINY_LIGHT,
    "single": SINGLE,
    "single_l0": SINGLE_L0,
    "paper": PAPER,
    "paper_codes": PAPER_CODES,
    "paper_single": PAPER_SINGLE,
    "paper_single_l0": PAPER_SINGLE_L0,
    "lightsal": LIGHT,
    "lightsal_codes": LIGHT_CODES,
}
