"""Meshes made small."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from report_support import octahedron

from shapesys.geometry.mesh import Mesh
from shapesys.report.embed import Range, attribute_range, compacted, lattice_of, simplified


def sphere(subdivisions: int = 5) -> Mesh:
    made = trimesh.creation.icosphere(subdivisions=subdivisions)
    return Mesh(np.asarray(made.vertices), np.asarray(made.faces), {"height": np.asarray(made.vertices[:, 2])})


def test_simplified_keeps_surface_and_attributes() -> None:
    pytest.importorskip("fast_simplification")
    mesh = simplified(sphere(), most_faces=2000)
    assert len(mesh.faces) <= 2000
    assert np.abs(np.linalg.norm(mesh.vertices, axis=1) - 1).max() < 0.01
    np.testing.assert_allclose(mesh.attributes["height"], mesh.vertices[:, 2], atol=0.05)
    small = octahedron()
    assert simplified(small) is small


def test_compacted_joins_equal_vertices_and_drops_unused_ones() -> None:
    mesh = octahedron()
    soup = Mesh(
        np.vstack([mesh.triangles.reshape(-1, 3), [[9, 9, 9]]]), np.arange(24).reshape(-1, 3), {"x": np.arange(25.0)}
    )
    joined = compacted(soup)
    assert joined.vertices.shape == (6, 3)
    assert joined.attributes["x"].shape == (6,)
    np.testing.assert_array_equal(joined.triangles, mesh.triangles)


def test_one_lattice_holds_both_meshes() -> None:
    origin, step = lattice_of(octahedron(1.0), octahedron(2.0))
    np.testing.assert_allclose(origin, -2)
    assert step == pytest.approx(4 / 65_535)


def test_colour_ranges_ignore_outliers_and_what_is_not_finite() -> None:
    values = np.append(np.linspace(0.0, 0.5, 999), [1e6, np.nan, np.inf])
    mesh = Mesh(np.zeros((len(values), 3)), np.zeros((0, 3), int), {"error": values})
    found = attribute_range([mesh, octahedron()], "error", low=0.0)
    assert found == Range(0.0, pytest.approx(0.5, abs=0.02))
    assert attribute_range([octahedron()], "error") is None
    constant = Mesh(np.zeros((3, 3)), np.zeros((0, 3), int), {"s": np.full(3, 0.7)})
    flat = attribute_range([constant], "s")
    assert flat is not None
    assert flat.low <= 0.7 <= flat.high
