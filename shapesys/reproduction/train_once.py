"""A run of a recipe: trained where it is not yet."""

from __future__ import annotations

import time

from shapesys.training import loop
from shapesys.training.config import TrainJob, claim
from shapesys.training.context import LocalContext, pick_device
from shapesys.training.run_dir import RunDirectory


def train_once(run: RunDirectory, job: TrainJob) -> None:
    """Train in this process from the run's newest checkpoint on; where it is done, nothing happens.

    Raises:
        ShapesysError: the run holds other settings, or training failed.
    """
    claim(run, job)
    started = time.monotonic()
    loop.train(job, run, LocalContext(pick_device(job.scale.device)))
    run.update_status(state="finished", error=None, train_seconds=time.monotonic() - started)
