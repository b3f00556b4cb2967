"""How a cluster holds the trials of a sweep: what each reserves, and how many run at a time."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import ray

from shapesys.on_ray.runtime import alive_nodes, physical_cpus, require_room
from shapesys.on_ray.train import reading_cpus, reserved_cpus
from shapesys.tuning.config import Sweep

DRIVER_MEMORY = 500e6
"""Bytes that the process of a trial takes while workers of its own train: it reserves these and no CPU, since trials
that hold CPUs while they wait for CPUs would wait for one another for ever."""

_log = logging.getLogger(__name__)

Resources = Mapping[str, float]


@dataclass(frozen=True)
class Slots:
    """What one trial reserves, and how many fit.

    Attributes:
        resources: of the trial's own process.
        concurrent: trials at a time.
    """

    resources: dict[str, float]
    concurrent: int


def slots_of(sweep: Sweep, may_grow: bool) -> Slots:
    """How the running cluster holds trials.

    Args:
        may_grow: the cluster may start machines for what waits; what was started here may not.

    Raises:
        ShapesysError: an instance that stays as it is can never hold one; says what it has.
    """
    nodes = [dict(node["Resources"]) for node in alive_nodes()]
    gpus = gpus_per_process(sweep, sum(node.get("GPU", 0.0) for node in nodes))
    room = trials_that_fit(nodes if may_grow else _as_the_machine_is(nodes, sweep), sweep, gpus)
    if room < 1:
        _lacks_room(sweep, gpus, may_grow)
    return Slots(_own_resources(sweep, gpus), _concurrent(sweep, room, may_grow))


def gpus_per_process(sweep: Sweep, has: float) -> float:
    """GPUs of each process that trains, of `has` in the cluster: one where there are enough and the CPU is not asked
    for; a share of one where stated."""
    scale, stated = sweep.base.scale, sweep.tune.gpus_per_trial
    if scale.device == "cpu" or (scale.device == "auto" and has < scale.num_workers and not stated):
        return 0.0
    return 1.0 if stated is None or is_nested(sweep) else stated


def is_nested(sweep: Sweep) -> bool:
    """Whether a trial is a worker group of its own."""
    return sweep.base.scale.num_workers > 1


def private_cpus(sweep: Sweep) -> float:
    """CPUs that an instance started for the sweep needs."""
    of_trial = reserved_cpus(sweep.base.scale) if is_nested(sweep) else _cpus(sweep)
    return of_trial * max(1, sweep.tune.concurrent)


def trials_that_fit(nodes: Iterable[Resources], sweep: Sweep, gpus: float) -> int:
    """Trials that nodes hold at a time. Processes are counted node by node: none is put together from several.

    Args:
        nodes: resources of each.
        gpus: of each process.
    """
    nodes = list(nodes)
    if not is_nested(sweep):
        return processes_that_fit(nodes, {"CPU": _cpus(sweep), "GPU": gpus})
    scale = sweep.base.scale
    drivers = processes_that_fit(nodes, {"memory": DRIVER_MEMORY})
    with_readers = {"CPU": scale.cpus_per_worker + reading_cpus(scale), "GPU": gpus}
    trials = processes_that_fit(nodes, with_readers) // scale.num_workers
    alone = processes_that_fit(nodes, {"CPU": scale.cpus_per_worker, "GPU": gpus}) >= scale.num_workers
    # Tasks that read for one trial find a CPU on whichever node has one left.
    one = alone and sum(node.get("CPU", 0.0) for node in nodes) >= reserved_cpus(scale)
    return min(drivers, max(trials, int(one)))


def processes_that_fit(nodes: Iterable[Resources], each: Resources) -> int:
    """Processes that reserve `each`, on all nodes together."""
    return sum(min(_times(node.get(name, 0.0), name, amount) for name, amount in _wanted(each)) for node in nodes)


def _wanted(each: Resources) -> list[tuple[str, float]]:
    return [(name, amount) for name, amount in each.items() if amount]


def _times(has: float, name: str, amount: float) -> int:
    """Shares of a GPU are of one GPU: of two GPUs, 0.4 fits four times, not five."""
    if name == "GPU" and amount < 1:
        return int(has) * math.floor(1 / amount + 1e-9)
    return math.floor(has / amount + 1e-9)


def _cpus(sweep: Sweep) -> float:
    """One CPU at least for a trial in one process: training and measuring both fill it."""
    return max(1.0, sweep.base.scale.cpus_per_worker)


def _as_the_machine_is(nodes: list[dict[str, float]], sweep: Sweep) -> list[dict[str, float]]:
    """A private instance pretends to have more CPUs than there are; they count for what reads, not for what trains."""
    if len(nodes) > 1:
        return nodes
    reading = sweep.base.scale.num_workers * reading_cpus(sweep.base.scale) if is_nested(sweep) else 0.0
    return [node | {"CPU": min(node.get("CPU", 0.0), physical_cpus() + reading)} for node in nodes]


def _own_resources(sweep: Sweep, gpus: float) -> dict[str, float]:
    if is_nested(sweep):
        return {"memory": DRIVER_MEMORY}
    return {"CPU": _cpus(sweep)} | ({"GPU": gpus} if gpus else {})


def _concurrent(sweep: Sweep, room: int, may_grow: bool) -> int:
    """Trials at a time: as asked where trials may wait for new machines; a group's workers give up after a while."""
    asked = sweep.tune.concurrent
    if asked and may_grow and not is_nested(sweep):
        return asked
    return max(1, min(room, asked or room))


def _lacks_room(sweep: Sweep, gpus: float, may_grow: bool) -> None:
    scale, has = sweep.base.scale, ray.cluster_resources()
    needs = f"{_cpus(sweep):g} CPUs and {gpus:g} GPUs"
    if is_nested(sweep):
        needs = (
            f"{scale.num_workers} workers with {scale.cpus_per_worker + reading_cpus(scale):g} CPUs and {gpus:g} GPUs "
            f"each, and {DRIVER_MEMORY / 1e6:g} MB of memory"
        )
    lack = (
        f"a trial needs {needs}, for which no node has room: the cluster has {has.get('CPU', 0.0):g} CPUs and "
        f"{has.get('GPU', 0.0):g} GPUs on {len(alive_nodes())} nodes"
    )
    require_room(lack, "lower --scale.num-workers, --scale.cpus-per-worker or --gpus-per-trial", may_grow)
