"""The trunks and schedules that presets of several families of fields start from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SMALL = "our choice: minutes on a laptop"
SMALL_SCHEDULE: Mapping[str, Any] = {
    "train.epochs": 60,
    "train.shapes_per_step": 8,
    "train.points_per_shape": 1024,
    "train.learning_rate": 1e-3,
    "train.schedule": "cosine",
    "train.checkpoint_epochs": 10,
    "train.select": "last",
}
"""How small networks of occupancy are trained, so that they can be compared."""

SMALL_AUTODECODER: Mapping[str, Any] = {
    "model.latent_dim": 32,
    "model.hidden": 128,
    "model.layers": 6,
    "model.skip_at": 3,
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

SMALL_SPHERE: Mapping[str, Any] = {
    **SMALL_AUTODECODER,
    "model.radius": 0.5,
    "model.code_std": 1e-3,
    "inference.cloud_neighbour": 4,
    "inference.cloud_queries": 16_384,
}
"""The small autodecoder that starts as a sphere."""
SMALL_SPHERE_ORIGINS: Mapping[str, str] = dict.fromkeys(SMALL_SPHERE, SMALL) | {
    "model.radius": "our choice: inside the shapes of the unit sphere, as SAL's own start is",
    "model.code_std": "our choice: codes that tell shapes apart and leave the first sphere a sphere",
}

SMALL_ENCODER: Mapping[str, Any] = {
    "model.encoder": True,
    "model.encoder_width": 64,
    "model.encoder_points": 256,
    "train.learning_rate": 1e-3,
    "inference.iterations": 0,
    "inference.points": 2_048,
}
"""What the small autodecoder becomes with an encoder: it has no codes of its own to be quick about."""

SMALL_SINGLE: Mapping[str, Any] = {
    "model.latent_dim": 0,
    "model.hidden": 128,
    "model.layers": 5,
    "model.skip_at": None,
    "model.radius": 0.5,
    "train.epochs": 1_000,
    "train.points_per_shape": 1_024,
    "train.learning_rate": 2e-3,
    "train.lr_step_epochs": 400,
    "train.lr_factor": 0.3,
    "inference.cloud_neighbour": 4,
    "inference.cloud_queries": 16_384,
}
"""The small network of one shape."""

DFAUST_AUTODECODER: Mapping[str, Any] = {
    "model.latent_dim": 256,
    "model.hidden": 512,
    "model.layers": 8,
    "model.skip_at": 4,
    "model.weight_norm": True,
    "model.radius": 1.0,
    "model.rescaled_start": False,
    "model.code_std": 0.0,
    "model.code_weight": 1e-3 / 256,
    "train.learning_rate": 5e-4,
    "train.code_learning_rate": 1e-3,
    "inference.iterations": 800,
    "inference.learning_rate": 1e-3,
    "inference.initial_std": 1e-5,
}
"""What the paper presets of SAL and SALD, both of released code for D-FAUST, have in common."""
RELEASED_ENCODER: Mapping[str, Any] = {
    "model.encoder": True,
    "model.encoder_width": 512,
    "model.posterior_weight": 1e-3,
    "inference.iterations": 0,
}
"""What the released variational autoencoders of SAL and SALD have besides; their refinement at test time is a flag."""
CODE_WEIGHT = "1e-3 on the mean of z^2 over 256 dimensions"
