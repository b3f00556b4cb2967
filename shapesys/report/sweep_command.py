"""The command that trains one point of a sweep by itself."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from shapesys.training.config import TrainJob, changed_from_preset


def train_command(job: TrainJob, run: str) -> str:
    """The `shapesys train` line that gives `job`, quoted for a shell.

    Args:
        job: what to train; where it runs (``scale``) is left to the machine.
        run: name of the run.
    """
    changes = changed_from_preset(job)
    words = ["shapesys", "train", job.family, "--preset", job.preset, "--store", job.data.store, "--run", run]
    return shlex.join([*words, *flags(changes)])


def flags(settings: Mapping[str, Any]) -> list[str]:
    """Settings as words of the command line: {'model.latent_dim': 64} -> ['--model.latent-dim', '64']."""
    return [word for path, value in settings.items() for word in _words(path.replace("_", "-"), value)]


def _words(name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    if value is None:
        return [f"--{name}", "none"]
    if isinstance(value, list):
        return [f"--{name}", ",".join(str(element) for element in value)]
    return [f"--{name}", json.dumps(value) if isinstance(value, dict) else str(value)]
