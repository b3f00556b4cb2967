"""Experiments on Ray actors: as many at a time as the cluster holds, each in one process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray
import torch

from shapesys.errors import ShapesysError, in_words
from shapesys.on_ray.pool import ActorPool
from shapesys.on_ray.runtime import cluster_address, physical_cpus, runtime
from shapesys.on_ray.storage import Witness, require_on_all_nodes, run_and_store, unseen
from shapesys.reproduction.experiment import Experiment, Heard
from shapesys.reproduction.finding import Finding
from shapesys.training.config import ScaleConfig
from shapesys.training.run_dir import RunDirectory

HOURS = 48.0
"""An experiment that takes longer is given up."""


@dataclass(frozen=True)
class Places:
    """What every experiment gets, and how many run at a time.

    Attributes:
        workers: at a time; as many as there are CPUs, or GPUs where they use any, where None.
        cpus: of each.
        gpus: whether each has a GPU; where None, if the cluster has any.
        attempts: workers that an experiment may cost by dying; it goes on from what it left.
        start_limit: seconds to wait for the first worker.
    """

    workers: int | None = None
    cpus: float = 1.0
    gpus: bool | None = None
    attempts: int = 3
    start_limit: float = 300.0

    @classmethod
    def of_training(cls, scale: ScaleConfig) -> Places:
        """One worker for each network, as a training of its own would have it."""
        gpus = {"auto": None, "cuda": True, "cpu": False}[scale.device]
        return cls(None, scale.cpus_per_worker, gpus, scale.max_failures + 1, scale.timeout_s)


class ExperimentActor:
    """Performs one experiment after the other."""

    def __init__(self, cpus: float = 1.0, witnesses: tuple[Witness, ...] = ()) -> None:
        if complaint := unseen(witnesses):
            raise ShapesysError(complaint)
        torch.set_num_threads(max(1, int(cpus)))

    def ping(self) -> bool:
        return True

    def run(self, experiment: Experiment) -> tuple[list[Finding], str]:
        """Findings, or why there are none."""
        try:
            return experiment.perform(), ""
        except ShapesysError as error:
            return [], in_words(error)


def run_experiments(
    phases: Sequence[Sequence[Experiment]],
    heard: Heard,
    address: str | None = None,
    workers: int | None = None,
    places: Places | None = None,
    witnesses: tuple[Witness, ...] = (),
) -> None:
    """Run one phase after the other, and tell of each experiment as it ends.

    Args:
        phases: all of a phase have ended, well or not, before the next one starts.
        address: an existing cluster; a private local instance where None.
        workers: at a time; as many as there are CPUs (or GPUs, where the cluster has any) where None.
        places: what each gets, where that is more to say than `workers`.
        witnesses: of folders that every worker must see.

    Raises:
        ShapesysError: no worker can be started.
    """
    wanted = places or Places(workers)
    with runtime(address, num_cpus=wanted.workers or physical_cpus()):
        pool = _pool(address, wanted, witnesses)
        for phase in filter(None, phases):
            for outcome in pool.map(list(phase)):
                findings, why = outcome.value if outcome.ok else ([], f"{outcome.stage}: {outcome.failure}")
                heard(outcome.item, findings, why)


def run_beside(
    folder: RunDirectory,
    store: str,
    experiments: Sequence[Experiment],
    heard: Heard,
    address: str | None,
    places: Places,
    flag: str = "--runs-root",
) -> None:
    """Run experiments that read a store and write below a folder, on nodes that see both.

    Args:
        flag: by which the user says where the folder lies.

    Raises:
        ShapesysError: a node does not see them, or no worker can be started.
    """
    with (
        runtime(address, num_cpus=places.workers or physical_cpus()),
        run_and_store(folder, store, flag) as witnesses,
    ):
        require_on_all_nodes(unseen, witnesses)
        run_experiments([experiments], heard, address, places=places, witnesses=witnesses)


def _pool(address: str | None, wanted: Places, witnesses: tuple[Witness, ...]) -> ActorPool[Experiment]:
    has = ray.cluster_resources()
    # A private instance pretends to have more CPUs than the machine.
    cpus = has.get("CPU", 1.0) if cluster_address(address) else physical_cpus()
    gpus = 0 if wanted.gpus is False else int(has.get("GPU", 0))
    if wanted.gpus and not gpus:
        raise ShapesysError("a GPU for each network was asked for, but the cluster has none; pass --scale.device cpu")
    if wanted.cpus > cpus:
        raise ShapesysError(
            f"{wanted.cpus:g} CPUs for each network were asked for, but there are {cpus:g}; lower "
            "--scale.cpus-per-worker, or name a cluster with --address"
        )
    remote: Any = ray.remote(num_cpus=wanted.cpus, num_gpus=1 if gpus else 0)(ExperimentActor)
    return ActorPool(
        lambda: remote.remote(wanted.cpus, witnesses),
        wanted.workers or max(1, gpus or int(cpus / wanted.cpus)),
        deadline=lambda item: HOURS * 3600,
        attempts=wanted.attempts,
        start_limit=wanted.start_limit,
        # The same run must never be worked on twice at a time.
        patience=float("inf"),
    )
