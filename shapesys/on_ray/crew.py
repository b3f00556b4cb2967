"""The actors of a pool: some start, some are free, some work, and more than the cluster can hold may be asked for."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray

from shapesys.errors import ShapesysError
from shapesys.on_ray.failure import first_cause

START_ATTEMPTS = 3
"""Actors in a row that may die before they answer; then the reason is told once instead of for every item."""
REST = 60.0
"""Seconds after so many failures before more actors are asked for: a bad node may be gone by then."""
SILENCE = 30.0
"""Seconds without any ready actor, after which the wait is explained."""
SOON = 60.0
"""Seconds for which an actor that starts is expected to join; later ones are welcome, and not counted on."""

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class Worker:
    """One actor. `starting` is the reference of its first answer, None once it came; `task` is what it works on."""

    actor: Any
    starting: Any
    asked: float = field(default_factory=time.monotonic)
    task: Any = None
    reference: Any = None
    began: float = 0.0

    @property
    def is_ready(self) -> bool:
        return self.starting is None


class Crew:
    """Starts, watches and dismisses the actors of a pool.

    Args:
        make_actor: starts one actor; it must have a method ``ping()``.
        size: most actors at a time.
        start_limit: seconds without any ready actor, after which none is expected any more.
        way_out: what may help then.
    """

    def __init__(self, make_actor: Callable[[], Any], size: int, start_limit: float, way_out: str) -> None:
        self._make_actor = make_actor
        self._size = size
        self._start_limit = start_limit
        self._way_out = way_out
        self._failed_starts = 0
        self._last_failure = -math.inf
        self._last_ready = time.monotonic()
        self._explained = False
        self.workers: list[Worker] = []

    @property
    def ready(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.is_ready]

    @property
    def free(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.is_ready and worker.task is None]

    @property
    def busy(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.task is not None]

    @property
    def expected(self) -> int:
        """Actors that share the work, now or soon."""
        now = time.monotonic()
        return sum(worker.is_ready or now - worker.asked < SOON for worker in self.workers)

    def staff(self, wanted: int) -> None:
        """Ask for actors up to a number; after several failed starts in a row, for a while only where nobody else is
        there."""
        wanted = min(wanted, self._size)
        if self._failed_starts >= START_ATTEMPTS and time.monotonic() - self._last_failure < REST:
            wanted = min(wanted, 1)
        while len(self.workers) < wanted:
            actor = self._make_actor()
            self.workers.append(Worker(actor, actor.ping.remote()))

    def wait(self, seconds: float) -> list[Worker]:
        """Workers whose task has ended; waits a little while there is none. Those that answer at last are ready."""
        pending = {worker.reference if worker.is_ready else worker.starting: worker for worker in self.workers}
        pending.pop(None, None)
        references = list(pending)
        if not references:
            return []
        done, _ = ray.wait(references, num_returns=1, timeout=seconds)
        if done:
            done, _ = ray.wait(references, num_returns=len(references), timeout=0)
        answered = [pending[reference] for reference in done]
        ended = [worker for worker in answered if worker.is_ready]
        for worker in answered:
            if not worker.is_ready:
                self._welcome(worker)
        self._check_somebody_is_there()
        return ended

    def _welcome(self, worker: Worker) -> None:
        try:
            ray.get(worker.starting)
        except ray.exceptions.RayError as error:
            self.dismiss([worker])
            self._failed_starts += 1
            self._last_failure = time.monotonic()
            if self.ready:
                _log.warning("a worker cannot start: %s; the others go on", first_cause(error))
            if self._failed_starts >= START_ATTEMPTS and not self.ready:
                raise ShapesysError(f"workers cannot start: {first_cause(error)}") from error
        else:
            worker.starting = None
            self._failed_starts = 0

    def _check_somebody_is_there(self) -> None:
        now = time.monotonic()
        if self.ready:
            self._last_ready = now
        if now - self._last_ready > self._start_limit:
            raise ShapesysError(
                f"no worker could be started within {self._start_limit:g} s; {_room()}: wait for others to end, or "
                f"{self._way_out}"
            )
        if now - self._last_ready > SILENCE and not self._explained:
            self._explained = True
            _log.warning("no worker has started yet; %s; waiting %g s in all", _room(), self._start_limit)

    def dismiss(self, workers: Sequence[Worker]) -> None:
        """End actors, at work or not, so that the cluster may use or return what they hold."""
        for worker in workers:
            self.workers.remove(worker)
            ray.kill(worker.actor)


def _room() -> str:
    free, there = (_resources(found) for found in (ray.available_resources(), ray.cluster_resources()))
    return f"the cluster has {free} free of {there}"


def _resources(found: dict[str, float]) -> str:
    return f"{found.get('CPU', 0.0):g} CPUs and {found.get('GPU', 0.0):g} GPUs"
