"""Components against meshes made of known pieces, and against trimesh."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from shapesys.fields.analytic import Cuboid, Sphere, Union
from shapesys.fields.extraction import extract
from shapesys.geometry.components import find_components, largest_component
from shapesys.geometry.mesh import Mesh

RADII = (0.2, 0.5, 0.1)


@pytest.fixture(scope="module")
def balls() -> Mesh:
    """Three spheres in one mesh, whose vertices know their sphere, and a vertex that no face uses."""
    parts = [trimesh.creation.icosphere(subdivisions=2, radius=radius) for radius in RADII]
    vertices = np.concatenate([[[9.0, 9.0, 9.0]], *(part.vertices + [at, 0, 0] for at, part in enumerate(parts))])
    starts = 1 + np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=True)])
    owner = np.concatenate([[-1.0], *(np.full(len(part.vertices), at) for at, part in enumerate(parts))])
    labels = np.repeat(np.arange(3), [len(part.faces) for part in parts])
    return Mesh(vertices, faces, {"owner": owner}, labels)


def test_each_sphere_is_a_component_of_its_own_area(balls: Mesh) -> None:
    found = find_components(balls)
    assert found.count == 3
    assert balls.face_labels is not None
    for at in range(3):
        assert len(np.unique(found.label[balls.face_labels == at])) == 1
    squares = np.square(RADII)
    assert np.sort(found.areas) / found.areas.sum() == pytest.approx(np.sort(squares) / squares.sum(), rel=1e-6)
    assert found.largest_share == pytest.approx(0.25 / 0.30, rel=1e-6)


def test_the_largest_is_kept_by_area_with_all_it_carries(balls: Mesh) -> None:
    kept = largest_component(balls)
    assert np.linalg.norm(kept.vertices - [1, 0, 0], axis=1) == pytest.approx(0.5)
    assert len(np.unique(kept.faces)) == len(kept.vertices)
    assert set(kept.attributes["owner"]) == {1.0}
    assert kept.face_labels is not None
    assert set(kept.face_labels) == {1}
    assert find_components(kept).count == 1
    assert largest_component(kept) is kept


def test_many_small_faces_do_not_outweigh_a_large_area() -> None:
    fine = trimesh.creation.icosphere(subdivisions=4, radius=0.1)
    sheet = np.array([[0, 0, 5], [3, 0, 5], [0, 3, 5]])
    faces = np.concatenate([fine.faces, [[0, 1, 2] + np.array(len(fine.vertices))]])
    kept = largest_component(Mesh(np.concatenate([fine.vertices, sheet]), faces))
    assert np.array_equal(kept.vertices, sheet)


def test_extracted_floaters_are_found_as_trimesh_finds_them() -> None:
    solids = Union(parts=(Sphere(0.4), Sphere(0.1, (0.8, 0, 0)), Cuboid((0.1, 0.1, 0.05), (0, 0.7, 0))))
    mesh = extract(solids, 48).mesh
    found = find_components(mesh)
    pieces = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).split(only_watertight=False)
    assert found.count == len(pieces) == 3
    assert np.sort(found.areas) == pytest.approx(sorted(piece.area for piece in pieces), rel=1e-4)
    assert np.linalg.norm(largest_component(mesh, found).vertices, axis=1) == pytest.approx(0.4, abs=2e-3)


def test_nothing_has_no_component() -> None:
    empty = Mesh(np.zeros((4, 3)), np.zeros((0, 3), int))
    assert find_components(empty).count == 0
    assert largest_component(empty).is_empty
    point = Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]]))
    assert find_components(point).largest_share == 1.0
