"""The derived case table, and the surfaces it makes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from skimage import measure

from shapesys.fields.lattice import CORNERS, Lattice
from shapesys.fields.marching import EDGES, case_table, march

CUBE = Lattice((0.0, 0.0, 0.0), 1.0, (1, 1, 1))


def triangles_of(case: int) -> np.ndarray:
    table = case_table()
    return table.triangles[table.first[case] : table.first[case + 1]]


def test_every_case_uses_exactly_its_crossed_edges() -> None:
    for case in range(256):
        signs = [case >> corner & 1 for corner in range(8)]
        crossed = {number for number, (low, axis) in enumerate(EDGES) if signs[low] != signs[low + (1 << (2 - axis))]}
        assert set(triangles_of(case).reshape(-1).tolist()) == crossed


def test_single_corners_face_outward() -> None:
    for corner in range(8):
        inside = np.zeros((1, 8), dtype=bool)
        inside[0, corner] = True
        edges, faces = march(CUBE, np.array([0]), inside)
        low, axis = np.divmod(edges, 3)
        middle = CUBE.indices(low).T + 0.5 * np.eye(3)[axis]
        a, b, c = middle[faces[0]]
        outward = np.array([0.5, 0.5, 0.5]) - CORNERS[corner]
        assert np.dot(np.cross(b - a, c - a), outward) > 0


def test_interior_edges_of_a_case_are_shared_by_two_triangles_and_avoid_cube_faces() -> None:
    def cube_faces(edge: int) -> set:
        low, axis = EDGES[edge]
        return {(other, int(CORNERS[low][other])) for other in range(3) if other != axis}

    for case in range(256):
        directed = [(t[i], t[(i + 1) % 3]) for t in triangles_of(case).tolist() for i in range(3)]
        assert len(directed) == len(set(directed))
        for a, b in directed:
            assert bool(cube_faces(a) & cube_faces(b)) == ((b, a) not in directed)


def test_random_signs_give_a_closed_manifold() -> None:
    """Noise visits the ambiguous cases: every edge has two triangles, in opposite senses."""
    lattice = Lattice((0.0, 0.0, 0.0), 1.0, (12, 12, 12))
    inside = np.random.default_rng(0).random(lattice.nodes) < 0.5
    for axis, end in itertools.product(range(3), (0, -1)):
        np.moveaxis(inside, axis, 0)[end] = False
    cells = lattice.all_cells()
    corner_signs = inside.reshape(-1)[lattice.corners(cells)]
    assert len(np.unique(corner_signs @ (1 << np.arange(8)))) > 200
    _, faces = march(lattice, cells, corner_signs)
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    assert len(np.unique(directed, axis=0)) == len(directed)
    assert np.array_equal(np.unique(directed, axis=0), np.unique(directed[:, ::-1], axis=0))


@pytest.mark.parametrize("method", ["lorensen", "lewiner"])
def test_same_vertices_as_an_independent_implementation(method: str) -> None:
    n = 24
    axis = np.linspace(-1, 1, n + 1)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    volume = np.hypot(np.hypot(x, y) - 0.55, z) - 0.217
    lattice = Lattice((0.0, 0.0, 0.0), 1.0, (n, n, n))
    cells = lattice.all_cells()
    edges, faces = march(lattice, cells, volume.reshape(-1)[lattice.corners(cells)] < 0)
    low, along = np.divmod(edges, 3)
    a, b = volume.reshape(-1)[low], volume.reshape(-1)[low + lattice.strides[along]]
    ours = lattice.indices(low).T + np.eye(3)[along] * (a / (a - b))[:, None]
    theirs, their_faces, _, _ = measure.marching_cubes(volume, 0.0, method=method)
    assert len(ours) == len(theirs)
    assert len(faces) == len(their_faces)
    order, their_order = np.lexsort(np.round(ours, 3).T), np.lexsort(np.round(theirs, 3).T)
    np.testing.assert_allclose(ours[order], theirs[their_order], atol=1e-4)
