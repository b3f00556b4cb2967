"""Files of one's own, turned upright and given their unit, and back."""

from __future__ import annotations

import numpy as np
import pytest

from shapesys.errors import UsageError
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.placement import AS_GIVEN, Placement

POINTS = np.random.default_rng(0).uniform(-3, 7, (50, 3))


@pytest.mark.parametrize("up", ["x", "y", "z", "-x", "-y", "-z"])
@pytest.mark.parametrize("unit", [None, 2.5])
def test_the_way_back_is_the_way_there(up: str, unit: float | None) -> None:
    placed = Placement(up, unit).about(POINTS)  # type: ignore[arg-type]
    np.testing.assert_allclose(placed.undo(placed.apply(POINTS)), POINTS, atol=1e-12)
    assert np.linalg.det(placed.turn) == pytest.approx(1.0)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("up", "axis"), [("x", 0), ("y", 1), ("z", 2)])
def test_what_points_up_points_along_y(up: str, axis: int, sign: int) -> None:
    placed = Placement(up if sign > 0 else f"-{up}").about(POINTS)  # type: ignore[arg-type]
    np.testing.assert_array_equal(placed.directions(sign * np.eye(3))[axis], [0.0, 1.0, 0.0])
    assert placed.apply(POINTS)[:, 1] == pytest.approx(sign * POINTS[:, axis])


def test_a_unit_is_taken_about_the_middle() -> None:
    placed = Placement("z", 2.0).about(POINTS).apply(POINTS)
    np.testing.assert_allclose(placed.min(axis=0), -placed.max(axis=0))
    np.testing.assert_allclose(np.ptp(placed, axis=0) * 2.0, np.ptp(POINTS, axis=0)[[0, 2, 1]])


def test_nothing_is_moved_unless_asked_for() -> None:
    placed = AS_GIVEN.about(POINTS)
    np.testing.assert_array_equal(placed.apply(POINTS), POINTS)
    mesh = Mesh(POINTS[:3].astype(np.float32), np.array([[0, 1, 2]], np.int32))
    np.testing.assert_array_equal(placed.mesh(mesh).vertices, mesh.vertices)


def test_what_is_no_placement_is_refused() -> None:
    with pytest.raises(UsageError, match="axis 'w'|axis"):
        Placement("w")  # type: ignore[arg-type]
    for unit in (0.0, -1.0, float("nan")):
        with pytest.raises(UsageError, match="the unit is .*above 0"):
            Placement("y", unit)
