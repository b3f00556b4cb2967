"""Measuring within a box: what lies outside of it does not count."""

from __future__ import annotations

import numpy as np
import pytest

from shapesys.geometry.mesh import Mesh
from shapesys.metrics.region import WALL_MARGIN, Region
from shapesys.metrics.surface import SurfaceSettings, surface_metrics


def square(x: float, side: float = 1.0) -> Mesh:
    """A square across x."""
    corners = np.array([[x, 0, 0], [x, side, 0], [x, side, side], [x, 0, side]], np.float32)
    return Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]], np.int32))


def both(first: Mesh, second: Mesh) -> Mesh:
    return Mesh(np.concatenate([first.vertices, second.vertices]), np.concatenate([first.faces, second.faces + 4]))


SETTINGS = SurfaceSettings(conventions=("onet.chamfer_l1",), samples=4000)


def test_a_room_is_bounded_on_both_sides_but_open_above() -> None:
    room = Region.of_room(np.array([[-1.0, 0.0, -0.5], [1.0, 0.6, 0.5]]))
    margin = 2.0 * WALL_MARGIN
    held = room.holds(np.array([[-1 - 0.9 * margin, 5.0, 0], [0, -0.9 * margin, 0], [0, 0, 0.5 + 0.9 * margin]]))
    assert held.all()
    left = room.holds(np.array([[-1 - 1.1 * margin, 0.0, 0], [0, -1.1 * margin, 0], [0, 0, 0.5 + 1.1 * margin]]))
    assert not left.any()


def test_what_lies_outside_is_not_measured() -> None:
    """A wall has an inner side, which is known, and an outer one."""
    truth, wall = square(0.0), both(square(0.0), square(0.3))
    region = Region((-0.1, -1.0, -1.0), (0.1, 2.0, 2.0), "near the inner side")
    everywhere = surface_metrics(wall, truth, SETTINGS).values["chamfer/onet.chamfer_l1"]
    settings = SurfaceSettings(conventions=("onet.chamfer_l1",), samples=4000, region=region)
    found = surface_metrics(wall, truth, settings)
    alone = surface_metrics(truth, truth, SETTINGS).values["chamfer/onet.chamfer_l1"]
    assert everywhere > 0.07
    assert found.values["chamfer/onet.chamfer_l1"] == pytest.approx(alone, rel=0.3)
    assert all(record.definition["region"] == "near the inner side" for record in found.records)


def test_a_prediction_outside_is_empty() -> None:
    region = Region((-0.1, -1.0, -1.0), (0.1, 2.0, 2.0), "near the inner side")
    settings = SurfaceSettings(conventions=("onet.chamfer_l1",), samples=500, region=region)
    found = surface_metrics(square(0.3), square(0.0), settings)
    assert found.status == "empty"
    assert "where it is measured (near the inner side)" in found.reason
    assert found.values["chamfer/onet.chamfer_l1"] == pytest.approx(3**0.5)
