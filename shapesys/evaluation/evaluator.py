"""A checkpoint and a store, ready to evaluate any batch of shapes."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from shapesys.errors import ShapesysError, in_words
from shapesys.evaluation.config import EvaluateConfig, SymmetryPlane
from shapesys.evaluation.measure import Measured, Truth, measure
from shapesys.families import registry
from shapesys.families.base import Family, FieldPrediction, Objective, Observation
from shapesys.geometry.normalise import Normalisation
from shapesys.geometry.write import write_mesh
from shapesys.metrics.record import MetricRecord
from shapesys.metrics.saliency import Plane
from shapesys.samples.store import Store
from shapesys.training.checkpoint import Checkpoint, restore
from shapesys.training.config import TrainJob
from shapesys.training.run_dir import EvaluationDirectory

SHAPE_FAILURES = (ShapesysError, ValueError, ArithmeticError, MemoryError, RuntimeError)
"""What one shape's data can cause, memory of the device included; a full disk, say, is everybody's problem."""
DEVICE_BROKEN = torch.AcceleratorError
"""A fault that the device then answers to every shape of the process, whichever was to blame for it."""


@dataclass(frozen=True)
class BatchResult:
    """Rows of one batch, and the records that explain each metric (the first shape's)."""

    rows: list[dict[str, Any]]
    records: tuple[MetricRecord, ...]


@dataclass
class Evaluator:
    """Loads once, evaluates many batches."""

    family: Family
    objective: Objective
    job: TrainJob
    rows_of_codes: dict[str, int]
    store: Store
    settings: EvaluateConfig
    keep: EvaluationDirectory | None
    shapes: pa.Table

    @classmethod
    def open(
        cls,
        checkpoint: Checkpoint,
        store_url: str,
        settings: EvaluateConfig,
        keep: EvaluationDirectory | None,
        device: torch.device | None = None,
    ) -> Evaluator:
        """Restore a checkpoint and open a store; `keep` is where meshes are written, None for nowhere."""
        objective, job, ids = restore(checkpoint, device)
        rows = {shape_id: row for row, shape_id in enumerate(ids)}
        store = Store.open(store_url)
        shapes = store.shapes(columns=("centre", "scale", "symmetry_plane"))
        return cls(registry.load(job.family), objective, job, rows, store, settings, keep, shapes)

    def evaluate(self, shape_ids: Sequence[str]) -> BatchResult:
        """One row per shape. What fails for one shape becomes its row's status and reason.

        Raises:
            torch.AcceleratorError: the device broke; this process can evaluate nothing any more.
        """
        started = time.perf_counter()
        try:
            predictions = self._predict(shape_ids)
        except DEVICE_BROKEN:
            raise
        except SHAPE_FAILURES as error:
            return self._one_by_one(shape_ids, error)
        share = (time.perf_counter() - started) / len(shape_ids)
        measured = [self._row(prediction) for prediction in predictions]
        rows = [row | {"cost/infer_seconds": share} for row, _ in measured]
        return BatchResult(rows, next((records for _, records in measured if records), ()))

    def _one_by_one(self, shape_ids: Sequence[str], error: Exception) -> BatchResult:
        """The same for a batch that failed together: only the shape to blame fails."""
        if len(shape_ids) == 1:
            return BatchResult([self.failed_row(shape_ids[0], in_words(error))], ())
        results = [self.evaluate([shape_id]) for shape_id in shape_ids]
        rows = [row for result in results for row in result.rows]
        return BatchResult(rows, next((result.records for result in results if result.records), ()))

    def _predict(self, shape_ids: Sequence[str]) -> list[FieldPrediction]:
        trained = [shape_id for shape_id in shape_ids if self._has_trained_code(shape_id)]
        unseen = [shape_id for shape_id in shape_ids if shape_id not in set(trained)]
        predictions: list[FieldPrediction] = []
        if trained:
            assert self.family.known is not None
            rows = [self.rows_of_codes[shape_id] for shape_id in trained]
            predictions += self.family.known(self.objective, rows, trained)
        if unseen:
            inference = self.job.inference.override(self.settings.inference)
            observations = [self._observe(shape_id) for shape_id in unseen]
            predictions += self.family.infer(self.objective, observations, inference, self.settings.seed)
        return predictions

    def _has_trained_code(self, shape_id: str) -> bool:
        known = self.family.known is not None and shape_id in self.rows_of_codes
        if self.settings.codes == "trained" and not known:
            raise ShapesysError(f"codes = trained, but '{shape_id}' was not trained on; use optimised or auto")
        return known and self.settings.codes != "optimised"

    def _observe(self, shape_id: str) -> Observation:
        """The shape's stored queries: whole chunks up to the number to be observed."""
        need = self.family.needs[0]
        pieces: list[dict[str, np.ndarray]] = []
        wanted = self.settings.observed_queries
        for chunk in range(self.store.chunk_count(need.view)):
            rows = self.store.read_chunk(need.view, chunk, [shape_id])
            pieces.append({name: rows[name][0, :wanted] for name in need.columns})
            wanted -= len(pieces[-1][need.columns[0]])
            if wanted <= 0:
                break
        return Observation(shape_id, {name: np.concatenate([piece[name] for piece in pieces]) for name in need.columns})

    def _row(self, prediction: FieldPrediction) -> tuple[dict[str, Any], tuple[MetricRecord, ...]]:
        try:
            measured = measure(prediction, self._truth(prediction.shape_id), self.settings)
        except DEVICE_BROKEN:
            raise
        except SHAPE_FAILURES as error:
            return self.failed_row(prediction.shape_id, in_words(error)), ()
        if self.keep:
            self._write(prediction.shape_id, measured)
        return measured.row, measured.records

    def failed_row(self, shape_id: str, reason: str) -> dict[str, Any]:
        """The row of a shape that could not be evaluated."""
        return failed_row(shape_row(self.shapes, shape_id), reason)

    def _write(self, shape_id: str, measured: Measured) -> None:
        assert self.keep is not None
        for mesh, path in (
            (measured.prediction, self.keep.prediction_mesh(shape_id)),
            (measured.truth, self.keep.truth_mesh(shape_id)),
        ):
            if not mesh.is_empty:
                write_mesh(mesh, path, "saliency" if "saliency" in mesh.attributes else None)

    def _truth(self, shape_id: str) -> Truth:
        row = shape_row(self.shapes, shape_id)
        return Truth(
            category=row["category"],
            split=row["split"],
            mesh=self.store.mesh(shape_id),
            normalisation=Normalisation((row["centre"][0], row["centre"][1], row["centre"][2]), row["scale"]),
            cloud=self.store.read("cloud", [shape_id], ["points"])["points"][0],
            symmetry=symmetry_plane(self.settings.symmetry_plane, row["symmetry_plane"]),
            occupancy=self._occupancy(shape_id),
        )

    def _occupancy(self, shape_id: str) -> tuple[np.ndarray, np.ndarray] | None:
        if "occupancy" not in self.store.views:
            return None
        rows = self.store.read("occupancy", [shape_id])
        return rows["points"][0], rows["inside"][0]


def symmetry_plane(choice: SymmetryPlane, stored: Sequence[float]) -> Plane | None:
    """The plane of a choice in the normalised frame, whose origin is the bounding box's centre; None for none."""
    if choice == "stored":
        return Plane((stored[0], stored[1], stored[2]), stored[3]) if stored else None
    normals = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}
    return Plane(normals[choice]) if choice in normals else None


def shape_row(shapes: pa.Table, shape_id: str) -> dict[str, Any]:
    """A shape's row of a table that is sorted by id; of millions of shapes, few become Python objects.

    Raises:
        ShapesysError: the table does not hold it.
    """
    ids = shapes["shape_id"]
    place = bisect_left(range(len(ids)), shape_id, key=lambda row: ids[row].as_py())
    if place == len(ids) or ids[place].as_py() != shape_id:
        raise ShapesysError(f"the store has no shape '{shape_id}'")
    row: dict[str, Any] = shapes.slice(place, 1).to_pylist()[0]
    return row


def failed_row(shape: dict[str, Any], reason: str) -> dict[str, Any]:
    """A row for a shape that has no scores, from its row of the `shapes` view."""
    names = {name: shape[name] for name in ("shape_id", "category", "split")}
    return names | {"status": "failed", "reason": reason}
