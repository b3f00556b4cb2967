"""Reads micro-batches from the store: stretches of stored chunks, or whole shapes that the family samples from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shapesys.errors import ShapesysError
from shapesys.families.base import PICTURES, Arrays, SampleRequest
from shapesys.samples.image_views import view_tensors
from shapesys.samples.seeds import stable_hash
from shapesys.samples.shape_ids import category_of
from shapesys.samples.store import Store
from shapesys.samples.views import VIEWS
from shapesys.samples.vocabulary import Vocabulary
from shapesys.training.plan import StepPlan
from shapesys.training.saliency import open_maps

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Reader:
    """Reads one micro-batch from the store. Picklable; opens nothing until it reads.

    Attributes:
        store: where the samples are.
        view: the family's view.
        columns: the columns to read.
        shape_ids: the run's shapes, in the order the plan indexes.
        seed: the run's seed, for the noise seeds.
        scales: (S,) length in the file's unit that is 1 in each shape's frame.
        vocabulary: what categories and parts are numbered by.
        sample: makes a batch row of a shape's columns; None where chunks are batch rows already.
        training: whether `sample` augments.
        ordered: whether stored clouds are in the order of farthest point sampling.
        saliency: file of maps that are joined to the columns for `sample`, as ``saliency`` (m,); empty for none.
        picture: pixels a side of each shape's picture, the next one in each epoch, that is joined to the batch as
            ``picture`` (B, 3, S, S); 0 for none.
    """

    store: Store
    view: str
    columns: tuple[str, ...]
    shape_ids: tuple[str, ...]
    seed: int
    scales: np.ndarray
    vocabulary: Vocabulary
    sample: Callable[[Arrays, SampleRequest], Arrays] | None = None
    training: bool = True
    ordered: bool = True
    saliency: str = ""
    picture: int = 0

    def read(self, plan: StepPlan) -> Columns:
        """Arrays stacked over the plan's shapes, and ``shape_index``, ``category_index``, ``noise_seed``: (B,) int64.

        Raises:
            ShapesysError: a shape cannot be read or sampled from; names it.
        """
        ids = [self.shape_ids[index] for index in plan.shape_indices]
        seeds = [noise_seed(self.seed, plan.step if self.training else 0, shape_id) for shape_id in ids]
        read = self._windows(plan, ids) if self.sample is None else self._sampled(plan, seeds)
        if self.picture:
            read |= {"picture": self._pictures(plan, ids)}
        categories = [self.vocabulary.class_of(category_of(shape_id)) for shape_id in ids]
        return read | {
            "shape_index": np.asarray(plan.shape_indices, dtype=np.int64),
            "category_index": np.asarray(categories, dtype=np.int64),
            "noise_seed": np.asarray(seeds, dtype=np.int64),
        }

    def _sampled(self, plan: StepPlan, seeds: list[int]) -> Columns:
        """One row per shape, made by the family."""
        assert self.sample is not None
        count = sum(window.stop - window.start for window in plan.windows)
        rows: list[Arrays] = []
        for index, seed in zip(plan.shape_indices, seeds, strict=True):
            shape_id = self.shape_ids[index]
            request = SampleRequest(shape_id, count, seed, self.training, float(self.scales[index]), self.ordered)
            columns = {name: values[0] for name, values in self.store.read(self.view, [shape_id], self.columns).items()}
            if self.saliency:
                columns["saliency"] = open_maps(self.saliency).of(shape_id)
            try:
                rows.append(self.sample(columns, request))
            except ShapesysError as error:
                raise ShapesysError(f"shape '{shape_id}': {error}") from None
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}

    def _pictures(self, plan: StepPlan, ids: list[str]) -> np.ndarray:
        number = plan.epoch % self.store.chunk_count(PICTURES.view) if self.training else 0
        return view_tensors(self.store, number, ids, self.picture)

    def _windows(self, plan: StepPlan, ids: list[str]) -> Columns:
        pieces = [self._window(window.chunk, window.start, window.stop, ids) for window in plan.windows]
        return {name: _join([piece[name] for piece in pieces]) for name in self.columns}

    def _window(self, chunk: int, start: int, stop: int, ids: list[str]) -> Columns:
        rows = self.store.read_chunk(self.view, chunk, ids, self.columns)
        of_queries = VIEWS[self.view].per_query
        return {name: rows[name][:, start:stop] if name in of_queries else rows[name] for name in self.columns}


def noise_seed(seed: int, step: int, shape_id: str) -> int:
    """Seed of a shape's random masks in a step: the same on whichever worker the shape falls."""
    return stable_hash(f"{seed}/{step}/{shape_id}")


def _join(pieces: list[np.ndarray]) -> np.ndarray:
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)
