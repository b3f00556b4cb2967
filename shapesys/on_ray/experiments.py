"""Experiments of a recipe on Ray actors: as many at a time as the cluster holds, each in one process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ray
import torch

from shapesys.errors import ShapesysError, in_words
from shapesys.on_ray.pool import ActorPool
from shapesys.on_ray.runtime import cluster_address, physical_cpus, runtime
from shapesys.reproduction.experiment import Experiment
from shapesys.reproduction.finding import Finding

HOURS = 48.0
"""An experiment that takes longer is given up."""
ATTEMPTS = 3
"""Workers that an experiment may cost by dying; it goes on from what it left."""

Heard = Callable[[Experiment, list[Finding], str], None]
"""Called with an experiment that ended, its findings, and why it failed (empty where it did not)."""


class ExperimentActor:
    """Performs one experiment after the other."""

    def __init__(self) -> None:
        torch.set_num_threads(1)

    def ping(self) -> bool:
        return True

    def run(self, experiment: Experiment) -> tuple[list[Finding], str]:
        """Findings, or why there are none."""
        try:
            return experiment.perform(), ""
        except ShapesysError as error:
            return [], in_words(error)


def run_experiments(
    phases: Sequence[Sequence[Experiment]], heard: Heard, address: str | None = None, workers: int | None = None
) -> None:
    """Run one phase after the other, and tell of each experiment as it ends.

    Args:
        phases: all of a phase have ended, well or not, before the next one starts.
        address: an existing cluster; a private local instance where None.
        workers: at a time; as many as there are CPUs (or GPUs, where the cluster has any) where None.

    Raises:
        ShapesysError: no worker can be started.
    """
    with runtime(address, num_cpus=workers or physical_cpus()):
        pool = _pool(address, workers)
        for phase in filter(None, phases):
            for outcome in pool.map(list(phase)):
                findings, why = outcome.value if outcome.ok else ([], f"{outcome.stage}: {outcome.failure}")
                heard(outcome.item, findings, why)


def _pool(address: str | None, workers: int | None) -> ActorPool[Experiment]:
    has = ray.cluster_resources()
    gpus = int(has.get("GPU", 0))
    # A private instance pretends to have more CPUs than the machine.
    cpus = int(has.get("CPU", 1)) if cluster_address(address) else physical_cpus()
    remote: Any = ray.remote(num_cpus=1, num_gpus=1 if gpus else 0)(ExperimentActor)
    return ActorPool(
        remote.remote,
        workers or max(1, gpus or cpus),
        deadline=lambda item: HOURS * 3600,
        attempts=ATTEMPTS,
        # The same run must never be worked on twice at a time.
        patience=float("inf"),
    )
