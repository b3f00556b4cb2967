"""A surface that is known as a mesh: extraction takes it as it is, and its values are distances to it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from solids import SOLIDS

from shapesys.errors import UsageError
from shapesys.fields.analytic import Cuboid
from shapesys.fields.extraction import GIVEN, ExtractionSettings, extract
from shapesys.fields.field import UNIT_BOX, Box, Field, SurfaceField
from shapesys.fields.in_box import in_box
from shapesys.fields.mesh_field import MeshField
from shapesys.geometry.mesh import Mesh

NOTHING = Mesh(np.zeros((2, 3), np.float32), np.zeros((0, 3), np.int32))


def cuboid() -> tuple[Cuboid, Mesh]:
    """A box by formula, and its twelve triangles."""
    half = (0.5, 0.3, 0.2)
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32) * np.float32(half)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [triangle for a, b, c, d in quads for triangle in ((a, b, c), (a, c, d))]
    return Cuboid(half), Mesh(corners, np.array(faces, np.int32))


def test_its_values_are_signed_distances() -> None:
    solid, mesh = cuboid()
    points = np.random.default_rng(0).uniform(-0.8, 0.8, (2000, 3)).astype(np.float32)
    found = MeshField(mesh).values(points)
    assert (found.dtype, found.shape) == (np.float32, (2000,))
    np.testing.assert_allclose(found, solid.values(points), atol=1e-6)


def test_it_is_a_field_that_lies_where_its_mesh_does() -> None:
    _, mesh = cuboid()
    far = MeshField(mesh.with_vertices(mesh.vertices + np.float32(10)))
    assert isinstance(far, Field)
    assert isinstance(far, SurfaceField)
    assert not isinstance(SOLIDS["sphere"], SurfaceField)
    assert far.traits.box == Box.about(mesh.vertices + np.float32(10))
    assert (far.traits.level, far.traits.negative_inside, far.traits.is_distance) == (0.0, True, True)
    assert dict(far.attributes(mesh.vertices)) == {}


def test_vertices_without_a_face_do_not_move_the_box() -> None:
    _, mesh = cuboid()
    stray = Mesh(np.concatenate([mesh.vertices, [[9, 9, 9]]]).astype(np.float32), mesh.faces)
    assert MeshField(stray).traits.box == MeshField(mesh).traits.box


@pytest.mark.parametrize("method", ["coarse-to-fine", "dense", "dense-pymcubes"])
def test_extraction_gives_the_very_mesh_and_asks_nothing(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, mesh = cuboid()
    monkeypatch.setattr(MeshField, "values", lambda *asked: pytest.fail("a known surface was asked for values"))
    found = extract(MeshField(mesh), 64, ExtractionSettings(method=method, close_at_box=True))  # type: ignore[arg-type]
    assert found.mesh is mesh
    report = found.report
    assert (report.method, report.points_evaluated, report.dense_points, report.levels) == (GIVEN, 0, 0, ())
    assert (report.resolution, report.empty, report.cut) == (64, None, None)
    assert math.isnan(report.saving)


def test_a_field_that_knows_another_s_surface_keeps_it_in_any_box() -> None:
    _, mesh = cuboid()
    box = Box((-3.0, -3.0, -3.0), (3.0, 3.0, 3.0))
    moved = in_box(in_box(MeshField(mesh), UNIT_BOX), box)
    assert isinstance(moved, SurfaceField)
    assert moved.traits.box == box
    assert extract(moved, 32).mesh is mesh
    np.testing.assert_array_equal(moved.values(mesh.vertices), MeshField(mesh).values(mesh.vertices))


def test_an_empty_mesh_says_why_and_encloses_nothing() -> None:
    field = MeshField(NOTHING)
    found = extract(field, 32)
    assert found.mesh.is_empty
    assert found.report.empty == "no surface: the field's own mesh has 2 vertices and no face"
    values = field.values(np.random.default_rng(0).uniform(-1, 1, (50, 3)).astype(np.float32))
    assert (values > 0).all()
    assert np.isfinite(values).all()


def test_settings_are_checked_all_the_same() -> None:
    with pytest.raises(UsageError, match="resolution must be at least 2"):
        extract(MeshField(cuboid()[1]), 1)
