"""A run trained in this process where it is not yet, as a recipe or a set of networks needs it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from shapesys.errors import in_words
from shapesys.reproduction.experiment import Experiment
from shapesys.reproduction.finding import Finding
from shapesys.training import loop
from shapesys.training.config import TrainJob, claim
from shapesys.training.context import LocalContext, pick_device
from shapesys.training.network_set import finished_result
from shapesys.training.run_dir import RunDirectory


def train_once(run: RunDirectory, job: TrainJob) -> None:
    """Train in this process from the run's newest checkpoint on; where it is done, nothing happens.

    Raises:
        ShapesysError: the run holds other settings, its file of saliency maps has changed, or training failed.
    """
    claim(run, job)
    started = time.monotonic()
    loop.train(job, run, LocalContext(pick_device(job.scale.device)))
    run.update_status(state="finished", error=None, train_seconds=time.monotonic() - started)


@dataclass(frozen=True)
class TrainExperiment(Experiment):
    """Trains one network, and lets its status say so; what came of it lies in its run.

    Attributes:
        run: its directory.
        job: its training.
    """

    run: RunDirectory
    job: TrainJob

    def describe(self) -> Mapping[str, str]:
        return {"family": self.job.family, "preset": self.job.preset}

    def was_done(self) -> bool:
        return finished_result(self.run) is not None

    def perform(self) -> list[Finding]:
        self.run.update_status(state="running", error=None)
        try:
            train_once(self.run, self.job)
        except Exception as error:
            self.run.update_status(state="failed", error=in_words(error))
            raise
        return []
