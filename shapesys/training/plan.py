"""Which shapes and which queries each step reads: a pure function of (seed, step, rank, world size).

Nothing is drawn while training runs, so any step can be read again: after a crash, at another number of
workers, or on another machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from shapesys.errors import ShapesysError


@dataclass(frozen=True)
class Window:
    """A stretch of one chunk's queries: [start, stop) of chunk `chunk`."""

    chunk: int
    start: int
    stop: int


@dataclass(frozen=True)
class StepPlan:
    """What one rank reads for one micro-batch.

    Attributes:
        step: global optimiser step, from 0.
        epoch: pass over the shapes, from 0.
        shape_indices: rows of the run's shape list.
        windows: the queries to read, the same for every shape.
    """

    step: int
    epoch: int
    shape_indices: tuple[int, ...]
    windows: tuple[Window, ...]


@dataclass(frozen=True)
class TrainPlan:
    """The reading plan of a whole run.

    Shapes are permuted anew each epoch; shapes that do not fill the last step of an epoch wait for another epoch,
    as DeepSDF's loader does. Queries were shuffled at preparation: epoch e reads the next `points_per_shape` of
    the circular sequence of all chunks, so every query is used before any is used again.
    """

    num_shapes: int
    shapes_per_step: int
    points_per_shape: int
    chunk_count: int
    chunk_size: int
    seed: int

    def __post_init__(self) -> None:
        if self.num_shapes < 1:
            raise ShapesysError("there is no shape to train on; check --store, --split and --categories")
        if self.points_per_shape > self.chunk_count * self.chunk_size:
            raise ShapesysError(
                f"train.points_per_shape = {self.points_per_shape} exceeds the {self.chunk_count * self.chunk_size} "
                f"queries stored per shape; lower it or prepare more queries"
            )

    @property
    def batch(self) -> int:
        """Shapes in a global step: all of them where there are fewer than asked for."""
        return min(self.shapes_per_step, self.num_shapes)

    @property
    def steps_per_epoch(self) -> int:
        return self.num_shapes // self.batch

    def epoch_of(self, step: int) -> int:
        return step // self.steps_per_epoch

    def shapes(self, step: int) -> np.ndarray:
        """Shape indices of a global step, in order."""
        epoch, within = divmod(step, self.steps_per_epoch)
        order = shuffled(self.seed, epoch, self.num_shapes)
        return order[within * self.batch : (within + 1) * self.batch]

    def windows(self, epoch: int) -> tuple[Window, ...]:
        """Query stretches of an epoch, in reading order."""
        total = self.chunk_count * self.chunk_size
        first = epoch * self.points_per_shape % total
        found = []
        remaining = self.points_per_shape
        while remaining:
            chunk, start = divmod(first % total, self.chunk_size)
            stop = min(self.chunk_size, start + remaining)
            found.append(Window(chunk, start, stop))
            remaining -= stop - start
            first += stop - start
        return tuple(found)

    def parts(self, world_size: int, accumulate: int) -> int:
        """Micro-batches that a step is shared into, over all workers.

        Raises:
            ShapesysError: there are more of them than shapes.
        """
        parts = world_size * accumulate
        if self.batch < parts:
            raise ShapesysError(
                f"a step of {self.batch} shapes cannot be shared by {world_size} workers x {accumulate} micro-batches; "
                "lower --scale.num-workers or --train.accumulate"
            )
        return parts

    def micro_batches(self, step: int, rank: int, world_size: int, accumulate: int) -> list[StepPlan]:
        """The micro-batches of `rank` in a step: every `world_size * accumulate`-th shape each.

        Raises:
            ShapesysError: a worker would have no shape.
        """
        parts = self.parts(world_size, accumulate)
        epoch = self.epoch_of(step)
        shapes, windows = self.shapes(step), self.windows(epoch)
        mine = [shapes[rank * accumulate + part :: parts] for part in range(accumulate)]
        return [StepPlan(step, epoch, tuple(int(index) for index in indices), windows) for indices in mine]


@lru_cache(maxsize=8)
def shuffled(seed: int, epoch: int, count: int, stream: int | None = None) -> np.ndarray:
    """An order of `count` things that belongs to an epoch, or to a pass of another stream.

    Kept, since drawing it for each step of millions of shapes would cost more than the step; of several epochs, since a
    reader is ahead of the loop, and a contrasting plan has two streams.
    """
    order = np.random.default_rng([seed, epoch] if stream is None else [seed, epoch, stream]).permutation(count)
    order.setflags(write=False)
    return order


@dataclass(frozen=True)
class RankPlan:
    """The micro-batches of one rank from step `start` up to step `stop`, worked out as they are asked for."""

    plan: TrainPlan
    start: int
    stop: int
    rank: int
    world_size: int
    accumulate: int

    def __post_init__(self) -> None:
        self.plan.parts(self.world_size, self.accumulate)

    def __len__(self) -> int:
        return (self.stop - self.start) * self.accumulate

    def __iter__(self) -> Iterator[StepPlan]:
        return self.part(0, len(self))

    def part(self, first: int, last: int) -> Iterator[StepPlan]:
        """Micro-batches `first` up to `last`, counted from the first of step `start`."""
        for index in range(first, last):
            step, number = divmod(index, self.accumulate)
            yield self.plan.micro_batches(self.start + step, self.rank, self.world_size, self.accumulate)[number]
