"""Reads micro-batches from the store. Free of torch, so that a process that only reads starts quickly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shapesys.samples.seeds import stable_hash
from shapesys.samples.store import Store
from shapesys.training.plan import StepPlan

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Reader:
    """Reads one micro-batch from the store. Picklable; opens nothing until it reads.

    Attributes:
        store: where the samples are.
        view: the family's chunked view.
        columns: the columns to return.
        shape_ids: the run's shapes, in the order the plan indexes.
        seed: the run's seed, for the noise seeds.
    """

    store: Store
    view: str
    columns: tuple[str, ...]
    shape_ids: tuple[str, ...]
    seed: int

    def read(self, plan: StepPlan) -> Columns:
        """Columns stacked over the plan's shapes, plus ``shape_index`` and ``noise_seed``, (B,) int64 each."""
        ids = [self.shape_ids[index] for index in plan.shape_indices]
        pieces = [self._window(window.chunk, window.start, window.stop, ids) for window in plan.windows]
        joined = {name: _join([piece[name] for piece in pieces]) for name in self.columns}
        seeds = [noise_seed(self.seed, plan.step, shape_id) for shape_id in ids]
        return joined | {
            "shape_index": np.asarray(plan.shape_indices, dtype=np.int64),
            "noise_seed": np.asarray(seeds, dtype=np.int64),
        }

    def _window(self, chunk: int, start: int, stop: int, ids: list[str]) -> Columns:
        rows = self.store.read_chunk(self.view, chunk, ids)
        return {name: rows[name][:, start:stop] for name in self.columns}


def noise_seed(seed: int, step: int, shape_id: str) -> int:
    """Seed of a shape's random masks in a step: the same on whichever worker the shape falls."""
    return stable_hash(f"{seed}/{step}/{shape_id}")


def _join(pieces: list[np.ndarray]) -> np.ndarray:
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)
