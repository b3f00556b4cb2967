"""A pool of actors that works through a list and loses nothing: every item ends once, as a result or as a failure.

Items go to actors that are ready; those that the cluster cannot hold yet join later, or never. An actor that dies is
replaced, and the item it held is tried again. An item that takes longer than its deadline is ended with its actor.
When nothing waits any more, free actors run what takes long a second time, and the first result counts; actors that
nobody needs are released.
"""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import length_hint
from typing import Any, Generic, TypeVar

import ray

from shapesys.errors import class_and_line
from shapesys.on_ray.crew import Crew, Worker

POLL = 0.2
"""Seconds between looks at the clock."""
KNOWN, HANGS = 3, 12.0
"""Items that must have ended before others' pace tells of a hang, and how many times the slowest share that is."""
SLOW = 2.0
"""An item is slow that takes this many times the median share of its deadline."""
_REMEMBERED = 1000

Item = TypeVar("Item")


class BrokenWorker(Exception):
    """Raised by an actor that can do nothing any more: it is replaced, and its item tried again, as if it had died."""


@dataclass(frozen=True)
class Outcome(Generic[Item]):
    """How one item ended: `value`, or `failure` (why) with `stage` in crash, timeout or error."""

    item: Item
    value: Any = None
    stage: str = ""
    failure: str = ""

    @property
    def ok(self) -> bool:
        return not self.failure


@dataclass(eq=False)
class _Task(Generic[Item]):
    """An item, the actors it has cost, and those that work on it."""

    item: Item
    lost: int = 0
    workers: list[Worker] = field(default_factory=list)

    @property
    def began(self) -> float:
        return min(worker.began for worker in self.workers)


def _whole(item: Any) -> Sequence[Any]:
    return ()


def _same(item: Any) -> Any:
    return item


