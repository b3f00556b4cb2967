"""A checkpoint and a store, ready to evaluate any batch of shapes."""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import torch

from shapesys.config.base import changed
from shapesys.errors import ShapesysError, in_words
from shapesys.evaluation.apart import DEVICE_BROKEN, SHAPE_FAILURES, together_or_apart
from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.measured import identity
from shapesys.evaluation.saliency import maps_to_evaluate_with
from shapesys.evaluation.suites import suite_of
from shapesys.evaluation.unseen import as_prediction
from shapesys.families import registry
from shapesys.families.base import Family, FieldPrediction, Objective, Observation, Prediction
from shapesys.fields.field import UNIT_BOX, Box
from shapesys.fields.in_box import in_box
from shapesys.geometry.cloud import with_noise
from shapesys.geometry.mesh import Floats
from shapesys.metrics.record import MetricRecord
from shapesys.samples.image_views import view_tensors
from shapesys.samples.seeds import stable_hash
from shapesys.samples.store import Store
from shapesys.samples.views import VIEWS
from shapesys.training.checkpoint import Checkpoint, restore
from shapesys.training.config import TrainJob
from shapesys.training.fitted import FittedNetworks
from shapesys.training.fitting import fit
from shapesys.training.run_dir import EvaluationDirectory
from shapesys.training.saliency import open_maps

TRUE_COLUMNS = frozenset({"labels", "annotations", "inside"})
"""What the truth consists of, which no inference may see."""
_OF_THE_SHAPE = ("centre", "scale", "symmetry_plane", "parts", "digest", "sign_method")


@dataclass(frozen=True)
class BatchResult:
    """Rows of one batch, and the records that explain each metric (the first shape's)."""

    rows: list[dict[str, Any]]
    records: tuple[MetricRecord, ...]


