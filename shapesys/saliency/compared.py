"""Methods of saliency beside each other: SSR and d_sym of each, and the shapes that d_sym does not apply to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from shapesys.evaluation.planes import CategoryPlane, Planes
from shapesys.metrics.aggregate import Group, Summary
from shapesys.saliency.config import MapMetrics
from shapesys.saliency.measure import RANGE, Row, measure_maps, metric_names, summary_of
from shapesys.samples.saliency_maps import SaliencyMaps
from shapesys.samples.store import Store

STATISTICS = ("mean", "min", "max")
FEW = 0.5
"""Share of its shapes below which a category is hardly symmetric in the plane that was found."""


@dataclass(frozen=True)
class Measured:
    """One method's maps, measured.

    Attributes:
        rows: one per shape of the measured split and the method's categories.
        no_plane: shapes without a mirror plane; ``asymmetric`` are those that fail the symmetry test in theirs.
    """

    method: str
    rows: Sequence[Row]
    summary: Summary
    no_plane: int
    asymmetric: int

    @property
    def failed(self) -> int:
        """Shapes without a map."""
        return sum(row["status"] == "failed" for row in self.rows)


def measured(
    maps: SaliencyMaps, store: Store, planes: Planes, settings: MapMetrics, categories: Sequence[str]
) -> Measured:
    """Measure one method's maps of some categories."""
    rows = measure_maps(maps, store, planes.shapes, settings, categories)
    # Whether it applies depends on the points alone: it is undefined under every rescaling or under none.
    name = f"d_sym/{settings.scaling[0]}"
    without = [row for row in rows if row["status"] == "ok" and math.isnan(row[name])]
    no_plane = sum(planes.shapes.get(row["shape_id"]) is None for row in without)
    return Measured(maps.method, rows, summary_of(rows, settings), no_plane, len(without) - no_plane)


def results_table(found: Measured, settings: MapMetrics) -> pa.Table:
    """The rows, with a column for every metric whatever failed."""
    texts = [(name, pa.string()) for name in ("shape_id", "category", "split", "status", "reason")]
    numbers = [(name, pa.float64()) for name in metric_names(settings)]
    return pa.Table.from_pylist(list(found.rows), schema=pa.schema([*texts, *numbers]))


def line_of(found: Measured, scaling: str, category: str | None = None) -> dict[str, Any]:
    """Statistics of both metrics under a rescaling, of all shapes or of a category.

    Returns:
        ``{"ssr": {"mean": ..., "min": ..., "max": ...}, "d_sym": {...}}``; NaN where no shape has a value.
    """
    group: Group = found.summary.overall if category is None else found.summary.categories[category]
    metrics = {short: asdict(group.metrics[f"{short}/{scaling}"]) for short in ("ssr", "d_sym")}
    return {short: {key: values[key] for key in STATISTICS} for short, values in metrics.items()}


def range_of(found: Measured) -> float:
    """Mean over the shapes of a map's greatest less its least value, not rescaled; near 0 where maps say nothing."""
    return found.summary.overall.metrics[RANGE].mean


def remark_on(category: str, plane: CategoryPlane, undefined: bool) -> str:
    """What a person should know or do about how a category's plane is known; empty for nothing.

    Args:
        undefined: no shape of the category has a plane.
    """
    if plane.origin == "none":
        # As the user wants it.
        return ""
    if undefined:
        return (
            f"{category}: no mirror plane is known, so its d_sym is not defined; search one with "
            "--symmetry-plane found, or name one with --symmetry-plane x"
        )
    if plane.symmetric_share is not None and plane.symmetric_share < FEW:
        return (
            f"{category}: the plane that was found mirrors {100 * plane.symmetric_share:.0f} % of the shapes; look at "
            "its pictures, and name the right one with --symmetry-plane x, y or z, or try --symmetry-plane each"
        )
    return ""


def remarks(planes: Planes, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """All remarks on the planes of the measured shapes."""
    found = []
    for category, plane in planes.categories.items():
        own = [row["shape_id"] for row in rows if row["category"] == category]
        undefined = bool(own) and all(planes.shapes.get(name) is None for name in own)
        found.append(remark_on(category, plane, undefined))
    return [text for text in found if text]
