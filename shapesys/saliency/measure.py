"""SSR and d_sym of maps (ISSN, equations 5 and 6): one row per shape, and their mean, least and greatest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from shapesys.errors import ShapesysError
from shapesys.evaluation.measured import identity
from shapesys.geometry.plane import Plane
from shapesys.metrics.aggregate import Summary, summarise
from shapesys.metrics.saliency import MapNeighbours, map_metrics
from shapesys.saliency.config import MapMetrics
from shapesys.saliency.maps import stored_points
from shapesys.samples.saliency_maps import SaliencyMaps
from shapesys.samples.store import Store

Row = dict[str, Any]

MEAN, RANGE = "saliency/mean", "saliency/range"
"""Of a map before it is rescaled: a flat one, which rescaling would hide, has hardly any range."""


def measure_maps(
    maps: SaliencyMaps,
    store: Store,
    planes: Mapping[str, Plane | None],
    settings: MapMetrics,
    categories: Sequence[str],
) -> list[Row]:
    """One row for every shape of the split: ``ssr/...``, ``d_sym/...`` (NaN where it does not apply, with the reason),
    ``saliency/mean`` and ``saliency/range`` of the map as it is.

    A shape without a map is a row that failed.
    """
    rows = store.shapes(settings.split, categories, "cloud", ()).to_pylist()
    return [_row(maps, store, row, planes.get(row["shape_id"]), settings) for row in rows]


def _row(maps: SaliencyMaps, store: Store, shape: Mapping[str, Any], plane: Plane | None, settings: MapMetrics) -> Row:
    shape_id = shape["shape_id"]
    try:
        saliency = maps.of(shape_id)
        points = stored_points(store, [shape_id], len(saliency))[0]
    except ShapesysError as error:
        return identity(shape_id, shape["category"], shape["split"], "failed", str(error))
    neighbours = MapNeighbours.of(points, plane)
    scores = [map_metrics(neighbours, saliency, one) for one in settings.saliency_settings()]
    values = {name: value for found in scores for name, value in found.values.items()}
    level = {MEAN: float(saliency.mean()), RANGE: float(np.ptp(saliency))}
    return {**identity(shape_id, shape["category"], shape["split"], "ok", scores[0].reason), **values, **level}


def metric_names(settings: MapMetrics) -> tuple[str, ...]:
    """The names of both metrics under each of the settings' conventions, and what tells of the maps as they are."""
    measured = [f"{metric}/{scaling}" for scaling in settings.scaling for metric in ("ssr", "d_sym")]
    return *measured, MEAN, RANGE


def summary_of(rows: Sequence[Row], settings: MapMetrics) -> Summary:
    """Statistics over the shapes, by category and overall."""
    return summarise(rows, metric_names(settings))