class Code(NamedTuple):
    """A shape's latent code (D,) float32, and whether training gave it or a search at test time."""

    values: Floats
    origin: Literal["trained", "found"]


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
    networks: FittedNetworks
    maps: str = ""

    @classmethod
    def open(
        cls,
        checkpoint: Checkpoint,
        store_url: str,
        settings: EvaluateConfig,
        keep: EvaluationDirectory | None,
        device: torch.device | None = None,
    ) -> Evaluator:
        """Restore a checkpoint and open a store; `keep` is where what pictures need is written, None for nowhere."""
        objective, job, ids = restore(checkpoint, device)
        rows = {shape_id: row for row, shape_id in enumerate(ids)}
        store = Store.open(store_url)
        shapes = store.shapes(columns=_OF_THE_SHAPE)
        family = registry.load(job.family)
        maps = maps_to_evaluate_with(job, family, settings)
        if maps:
            # Where the file cannot be read, every shape would fail.
            open_maps(maps)
        networks = FittedNetworks(checkpoint.run, lambda shape_id: str(shape_row(shapes, shape_id)["digest"]))
        return cls(family, objective, job, rows, store, settings, keep, shapes, networks, maps)

    def evaluate(self, shape_ids: Sequence[str]) -> BatchResult:
        """One row per shape. What fails for one shape becomes its row's status and reason.

        Raises:
            torch.AcceleratorError: the device broke; this process can evaluate nothing any more.
        """
        predicted, failed = together_or_apart(shape_ids, self._timed)
        measured = [(*self._row(prediction), seconds) for prediction, seconds in _taken(predicted)]
        rows = [row | {"cost/infer_seconds": seconds} for row, _, seconds in measured]
        rows += [self.failed_row(shape_id, why) for shape_id, why in failed.items()]
        return BatchResult(rows, next((records for _, records, _ in measured if records), ()))

    def _timed(self, shape_ids: Sequence[str]) -> list[tuple[Prediction, float]]:
        """Predictions, and each one's share of the seconds that they took."""
        started = time.perf_counter()
        predictions = self.predict(shape_ids)
        share = (time.perf_counter() - started) / len(shape_ids)
        return [(prediction, share) for prediction in predictions]

    def predict(self, shape_ids: Sequence[str]) -> list[Prediction]:
        """One prediction per shape, in any order: from trained codes where they are used, else from what is observed.

        Raises:
            ShapesysError: a shape cannot be read or predicted; all of the batch are without a prediction then.
        """
        fits = self.family.one_network_each(self.job.model)
        predictions = self._fit(shape_ids) if fits else self._from_shared(shape_ids)
        return predictions if self.store.framing.is_unit_sphere else [self._where_seen(item) for item in predictions]

    def _from_shared(self, shape_ids: Sequence[str]) -> list[Prediction]:
        """What one network for all shapes predicts."""
        trained = [shape_id for shape_id in shape_ids if self._has_trained_code(shape_id)]
        unseen = [shape_id for shape_id in shape_ids if shape_id not in set(trained)]
        predictions: list[Prediction] = []
        if trained:
            assert self.family.known is not None
            rows = [self.rows_of_codes[shape_id] for shape_id in trained]
            predictions += self.family.known(self.objective, rows, trained)
        if unseen:
            inference = changed(self.job.inference, self.settings.inference)
            observations = [self._observe(shape_id) for shape_id in unseen]
            predictions += self.family.infer(self.objective, observations, inference, self.settings.seed)
        return predictions

    def _where_seen(self, prediction: Prediction) -> Prediction:
        """Of a shape that lies anywhere, the surface is looked for about the points that the store has of it; unless
        the field knows where it is."""
        if not isinstance(prediction, FieldPrediction) or prediction.field.traits.box != UNIT_BOX:
            return prediction
        return replace(prediction, field=in_box(prediction.field, Box.about(self.points_of(prediction.shape_id))))

    def points_of(self, shape_id: str) -> Floats:
        """(n, 3) points that the store has of a shape's surface, in the frame of its fields."""
        points: Floats = self.store.read("cloud", [shape_id], ["points"])["points"][0]
        return points

    def code(self, shape_id: str) -> Code:
        """The code that `predict` decodes, of a family whose shapes have any.

        Raises:
            UsageError: the store has no such shape; names the nearest ones.
            ShapesysError: what is needed of the shape cannot be read.
        """
        latent = self.family.latent
        assert latent is not None
        if self._has_trained_code(shape_id):
            assert latent.trained is not None
            return Code(latent.trained(self.objective, [self.rows_of_codes[shape_id]])[0], "trained")
        inference = changed(self.job.inference, self.settings.inference)
        found = latent.found(self.objective, [self._observe(shape_id)], inference, self.settings.seed)
        return Code(found[0], "found")

    def _fit(self, shape_ids: Sequence[str]) -> list[Prediction]:
        """Of the networks that are these shapes: those that are there, and new ones for the others."""
        device = next(self.objective.parameters()).device
        found = [self.networks.load(self.job, shape_id, device) for shape_id in shape_ids]
        done = [fitted for fitted in found if fitted]
        missing = [shape_id for shape_id, fitted in zip(shape_ids, found, strict=True) if not fitted]
        for fitted in fit(self.job, [self._observe(shape_id) for shape_id in missing], device, self.networks.half_done):
            self.networks.save(fitted)
            done.append(fitted)
        return [as_prediction(self.family, fitted) for fitted in done]

    def _has_trained_code(self, shape_id: str) -> bool:
        known = self.objective.holds_codes and shape_id in self.rows_of_codes
        if self.settings.codes == "trained" and not known:
            raise ShapesysError(f"codes = trained, but '{shape_id}' was not trained on; use optimised or auto")
        return known and self.settings.codes != "optimised"

    def _observe(self, shape_id: str) -> Observation:
        """What the family needs of a shape, without the truth."""
        need = self.family.observed(self.job.model)
        columns = tuple(name for name in need.columns if name not in TRUE_COLUMNS)
        if side := self.family.pictures(self.job.model):
            found = {"picture": view_tensors(self.store, self.settings.image_view, [shape_id], side)[0]}
        elif VIEWS[need.view].chunked:
            found = self._chunks(shape_id, need.view, columns)
        else:
            found = self._whole(shape_id, need.view, columns)
        if self.maps:
            found["saliency"] = open_maps(self.maps).of(shape_id)
        if self.settings.input_noise and need.view == "cloud":
            found["points"] = self._noisy(found["points"], shape_id)
        row = shape_row(self.shapes, shape_id)
        return Observation(shape_id, found, row["category"], row["scale"])

    def _noisy(self, points: Floats, shape_id: str) -> Floats:
        """(n, 3) as a scanner would see them; the same whenever the shape is evaluated with this seed."""
        rng = np.random.default_rng(stable_hash(f"{self.settings.seed}/input noise/{shape_id}"))
        return with_noise(points, self.settings.input_noise, rng)

    def _whole(self, shape_id: str, view: str, columns: Sequence[str]) -> dict[str, np.ndarray]:
        """All that is stored; the next shape may have more or less."""
        return {name: values[0] for name, values in self.store.read(view, [shape_id], columns).items()}

    def _chunks(self, shape_id: str, view: str, columns: Sequence[str]) -> dict[str, np.ndarray]:
        """The shape's stored queries: whole chunks up to the number to be observed."""
        pieces: list[dict[str, np.ndarray]] = []
        wanted = self._queries_wanted()
        for chunk in range(self.store.chunk_count(view)):
            rows = self.store.read_chunk(view, chunk, [shape_id], columns)
            pieces.append({name: rows[name][0, : min(wanted, len(rows[name][0]))] for name in columns})
            wanted -= len(pieces[-1][columns[0]])
            if wanted <= 0:
                break
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in columns}

    def _queries_wanted(self) -> float:
        """Per shape: what test-time optimisation of a code is shown, or all there are for a network of its own."""
        return math.inf if self.family.one_network_each(self.job.model) else self.settings.observed_queries

    def _row(self, prediction: Prediction) -> tuple[dict[str, Any], tuple[MetricRecord, ...]]:
        suite = suite_of(self.family)
        try:
            truth = suite.read(self.store, shape_row(self.shapes, prediction.shape_id), self.settings)
            measured = suite.measure(prediction, truth, self.settings)
        except DEVICE_BROKEN:
            raise
        except SHAPE_FAILURES as error:
            return self.failed_row(prediction.shape_id, in_words(error)), ()
        if self.keep:
            measured.write(self.keep)
        return measured.row, measured.records

    def failed_row(self, shape_id: str, reason: str) -> dict[str, Any]:
        """The row of a shape that could not be evaluated."""
        return failed_row(shape_row(self.shapes, shape_id), reason)


def _taken(predicted: list[tuple[Prediction, float]]) -> Iterator[tuple[Prediction, float]]:
    """Each in turn, and none of them kept here: a scene's may hold much of the memory."""
    while predicted:
        yield predicted.pop(0)


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
    return identity(shape["shape_id"], shape["category"], shape["split"], "failed", reason)
