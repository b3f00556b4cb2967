from __future__ import annotations

import numpy as np
import pytest
import trimesh

from shapesys.geometry.mesh import Mesh
from shapesys.geometry.subdivide import subdivided


def test_the_surface_stays_and_its_edges_shrink() -> None:
    box = trimesh.creation.box()
    mesh = Mesh(box.vertices.astype(np.float32), box.faces.astype(np.int32), face_labels=np.arange(12))
    fine = subdivided(mesh, 0.2)
    edges = np.linalg.norm(fine.triangles - np.roll(fine.triangles, 1, axis=1), axis=2)
    assert edges.max() <= 0.2
    assert fine.face_areas.sum() == pytest.approx(6.0, rel=1e-5)
    assert np.abs(fine.vertices).max(axis=1) == pytest.approx(0.5)
    assert fine.face_labels is not None
    for label in range(12):
        assert fine.face_areas[fine.face_labels == label].sum() == pytest.approx(0.5, rel=1e-5)


def test_a_senseless_length_is_refused() -> None:
    with pytest.raises(ValueError, match="must be positive; got 0"):
        subdivided(Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]])), 0)


def test_a_needle_costs_less_than_the_square_of_its_length() -> None:
    needle = Mesh(np.array([[0.0, 0, 0], [1, 0, 0], [1, 0.001, 0]], np.float32), np.array([[0, 1, 2]]))
    assert 20 <= len(subdivided(needle, 0.05).faces) <= 20**1.9


def test_neighbours_share_their_midpoints() -> None:
    square = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    fine = subdivided(Mesh(square, np.array([[0, 1, 2], [0, 2, 3]])), 0.3)
    assert len(np.unique(fine.vertices, axis=0)) == len(fine.vertices)
    assert (fine.face_normals == [0, 0, 1]).all(), "halves keep the face's orientation"
