"""From a reading plan to batches of tensors, in this process."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Protocol

import numpy as np
import pyarrow as pa
import torch

from shapesys.errors import ShapesysError, UsageError
from shapesys.families.base import Batch, Family, TrainingData
from shapesys.samples.shape_ids import category_of
from shapesys.samples.store import Store
from shapesys.samples.vocabulary import Vocabulary
from shapesys.training.config import DataConfig, TrainJob, refuse_fits
from shapesys.training.contrast_plan import contrasting
from shapesys.training.plan import RankPlan, TrainPlan
from shapesys.training.reader import Columns, Reader
from shapesys.training.saliency import check_maps, maps_to_train_on, use_of


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
        ShapesysError: no such store, view, column, category or split; shapes that cannot teach the family; or saliency
            maps that are missing, of other shapes or of no use.
    """
    refuse_fits(job)
    maps = maps_to_train_on(job, family)
    store = Store.open(job.data.store)
    reader = replace(_reader(job, family, store, job.data.split), saliency=maps)
    if maps:
        check_maps(maps, store, reader.shape_ids)
    data = training_data(job, reader)
    family.check(job.model, data)
    return reader, _plan(job, family, reader, data)


def training_data(job: TrainJob, reader: Reader) -> TrainingData:
    """What an objective must know of the shapes that a reader reads."""
    return TrainingData.of(reader.shape_ids, reader.vocabulary, job.data.interest, _rows_of_chunk(reader))


def _rows_of_chunk(reader: Reader) -> dict[str, int]:
    """Of one shape, column by column; none where families sample by themselves."""
    if reader.sample is not None:
        return {}
    first = reader.store.read_chunk(reader.view, 0, reader.shape_ids[:1], reader.columns)
    return {name: values.shape[1] for name, values in first.items()}


def _plan(job: TrainJob, family: Family, reader: Reader, data: TrainingData) -> TrainPlan:
    chunk_count, chunk_size = _chunking(job, family, reader, data)
    plan = TrainPlan(
        num_shapes=len(reader.shape_ids),
        shapes_per_step=job.train.shapes_per_step,
        points_per_shape=_points_per_shape(job, family),
        chunk_count=chunk_count,
        chunk_size=chunk_size,
        seed=job.train.seed,
    )
    interest = job.data.interest
    if family.traits.contrasts:
        return contrasting(plan, [category_of(shape_id) for shape_id in reader.shape_ids], interest)
    if interest:
        raise UsageError(
            f"--interest {interest} changes nothing: family '{family.name}' does not contrast a category with "
            "others; leave it out, or choose shapes with --categories"
        )
    return plan


def open_validation(job: TrainJob, family: Family, training: Reader) -> Reader:
    """Reads the shapes by which checkpoints are chosen, without augmentation, numbered as the training shapes are.

    Raises:
        ShapesysError: the store holds none out for that, or they lack the saliency maps that choose their points.
    """
    try:
        held_out = _reader(job, family, training.store, job.data.validation_split)
    except ShapesysError as error:
        raise ShapesysError(
            f"train.select = best needs shapes to choose by: {error}; prepare with --val-fraction, name a split with "
            "--data.validation-split, or set --train.select last"
        ) from None
    known = training.vocabulary.categories
    rows = [row for row, name in enumerate(held_out.shape_ids) if category_of(name) in known]
    if not rows:
        raise ShapesysError(
            f"train.select = best needs shapes to choose by: split '{job.data.validation_split}' has none of the "
            f"categories trained on ({', '.join(known)}); prepare some, or set --train.select last"
        )
    ids = tuple(held_out.shape_ids[row] for row in rows)
    maps = training.saliency if use_of(job, family).chosen else ""
    if maps:
        check_maps(maps, training.store, ids)
    return replace(
        held_out,
        shape_ids=ids,
        scales=held_out.scales[rows],
        vocabulary=training.vocabulary,
        training=False,
        saliency=maps,
    )


def _reader(job: TrainJob, family: Family, store: Store, split: str) -> Reader:
    need, picture = family.need(job.model), family.pictures(job.model)
    shapes = training_shapes(store, family.trained_views(job.model), job.data, split)
    return Reader(
        store,
        need.view,
        need.columns,
        tuple(shapes["shape_id"].to_pylist()),
        job.train.seed,
        scales=shapes["scale"].to_numpy(),
        vocabulary=vocabulary_of(shapes),
        sample=None if family.sample is None else partial(family.sample, job.model),
        ordered=store.clouds_are_ordered,
        picture=picture,
    )


def _chunking(job: TrainJob, family: Family, reader: Reader, data: TrainingData) -> tuple[int, int]:
    """Chunks per shape and samples per chunk; a family that samples by itself takes what it is asked for."""
    if family.sample is not None:
        reader.store.require(reader.view, reader.columns)
        return 1, _points_per_shape(job, family)
    return reader.store.chunk_count(reader.view), data.chunk[reader.columns[0]]


def _points_per_shape(job: TrainJob, family: Family) -> int:
    """As asked for, or as many as saliency chooses."""
    return use_of(job, family).chosen or job.train.points_per_shape


def vocabulary_of(shapes: pa.Table) -> Vocabulary:
    """Categories of these rows of the `shapes` view, and the parts of each by its first row."""
    names, first = np.unique(shapes["category"].to_numpy(zero_copy_only=False).astype(str), return_index=True)
    parts = shapes["parts"].take(first).to_pylist()
    return Vocabulary(
        tuple(names.tolist()), {name: tuple(found or ()) for name, found in zip(names.tolist(), parts, strict=True)}
    )


def training_shapes(store: Store, views: Sequence[str], data: DataConfig, split: str) -> pa.Table:
    """Rows of the `shapes` view of the shapes to train on, or of another split, sorted by id.

    Raises:
        ShapesysError: nothing matches; says what the store holds.
    """
    shapes = store.shapes(split, data.categories, views, ("scale", "parts"))
    if not len(shapes):
        counts = Counter(store.shapes(columns=())["split"].to_pylist())
        held = ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "no shapes"
        of_which = f" and of {', '.join(data.categories)}" if data.categories else ""
        needed = " and ".join(f"view '{view}'" for view in views)
        raise ShapesysError(
            f"store '{data.store}' has no shape of split '{split}'{of_which} with {needed}; it holds {held}"
        )
    return shapes