class ActorPool(Generic[Item]):
    """Runs ``actor.run.remote(item)`` for every item.

    Args:
        make_actor: starts one actor; it must have methods ``ping()`` and ``run(item)``.
        size: most actors at a time.
        deadline: item -> seconds it may take on a ready actor.
        attempts: actors that an item may cost by dying.
        start_limit: seconds to wait for an actor while none is ready.
        parts: item -> the items to try in its place once it broke, so that only those to blame fail; none by default.
        patience: least seconds an item must have taken before a free actor runs it too; infinite where none may.
        again: item -> what to try once its actor died; the same by default.
        way_out: what may help where no actor could be started within the limit.

    `map` raises a `ShapesysError` where no actor can be started: the constructor's own error, or what is missing.
    """

    def __init__(
        self,
        make_actor: Callable[[], Any],
        size: int,
        deadline: Callable[[Item], float],
        attempts: int = 2,
        start_limit: float = 300.0,
        parts: Callable[[Item], Sequence[Item]] = _whole,
        patience: float = 5.0,
        again: Callable[[Item], Item] = _same,
        way_out: str = "start a node with room for one",
    ) -> None:
        if size < 1:
            raise ValueError(f"a pool of {size} actors would never end")
        self._make_actor = make_actor
        self._size = size
        self._deadline = deadline
        self._attempts = attempts
        self._start_limit = start_limit
        self._parts = parts
        self._patience = patience
        self._again = again
        self._way_out = way_out
        self._crew = self._crew_of(size)
        self._queue: deque[_Task[Item]] = deque()
        self._source: Iterator[Item] | None = None
        self._paces: deque[float] = deque(maxlen=_REMEMBERED)

    @property
    def workers(self) -> int:
        """Actors that share the work, now or soon."""
        return self._crew.expected or self._size

    def map(self, items: Iterable[Item]) -> Iterator[Outcome[Item]]:
        """Outcomes in the order they finish. Items are taken from an iterator when an actor is free for them."""
        self._crew = self._crew_of(min(self._size, length_hint(items, self._size)))
        self._source, self._queue = iter(items), deque()
        self._draw()
        try:
            while self._queue or self._crew.busy:
                self._crew.staff(len(self._queue) + len(self._crew.busy) if self._source is None else self._size)
                self._hand_out()
                yield from self._ended()
                yield from self._overdue()
        finally:
            self._crew.dismiss(list(self._crew.workers))

    def _crew_of(self, size: int) -> Crew:
        return Crew(self._make_actor, size, self._start_limit, self._way_out)

    def _draw(self) -> None:
        """Put the next item of the source on an empty queue."""
        if not self._queue and self._source is not None:
            try:
                self._queue.append(_Task(next(self._source)))
            except StopIteration:
                self._source = None

    def _hand_out(self) -> None:
        for worker in self._crew.free:
            self._draw()
            if self._queue:
                self._start(worker, self._queue.popleft())
        self._draw()
        if not self._queue:
            self._wind_down()

    def _start(self, worker: Worker, task: _Task[Item]) -> None:
        worker.task, worker.began = task, time.monotonic()
        worker.reference = worker.actor.run.remote(task.item)
        task.workers.append(worker)

    def _wind_down(self) -> None:
        """Nothing waits: free actors take over what takes long, stay while they may have to, or leave."""
        alone = [task for task in self._running() if self._may_double(task)]
        if self._paces:
            usual = statistics.median(self._paces)
            slow = sorted((task for task in alone if self._is_slow(task, usual)), key=lambda task: task.began)
            for worker, task in zip(self._crew.free, slow, strict=False):
                self._start(worker, task)
        self._crew.dismiss(self._crew.free[len(alone) :])
        if self._crew.ready:
            self._crew.dismiss([worker for worker in self._crew.workers if not worker.is_ready])

    def _running(self) -> list[_Task[Item]]:
        return list({id(worker.task): worker.task for worker in self._crew.busy}.values())

    def _may_double(self, task: _Task[Item]) -> bool:
        """Whether it runs once, and leaves an actor for each part even if it took two with it."""
        spare = bool(self._parts(task.item))
        return math.isfinite(self._patience) and len(task.workers) == 1 and task.lost + 2 + spare <= self._attempts

    def _is_slow(self, task: _Task[Item], usual: float) -> bool:
        """Whether it took much longer than the usual share of its deadline."""
        return time.monotonic() - task.began > max(self._patience, SLOW * usual * self._deadline(task.item))

    def _ended(self) -> Iterator[Outcome[Item]]:
        for worker in self._crew.wait(POLL):
            # The other one of a pair may have ended with the first, and is gone.
            if worker in self._crew.workers:
                yield from self._collect(worker)

    def _collect(self, worker: Worker) -> Iterator[Outcome[Item]]:
        task: _Task[Item] = worker.task
        try:
            value = ray.get(worker.reference)
        except ray.exceptions.RayTaskError as error:
            cause = error.cause or error
            if isinstance(cause, BrokenWorker):
                self._lose([worker])
                yield from self._crashed(task, cause)
                return
            self._release(worker)
            yield from self._broken(task, "error", class_and_line(cause))
        except ray.exceptions.RayError as error:
            # The actor died, or what it returned was lost with its node.
            self._lose([worker])
            yield from self._crashed(task, error)
        else:
            self._paces.append((time.monotonic() - worker.began) / self._deadline(task.item))
            self._release(worker)
            yield Outcome(task.item, value=value)

    def _release(self, worker: Worker) -> None:
        """Free an actor that answered, and end the others that work on the same."""
        self._crew.dismiss([other for other in worker.task.workers if other is not worker])
        worker.task = worker.reference = None

    def _lose(self, workers: Sequence[Worker]) -> None:
        for worker in workers:
            worker.task.lost += 1
            worker.task.workers.remove(worker)
        self._crew.dismiss(workers)

    def _crashed(self, task: _Task[Item], error: BaseException) -> Iterator[Outcome[Item]]:
        if task.workers:
            return
        if task.lost < self._attempts and not self._parts(task.item):
            self._queue.append(_Task(self._again(task.item), task.lost))
        else:
            yield from self._broken(task, "crash", f"its worker died {task.lost} times: {class_and_line(error)}")

    def _limit(self, task: _Task[Item]) -> float:
        """Seconds that a task may take.

        An item of several parts is divided long before all their deadlines are over, once it is known what others
        took: its parts have their own limits after that, and one that hangs keeps its neighbours waiting for less.
        """
        whole = self._deadline(task.item)
        if len(self._paces) < KNOWN or not self._parts(task.item):
            return whole
        return min(whole, max(HANGS * self._patience, HANGS * max(self._paces) * whole))

    def _overdue(self) -> Iterator[Outcome[Item]]:
        for task in self._running():
            limit = self._limit(task)
            if time.monotonic() - task.began > limit and not _has_ended(task):
                self._lose(list(task.workers))
                yield from self._broken(task, "timeout", f"took longer than {limit:g} s")

    def _broken(self, task: _Task[Item], stage: str, reason: str) -> Iterator[Outcome[Item]]:
        """An item's failure, or its parts in its place."""
        parts = self._parts(task.item)
        if parts:
            self._queue.extend(_Task(part, task.lost) for part in parts)
        else:
            yield Outcome(task.item, stage=stage, failure=reason)


def _has_ended(task: _Task[Any]) -> bool:
    """Whether its result came while the driver was busy with another."""
    return bool(ray.wait([worker.reference for worker in task.workers], timeout=0)[0])
