"""A predicted field against the true surface: meshes and one row of numbers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from shapesys.errors import ShapesysError
from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.measured import Measured, identity
from shapesys.evaluation.planes import plane_of
from shapesys.families.base import FieldPrediction
from shapesys.fields.extraction import Extraction, extract
from shapesys.fields.field import Field
from shapesys.geometry.mesh import Floats, Mesh
from shapesys.geometry.neighbours import nearest
from shapesys.geometry.normalise import Normalisation
from shapesys.geometry.plane import Plane
from shapesys.geometry.subdivide import subdivided
from shapesys.geometry.surface import sample_surface
from shapesys.geometry.write import write_mesh
from shapesys.metrics.conventions import convention
from shapesys.metrics.record import MetricRecord, Scores
from shapesys.metrics.saliency import saliency_metrics
from shapesys.metrics.surface import surface_metrics
from shapesys.metrics.volume import iou_record, occupied
from shapesys.samples.store import Store
from shapesys.training.run_dir import EvaluationDirectory

ERROR_SAMPLES = 100_000
"""Surface samples behind the per-vertex error that pictures are coloured by."""
LONGEST_SHOWN_EDGE = 0.1
"""Longest edge of the ground truth in pictures, in the normalised frame."""


@dataclass(frozen=True)
class Truth:
    """What the store knows of a shape, in its normalised frame.

    Attributes:
        category, split: as prepared.
        mesh: the surface.
        normalisation: the way back to the file's frame.
        cloud: (n, 3) surface points in farthest-point order.
        symmetry: finds the shape's mirror plane, or None; not asked where nothing is measured by it.
        occupancy: points (m, 3) and inside (m,), or None where the sign could not be trusted.
    """

    category: str
    split: str
    mesh: Mesh
    normalisation: Normalisation
    cloud: Floats
    symmetry: Callable[[], Plane | None]
    occupancy: tuple[Floats, Any] | None


@dataclass(frozen=True)
class MeasuredSurface(Measured):
    """With the meshes to keep."""

    prediction: Mesh
    truth: Mesh

    def write(self, keep: EvaluationDirectory) -> None:
        shape_id = self.row["shape_id"]
        for mesh, path in (
            (self.prediction, keep.prediction_mesh(shape_id)),
            (self.truth, keep.truth_mesh(shape_id)),
        ):
            if not mesh.is_empty:
                write_mesh(mesh, path, "saliency" if "saliency" in mesh.attributes else None)


def read(store: Store, shape: Mapping[str, Any], settings: EvaluateConfig) -> Truth:
    """The ground truth of a shape, given its row of the `shapes` view."""
    shape_id, centre = shape["shape_id"], shape["centre"]
    return Truth(
        category=shape["category"],
        split=shape["split"],
        mesh=store.mesh(shape_id),
        normalisation=Normalisation((centre[0], centre[1], centre[2]), shape["scale"]),
        cloud=store.read("cloud", [shape_id], ["points"])["points"][0],
        symmetry=partial(plane_of, store, shape, settings.planes()),
        occupancy=_occupancy(store, shape_id),
    )


def _occupancy(store: Store, shape_id: str) -> tuple[np.ndarray, np.ndarray] | None:
    if "occupancy" not in store.views:
        return None
    rows = store.read("occupancy", [shape_id])
    return rows["points"][0], rows["inside"][0]


def check(settings: EvaluateConfig) -> None:
    """Refuse an unknown Chamfer convention.

    Raises:
        UsageError: names the nearest ones.
    """
    for name in settings.chamfer:
        convention(name)


def measure(prediction: FieldPrediction, truth: Truth, settings: EvaluateConfig) -> MeasuredSurface:
    """Extract the predicted surface and score it.

    The row has ``shape_id``, ``category``, ``split``, ``status``, ``reason``, one column per metric (and its floor),
    and ``cost/...`` and ``fact/...`` columns. An empty surface is scored by the constants that conventions define.
    """
    started = time.perf_counter()
    extraction = extract(prediction.field, settings.resolution, settings.extraction())
    extracted = time.perf_counter()
    surface = surface_metrics(extraction.mesh, truth.mesh, settings.surface(), truth.normalisation)
    saliency = _saliency(prediction.field, truth, settings)
    records = (*surface.records, *_volume(prediction.field, truth), *saliency.records)
    measured = time.perf_counter()
    reason = _reason(surface, extraction, saliency.reason)
    row = {
        **identity(prediction.shape_id, truth.category, truth.split, surface.status, reason),
        **Scores(surface.status, records).values,
        "cost/extract_seconds": extracted - started,
        "cost/metric_seconds": measured - extracted,
        "cost/points_evaluated": float(extraction.report.points_evaluated),
        "cost/query_saving": extraction.report.saving,
        **{f"fact/{name}": float(value) for name, value in prediction.facts.items()},
    }
    shown = _coloured(extraction.mesh, truth.mesh, prediction.field, settings.seed)
    return MeasuredSurface(row, records, *shown)


def _reason(surface: Scores, extraction: Extraction, asymmetric: str) -> str:
    """Why a shape is empty, or what is odd about its surface and its symmetry."""
    if surface.status != "ok":
        return extraction.report.empty or surface.reason
    return "; ".join(filter(None, (extraction.report.cut, asymmetric)))


def _volume(field: Field, truth: Truth) -> tuple[MetricRecord, ...]:
    if truth.occupancy is None:
        return ()
    points, inside = truth.occupancy
    traits = field.traits
    predicted = occupied(field.values(points), traits.level, negative_inside=traits.negative_inside)
    return (iou_record(predicted, inside, "uniform_box"),)


def _saliency(field: Field, truth: Truth, settings: EvaluateConfig) -> Scores:
    """SSR and d_sym of the map that the field gives the true surface's points; none for fields without saliency.

    That no plane was asked for, or none is stored, is no shape's own fault, and no reason of its row.
    """
    points = truth.cloud[: settings.saliency_points]
    if len(points) < settings.saliency_points:
        raise ShapesysError(
            f"saliency_points = {settings.saliency_points} exceeds the {len(points)} points stored per cloud; "
            "lower it or prepare larger clouds"
        )
    attributes = field.attributes(points)
    if "saliency" not in attributes:
        return Scores("not_applicable", ())
    plane = truth.symmetry()
    scores = saliency_metrics(points, attributes["saliency"], plane, settings.saliency_settings())
    return scores if plane else replace(scores, reason="")


def _coloured(predicted: Mesh, truth: Mesh, field: Field, seed: int) -> tuple[Mesh, Mesh]:
    """Both meshes with what pictures show: saliency, and distance to the other surface.

    The truth's large faces are divided, since a colour is shown at vertices and nowhere else.
    """
    truth = subdivided(truth, LONGEST_SHOWN_EDGE)
    vertices = np.asarray(truth.vertices, np.float32)
    shown: Mapping[str, Floats] = dict(truth.attributes) | dict(field.attributes(vertices))
    if predicted.is_empty:
        return predicted, replace(truth, attributes=dict(shown))
    predicted = _with_error(predicted, truth, seed)
    return predicted, _with_error(replace(truth, attributes=dict(shown)), predicted, seed)


def _with_error(mesh: Mesh, other: Mesh, seed: int) -> Mesh:
    target = sample_surface(other, ERROR_SAMPLES, seed).points
    error = nearest(target, np.asarray(mesh.vertices, np.float32)).distances.astype(np.float32)
    return replace(mesh, attributes=dict(mesh.attributes) | {"error": error})
