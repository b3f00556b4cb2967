"""Windows of a scene spread over Ray actors: each keeps the features of its own windows, and answers for them.

Every window belongs to one actor, neighbours mostly to the same, so that nothing is encoded twice. An actor that dies
is replaced; the new one encodes its windows anew and answers what was asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import ray
import torch

from shapesys.errors import ShapesysError
from shapesys.fields.windows import Answer, Asked, BlendedField, WindowLattice
from shapesys.geometry.mesh import Floats, Ints
from shapesys.on_ray.failure import first_cause
from shapesys.on_ray.runtime import require_room, runtime

LOSSES = 3
"""Actors that may die before a scene is given up."""


class WindowActor:
    """Answers for some windows of a scene."""

    def __init__(self, answer: Answer) -> None:
        torch.set_num_threads(1)
        self._answer = answer
        if isinstance(answer, Movable) and torch.cuda.is_available():
            self._answer = answer.to(torch.device("cuda"))

    def answer(self, asked: Sequence[Asked]) -> Sequence[Floats]:
        """What these windows say at their points."""
        return self._answer(asked)


@runtime_checkable
class Movable(Protocol):
    """Answers that know of devices and of memory."""

    def to(self, device: torch.device) -> Answer:
        """The same on another device."""
        ...

    def shared_by(self, workers: int) -> Answer:
        """For one of so many processes, on a CPU, with its part of the memory."""
        ...


def _gpu_share(actors: int, may_grow: bool) -> float:
    """An even share of a GPU for each actor, such that all have room; Ray takes steps of a ten-thousandth.

    Raises:
        ShapesysError: there are too few CPUs.
    """
    has = ray.cluster_resources()
    if has.get("CPU", 0.0) < actors:
        lack = f"{actors} actors need a CPU each, but the cluster has {has.get('CPU', 0.0):g}"
        require_room(lack, "lower --workers", may_grow)
    gpus = int(has.get("GPU", 0.0))
    on_each = -(-actors // gpus) if gpus else 0
    return math.floor(10_000 / on_each) / 10_000 if on_each else 0.0


@contextmanager
def spread(field: BlendedField, actors: int, address: str | None = None) -> Iterator[BlendedField]:
    """The same field while actors answer for its windows.

    Args:
        field: its `answer` can be sent to other processes; where it is `Movable`, actors with a GPU use it.
        actors: how many; no more than there are windows are started.
        address: of a cluster; None for one started here.

    Raises:
        ShapesysError: no cluster can be reached or started, or it has too few CPUs.
    """
    actors = max(1, min(actors, len(field.windows)))
    with runtime(address, num_cpus=actors + 1):
        placed = ray.remote(num_cpus=1, num_gpus=_gpu_share(actors, address is not None))(WindowActor)
        answer = field.answer
        shared = ray.put(answer.shared_by(actors) if isinstance(answer, Movable) else answer)
        crew = [placed.remote(shared) for _ in range(actors)]
        try:
            yield replace(field, answer=SpreadAnswer(field.lattice, field.windows, crew, lambda: placed.remote(shared)))
        finally:
            for actor in crew:
                ray.kill(actor)


@dataclass
class SpreadAnswer:
    """Asks the actor that each window belongs to.

    Attributes:
        windows: numbers of all windows that see anything, ascending.
        crew: actors; each has a run of these windows.
        another: starts an actor in the place of one that died.
        lost: how many died.
    """

    lattice: WindowLattice
    windows: Ints
    crew: list[Any]
    another: Callable[[], Any]
    lost: int = 0

    def __call__(self, asked: Sequence[Asked]) -> list[Floats]:
        """What the windows say, in the order they were asked.

        Raises:
            ShapesysError: an actor died again and again, or failed.
        """
        numbers = np.array([self.lattice.number(one.window) for one in asked], np.int64)
        owners = np.searchsorted(self.windows, numbers) * len(self.crew) // max(len(self.windows), 1)
        shares = {int(owner): np.flatnonzero(owners == owner) for owner in np.unique(owners)}
        questions = {owner: [asked[int(row)] for row in rows] for owner, rows in shares.items()}
        pending = {owner: self.crew[owner].answer.remote(ask) for owner, ask in questions.items()}
        said = [self._heard(owner, pending[owner], ask) for owner, ask in questions.items()]
        found: list[Floats] = [np.empty(0, np.float32)] * len(asked)
        for rows, answers in zip(shares.values(), said, strict=True):
            for row, values in zip(rows, answers, strict=True):
                found[int(row)] = values
        return found

    def _heard(self, owner: int, pending: Any, asked: Sequence[Asked]) -> Sequence[Floats]:
        """What an actor says, or the one in its place."""
        while True:
            try:
                said: Sequence[Floats] = ray.get(pending)
                return said
            except ray.exceptions.RayActorError as error:
                self.lost += 1
                if self.lost > LOSSES:
                    raise ShapesysError(
                        f"{self.lost} actors died at windows of the scene: {first_cause(error)}"
                    ) from error
                self.crew[owner] = self.another()
                pending = self.crew[owner].answer.remote(asked)
            except ray.exceptions.RayError as error:
                raise ShapesysError(f"an actor failed at windows of the scene: {first_cause(error)}") from error
