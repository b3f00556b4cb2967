"""The command that trains one point of a sweep by itself."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from shapesys.training.config import TrainJob, changed_from_preset


def train_command(job: TrainJob, run: str, point: Mapping[str, Any] | None = None) -> list[str]:
    """The `shapesys train` line that gives `job`, quoted for a shell; one part per flag, to be joined by spaces.

    Args:
        job: what to train; where it runs (``scale``) is left to the machine.
        run: name of the run.
        point: settings to name even where they are the preset's.
    """
    named = {"preset": job.preset, "store": job.data.store, "run": run}
    changed = dict(point or {}) | changed_from_preset(job)
    settings = [_words(name, value) for name, value in (named | dict(sorted(changed.items()))).items()]
    return [shlex.join(words) for words in (["shapesys", "train", job.family], *settings)]


def _words(path: str, value: Any) -> list[str]:
    """A setting on the command line: ('model.latent_dim', 64) -> ['--model.latent-dim', '64']."""
    name = path.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    if value is None:
        return [f"--{name}", "none"]
    if isinstance(value, list):
        return [f"--{name}", ",".join(str(element) for element in value)]
    return [f"--{name}", json.dumps(value) if isinstance(value, dict) else str(value)]
