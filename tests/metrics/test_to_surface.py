"""Distances from surface to surface against those that spheres have."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from shapesys.geometry.mesh import Mesh
from shapesys.metrics.to_surface import consecutive_distances

NOTHING = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))


def sphere(radius: float = 0.5, shift: float = 0.0) -> Mesh:
    ball = trimesh.creation.icosphere(subdivisions=5, radius=radius)
    return Mesh(np.asarray(ball.vertices + (shift, 0, 0), np.float32), np.asarray(ball.faces))


def test_concentric_spheres_are_apart_by_their_radii() -> None:
    found = consecutive_distances([sphere(0.5), sphere(0.6), sphere(0.4)])
    np.testing.assert_allclose(found, [0.1, 0.2], rtol=0.01)


def test_equal_surfaces_have_no_distance_and_a_small_one_shows() -> None:
    """Between samples there would be a floor: for as many of them, some 0.005."""
    same, moved = consecutive_distances([sphere(), sphere(), sphere(shift=1e-3)])
    assert same == pytest.approx(0.0, abs=1e-6)
    # Moved by d, a sphere's point is |cos| d from the other, which is half of d on average.
    assert moved == pytest.approx(5e-4, rel=0.05)


def test_where_there_is_no_surface_there_is_no_distance() -> None:
    found = consecutive_distances([sphere(0.5), NOTHING, NOTHING, sphere(0.5), sphere(0.5)])
    assert found[:3] == [None, None, None]
    assert found[3] == pytest.approx(0.0, abs=1e-6)
    assert consecutive_distances([sphere()]) == []
