"""Runs of a recipe on a pool of Ray actors: as many at a time as the cluster holds, each in one process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ray
import torch

from shapesys.errors import ShapesysError, in_words
from shapesys.on_ray.pool import ActorPool
from shapesys.on_ray.runtime import cluster_address, physical_cpus, runtime
from shapesys.reproduction.experiment import Experiment, Finding, perform

HOURS = 48.0
"""A run that takes longer is given up."""
ATTEMPTS = 3
"""Workers that a run may cost by dying; it goes on from its newest checkpoint."""

Heard = Callable[[Experiment, list[Finding], str], None]
"""Called with an experiment that ended, its findings, and why it failed (empty where it did not)."""


class ExperimentActor:
    """Trains and measures, one experiment after the other."""

    def __init__(self) -> None:
        torch.set_num_threads(1)

    def ping(self) -> bool:
        return True

    def run(self, experiment: Experiment) -> tuple[list[Finding], str]:
        """Findings, or why there are none."""
        try:
            return perform(experiment), ""
        except ShapesysError as error:
            return [], in_words(error)


def run_experiments(
    items: Sequence[Experiment], heard: Heard, address: str | None = None, workers: int | None = None
) -> None:
    """Run all experiments, and tell of each as it ends.

    Args:
        address: an existing cluster; a private local instance where None.
        workers: at a time; as many as there are CPUs (or GPUs, where the cluster has any) where None.

    Raises:
        ShapesysError: no worker can be started.
    """
    with runtime(address, num_cpus=workers or physical_cpus()):
        has = ray.cluster_resources()
        gpus = int(has.get("GPU", 0))
        # A private instance pretends to have more CPUs than the machine.
        cpus = int(has.get("CPU", 1)) if cluster_address(address) else physical_cpus()
        remote: Any = ray.remote(num_cpus=1, num_gpus=1 if gpus else 0)(ExperimentActor)
        size = workers or max(1, gpus or cpus)
        pool: ActorPool[Experiment] = ActorPool(
            remote.remote,
            min(size, len(items)),
            deadline=lambda item: HOURS * 3600,
            attempts=ATTEMPTS,
            # The same run must never be worked on twice at a time.
            patience=float("inf"),
        )
        for outcome in pool.map(list(items)):
            findings, why = outcome.value if outcome.ok else ([], f"{outcome.stage}: {outcome.failure}")
            heard(outcome.item, findings, why)
