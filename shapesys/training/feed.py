"""From a reading plan to batches of tensors, in this process."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np
import torch

from shapesys.errors import ShapesysError
from shapesys.families.base import Batch, Family
from shapesys.samples.store import Store
from shapesys.training.config import DataConfig, TrainJob
from shapesys.training.plan import RankPlan, TrainPlan
from shapesys.training.reader import Columns, Reader


class Feed(Protocol):
    """Batches of one rank, in plan order."""

    def batches(self, plans: RankPlan) -> Iterator[Columns]: ...


class LocalFeed:
    """Reads ahead in one thread; Parquet decoding releases the interpreter lock."""

    def __init__(self, reader: Reader, ahead: int) -> None:
        self._reader = reader
        self._ahead = ahead

    def batches(self, plans: RankPlan) -> Iterator[Columns]:
        with ThreadPoolExecutor(1, thread_name_prefix="feed") as pool:
            pending: deque[Future[Columns]] = deque()
            for plan in plans:
                pending.append(pool.submit(self._reader.read, plan))
                if len(pending) > self._ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()


MakeFeed = Callable[[Reader, int], Feed]


def to_batch(columns: Columns, device: torch.device) -> Batch:
    """Numpy columns as tensors on the device."""
    return {name: torch.from_numpy(np.ascontiguousarray(value)).to(device) for name, value in columns.items()}


def open_data(job: TrainJob, family: Family) -> tuple[Reader, TrainPlan]:
    """The reader and the plan of a job, after checking that the store has what the family needs.

    Raises:
        ShapesysError: no such store, view, column, category or split.
    """
    need = family.needs[0]
    store = Store.open(job.data.store)
    shape_ids = tuple(training_ids(store, need.view, job.data))
    first = store.read_chunk(need.view, 0, shape_ids[:1])
    plan = TrainPlan(
        num_shapes=len(shape_ids),
        shapes_per_step=job.train.shapes_per_step,
        points_per_shape=job.train.points_per_shape,
        chunk_count=store.chunk_count(need.view),
        chunk_size=first[need.columns[0]].shape[1],
        seed=job.train.seed,
    )
    return Reader(store, need.view, need.columns, shape_ids, job.train.seed), plan


def training_ids(store: Store, view: str, data: DataConfig) -> list[str]:
    """Sorted ids of the shapes to train on.

    Raises:
        ShapesysError: nothing matches; says what the store holds.
    """
    ids = store.shape_ids(split=data.split, categories=data.categories, view=view)
    if not ids:
        counts = Counter(store.shapes(columns=())["split"].to_pylist())
        held = ", ".join(f"{count} {split}" for split, count in sorted(counts.items())) or "no shapes"
        raise ShapesysError(
            f"store '{data.store}' has no shape of split '{data.split}' and categories "
            f"{', '.join(data.categories) or 'any'} with view '{view}'; it holds {held}"
        )
    return ids
