"""A predicted field against the true surface, a scan of it, or both: meshes and one row of numbers."""

from __future__ import annotations

import time
from dataclasses import replace

from shapesys.errors import ShapesysError, UsageError, unknown_name
from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.measured import identity
from shapesys.evaluation.row_log import AREA_SHARE, COMPONENTS
from shapesys.evaluation.surface_pictures import MeasuredSurface, beside_scan, beside_truth
from shapesys.evaluation.surface_truth import Truth, read
from shapesys.families.base import FieldPrediction
from shapesys.fields.extraction import Extraction, extract
from shapesys.fields.field import Field
from shapesys.geometry.components import Components, find_components, largest_component
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.neighbours import installed
from shapesys.metrics.conventions import convention
from shapesys.metrics.gradient import gradient_errors
from shapesys.metrics.pair import NORMAL_CONVENTIONS
from shapesys.metrics.record import MetricRecord, Scores
from shapesys.metrics.saliency import saliency_metrics
from shapesys.metrics.surface import surface_metrics
from shapesys.metrics.volume import iou_record, occupied

__all__ = ["MeasuredSurface", "Truth", "check", "measure", "read"]


def check(settings: EvaluateConfig) -> None:
    """Refuse what no shape could be measured by.

    Raises:
        UsageError: an unknown convention of distances or normals, with the nearest ones; one that a bare scan cannot
            be measured by; or a step of gradients that leaves out most of their points.
    """
    for name in settings.chamfer:
        convention(name)
    for name in settings.scan_chamfer:
        if convention(name).against != "scan":
            raise UsageError(
                f"scan_chamfer '{name}' is against the true surface, which a bare scan lacks; put it into chamfer"
            )
    for name in settings.normals:
        if name not in NORMAL_CONVENTIONS:
            raise unknown_name("normal consistency convention", name, NORMAL_CONVENTIONS)
    settings.gradient(is_distance=True)


def measure(prediction: FieldPrediction, truth: Truth, settings: EvaluateConfig) -> MeasuredSurface:
    """Extract the predicted surface and score it.

    The row has ``shape_id``, ``category``, ``split``, ``status``, ``reason``, one column per metric (and its floor),
    and ``cost/...`` and ``fact/...`` columns. An empty surface is scored by the constants that conventions define. Of a
    bare scan there are scores against its points, and of samples of a solid the IoU besides, and no others.
    """
    started = time.perf_counter()
    extraction = extract(prediction.field, settings.resolution, settings.extraction())
    extracted = time.perf_counter()
    components = find_components(extraction.mesh)
    mesh = largest_component(extraction.mesh, components) if settings.largest_component else extraction.mesh
    surface = _against(mesh, truth, settings)
    saliency = _saliency(prediction.field, truth, settings)
    of_field = (*_volume(prediction.field, truth), *_gradient(prediction.field, truth, settings))
    records = (*surface.records, *of_field, *saliency.records)
    measured = time.perf_counter()
    reason = _reason(surface, extraction, saliency.reason)
    row = {
        **identity(prediction.shape_id, truth.category, truth.split, surface.status, reason),
        **Scores(surface.status, records).values,
        "cost/extract_seconds": extracted - started,
        "cost/metric_seconds": measured - extracted,
        "cost/points_evaluated": float(extraction.report.points_evaluated),
        "cost/query_saving": extraction.report.saving,
        **_facts(components),
        **{f"fact/{name}": float(value) for name, value in prediction.facts.items()},
    }
    found = MeasuredSurface(row, records, mesh, truth.mesh, curves=prediction.curves)
    return _shown(found, truth, prediction.field, settings.seed)


def _against(mesh: Mesh, truth: Truth, settings: EvaluateConfig) -> Scores:
    """Scores of a surface, of a room without what nobody sees of it where that is asked for."""
    if not settings.remove_walls:
        return surface_metrics(mesh, truth.surface, settings.surface(), truth.normalisation, truth.scan)
    seen, region = truth.of_what_is_seen()
    measured = replace(settings.surface(), region=region)
    # In units of the whole room, as it is measured with its walls.
    return surface_metrics(mesh, seen.surface, measured, seen.normalisation, seen.scan, truth.surface)


def _facts(components: Components) -> dict[str, float]:
    """What is beside the main surface, whether or not it is measured."""
    share = {AREA_SHARE: components.largest_share} if components.count else {}
    return {COMPONENTS: float(components.count)} | share


def _shown(measured: MeasuredSurface, truth: Truth, field: Field, seed: int) -> MeasuredSurface:
    if truth.mesh is None:
        prediction, scan = beside_scan(measured.prediction, truth.cloud, field, seed)
        return replace(measured, prediction=prediction, scan=scan)
    prediction, true = beside_truth(measured.prediction, truth.mesh, field, seed)
    return replace(measured, prediction=prediction, truth=true)


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
    return (iou_record(predicted, inside, "uniform_box", given_by=truth.given_by),)


def _gradient(field: Field, truth: Truth, settings: EvaluateConfig) -> tuple[MetricRecord, ...]:
    """None for a bare scan, nor where no exact distance to triangles can be computed."""
    if truth.mesh is None or not (installed("warp") or installed("igl")):
        return ()
    return gradient_errors(field, truth.mesh, settings.gradient(field.traits.is_distance))


def _saliency(field: Field, truth: Truth, settings: EvaluateConfig) -> Scores:
    """SSR and d_sym of the map that the field gives the true surface's points; none for fields without saliency.

    That no plane was asked for, or none is stored, is no shape's own fault, and no reason of its row.
    """
    points = truth.cloud[: settings.saliency_points]
    attributes = field.attributes(points)
    if "saliency" not in attributes:
        return Scores("not_applicable", ())
    if len(points) < settings.saliency_points:
        raise ShapesysError(
            f"saliency_points = {settings.saliency_points} exceeds the {len(points)} points stored per cloud; "
            "lower it or prepare larger clouds"
        )
    plane = truth.symmetry()
    scores = saliency_metrics(points, attributes["saliency"], plane, settings.saliency_settings())
    return scores if plane else replace(scores, reason="")
