"""Rows of measured maps: what they hold, and of which shapes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shapesys.geometry.plane import Plane
from shapesys.metrics.saliency import smoothness
from shapesys.saliency.config import MapMetrics
from shapesys.saliency.maps import stored_points
from shapesys.saliency.measure import MEAN, RANGE, measure_maps, metric_names, summary_of
from shapesys.samples.saliency_maps import SaliencyMaps
from shapesys.samples.store import Store

SETTINGS = MapMetrics(scaling=("none",))


@pytest.fixture(scope="module")
def by_height(store: Store) -> SaliencyMaps:
    """Maps of the first 64 points of every shape but the last test mug: higher points are more salient."""
    names = [name for name in store.shape_ids() if name != store.shape_ids("test", ["mug"])[-1]]
    values = {name: stored_points(store, [name], 64)[0][:, 1] for name in names}
    return SaliencyMaps("height", store.digest(), values)


def test_every_test_shape_has_a_row_and_one_without_a_map_says_why(store: Store, by_height: SaliencyMaps) -> None:
    rows = measure_maps(by_height, store, {}, SETTINGS, ("chair", "mug"))
    assert [row["shape_id"] for row in rows] == store.shape_ids("test")
    assert [row["status"] for row in rows] == ["ok", "ok", "ok", "failed"]
    assert "no saliency map" in rows[-1]["reason"]
    for row in rows[:-1]:
        points = stored_points(store, [row["shape_id"]], 64)[0]
        assert row["ssr/none"] == smoothness(points, points[:, 1], "none")
        assert row[MEAN] == pytest.approx(points[:, 1].mean())
        assert row[RANGE] == pytest.approx(np.ptp(points[:, 1]))


def test_symmetry_is_measured_where_a_plane_is_known_and_mirrors_the_shape(
    store: Store, by_height: SaliencyMaps
) -> None:
    names = store.shape_ids("test", ["chair"])
    planes = {names[0]: Plane((1.0, 0.0, 0.0)), names[1]: Plane((1.0, 0.0, 0.0), 5.0)}
    wide = MapMetrics(scaling=("none",), symmetric_within=0.5)
    mirrored, far = measure_maps(by_height, store, planes, wide, ("chair",))
    # The mirror image of a point is as high as the point.
    assert 0 <= mirrored["d_sym/none"] < 0.15
    assert math.isnan(far["d_sym/none"])
    assert "asymmetric" in far["reason"]
    unknown = measure_maps(by_height, store, {}, wide, ("chair",))
    assert all("no symmetry plane" in row["reason"] for row in unknown)


def test_a_summary_has_every_measure_and_leaves_failed_shapes_out(store: Store, by_height: SaliencyMaps) -> None:
    rows = measure_maps(by_height, store, {}, SETTINGS, ("chair", "mug"))
    overall = summary_of(rows, SETTINGS).overall
    assert set(overall.metrics) == set(metric_names(SETTINGS)) == {"ssr/none", "d_sym/none", MEAN, RANGE}
    assert overall.metrics["ssr/none"].count == 3
    assert overall.counts["failed"] == 1
    values = [row["ssr/none"] for row in rows[:-1]]
    assert overall.metrics["ssr/none"].mean == pytest.approx(np.mean(values))
    assert overall.metrics["ssr/none"].max == max(values)
