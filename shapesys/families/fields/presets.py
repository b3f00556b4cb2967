"""The small trunk and schedule that presets of autodecoders start from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SMALL = "our choice: minutes on a laptop"
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
