"""A pool of actors that works through a list and loses nothing: every item ends as a result or as a failure.

An actor that dies is replaced; the item it held is tried again, at most `attempts` times. An item that takes longer
than its deadline is ended with its actor. The clock starts when the actor is ready, so slow start-up costs no item.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import ray

from shapesys.errors import ShapesysError
from shapesys.on_ray.failure import first_cause

START_ATTEMPTS = 3
"""Actors in a row that may die before they answer; then the reason is told once instead of for every item."""

Item = TypeVar("Item")


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


@dataclass
class _Slot:
    """One actor and the item it works on."""

    actor: Any
    ready: Any
    asked: float
    is_ready: bool = False
    start_failed: bool = False
    item: int | None = None
    reference: Any = None
    deadline: float = float("inf")


class ActorPool(Generic[Item]):
    """Runs ``actor.run.remote(item)`` for every item.

    Args:
        make_actor: starts one actor; it must have methods ``ping()`` and ``run(item)``.
        size: actors at a time.
        deadline: item -> seconds it may take on a ready actor.
        attempts: tries of an item whose actor dies.
        start_limit: seconds an actor may take to become ready.

    `map` raises a `ShapesysError` where no actor can be started: the constructor's own error, or what is missing.
    """

    def __init__(
        self,
        make_actor: Callable[[], Any],
        size: int,
        deadline: Callable[[Item], float],
        attempts: int = 2,
        start_limit: float = 300.0,
    ) -> None:
        self._make_actor = make_actor
        self._size = size
        self._deadline = deadline
        self._attempts = attempts
        self._start_limit = start_limit
        self._failed_starts = 0

    def map(self, items: Sequence[Item]) -> Iterator[Outcome[Item]]:
        """Outcomes in the order they finish."""
        waiting = deque((index, 1) for index in range(len(items)))
        tries: dict[int, int] = {}
        slots = [self._slot() for _ in range(min(self._size, len(items)))]
        try:
            while waiting or any(slot.item is not None for slot in slots):
                self._hand_out(slots, waiting, items, tries)
                self._start_clocks(slots, items)
                for slot in self._finished(slots):
                    outcome = self._collect(slot, items, tries, waiting)
                    if outcome is not None:
                        yield outcome
        finally:
            for slot in slots:
                ray.kill(slot.actor)

    def _slot(self) -> _Slot:
        actor = self._make_actor()
        return _Slot(actor, actor.ping.remote(), time.monotonic())

    def _hand_out(
        self, slots: list[_Slot], waiting: deque[tuple[int, int]], items: Sequence[Item], tries: dict[int, int]
    ) -> None:
        for slot in slots:
            if slot.item is None and waiting:
                slot.item, tries_so_far = waiting.popleft()
                tries[slot.item] = tries_so_far
                slot.reference = slot.actor.run.remote(items[slot.item])
                slot.deadline = float("inf")

    def _finished(self, slots: list[_Slot]) -> list[_Slot]:
        """Slots whose item ended or ran over its deadline; waits a little while there is none."""
        busy = [slot for slot in slots if slot.item is not None]
        done, _ = ray.wait([slot.reference for slot in busy], num_returns=1, timeout=0.2)
        now = time.monotonic()
        return [slot for slot in busy if slot.reference in done or slot.deadline < now]

    def _start_clocks(self, slots: list[_Slot], items: Sequence[Item]) -> None:
        for slot in slots:
            if slot.item is not None and slot.deadline == float("inf") and self._confirm_ready(slot):
                slot.deadline = time.monotonic() + self._deadline(items[slot.item])

    def _confirm_ready(self, slot: _Slot) -> bool:
        """Whether the actor answers; an item handed to one that never did counts as that actor's failure."""
        if slot.is_ready or slot.start_failed:
            return slot.is_ready
        if not ray.wait([slot.ready], timeout=0)[0]:
            if time.monotonic() - slot.asked > self._start_limit:
                raise ShapesysError(
                    f"no worker could be started within {self._start_limit:g} s; the cluster has "
                    f"{_resources(ray.available_resources())} free of {_resources(ray.cluster_resources())}"
                )
            return False
        try:
            ray.get(slot.ready)
        except ray.exceptions.RayError as error:
            slot.start_failed = True
            self._failed_starts += 1
            if self._failed_starts >= START_ATTEMPTS:
                raise ShapesysError(f"workers cannot start: {first_cause(error)}") from error
            return False
        slot.is_ready = True
        self._failed_starts = 0
        return True

    def _collect(
        self, slot: _Slot, items: Sequence[Item], tries: dict[int, int], waiting: deque[tuple[int, int]]
    ) -> Outcome[Item] | None:
        assert slot.item is not None
        index, item = slot.item, items[slot.item]
        slot.item = None
        try:
            return Outcome(item, value=ray.get(slot.reference, timeout=0))
        except ray.exceptions.GetTimeoutError:
            self._replace(slot)
            return Outcome(item, stage="timeout", failure=f"took longer than {self._deadline(item):g} s")
        except ray.exceptions.RayTaskError as error:
            return Outcome(item, stage="error", failure=_first_line(error.cause or error))
        except ray.exceptions.RayError as error:
            # The actor died, or what it returned was lost with its node.
            was_ready = self._confirm_ready(slot)
            self._replace(slot)
            if not was_ready:
                waiting.append((index, tries[index]))
                return None
            if tries[index] < self._attempts:
                waiting.append((index, tries[index] + 1))
                return None
            return Outcome(item, stage="crash", failure=f"its worker died {tries[index]} times: {_first_line(error)}")

    def _replace(self, slot: _Slot) -> None:
        ray.kill(slot.actor)
        fresh = self._slot()
        slot.actor, slot.ready, slot.asked = fresh.actor, fresh.ready, fresh.asked
        slot.is_ready, slot.start_failed, slot.deadline = False, False, float("inf")


def _resources(found: dict[str, float]) -> str:
    return f"{found.get('CPU', 0.0):g} CPUs and {found.get('GPU', 0.0):g} GPUs"


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else 'no message'}"
