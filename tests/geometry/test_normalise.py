from __future__ import annotations

import numpy as np
import pytest
import trimesh

from shapesys.errors import ShapeRejected, UsageError
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.normalise import (
    FRAMES,
    UNIT_SPHERE_MARGIN,
    FrameName,
    Framing,
    Normalisation,
    surface_mean,
    unit_sphere,
)
from shapesys.geometry.subdivide import subdivided
from shapesys.geometry.surface import sample_surface

FAR = np.array([3.0, -40.0, 7.0])
TWO = Mesh(
    np.array([[0.0, 0, 0], [2, 0, 0], [0, 4, 0], [10, 0, 0], [11, 0, 0], [10, 2, 0]]), np.array([[0, 1, 2], [3, 4, 5]])
)
"""Two triangles, of areas 4 and 1 and with centroids (2/3, 4/3, 0) and (31/3, 2/3, 0)."""


def bumpy(seed: int = 0) -> Mesh:
    """A ball with bumps on one side, off the origin: its mean is neither its box's centre nor its corners'."""
    ball = trimesh.creation.icosphere(3)
    side = 1 + 0.4 * np.maximum(ball.vertices[:, :1], 0) * np.random.default_rng(seed).random((len(ball.vertices), 1))
    return Mesh(np.asarray(ball.vertices) * side * [1.0, 0.6, 1.4] + FAR, np.asarray(ball.faces))


def in_frame(mesh: Mesh, name: FrameName) -> Mesh:
    return mesh.with_vertices(Framing(name).of_mesh(mesh).apply(mesh.vertices))


def test_the_surface_mean_weighs_triangles_by_their_area() -> None:
    np.testing.assert_allclose(surface_mean(TWO), [(4 * 2 / 3 + 31 / 3) / 5, (4 * 4 / 3 + 2 / 3) / 5, 0.0], atol=1e-12)
    np.testing.assert_allclose(surface_mean(subdivided(TWO, 0.3)), surface_mean(TWO), atol=1e-12)


def test_the_surface_mean_is_what_means_of_samples_come_near() -> None:
    mesh = bumpy()
    samples = sample_surface(mesh, 250_000, 0).points.astype(np.float64)
    np.testing.assert_allclose(surface_mean(mesh), samples.mean(axis=0), atol=1e-3)
    assert np.linalg.norm(surface_mean(mesh) - np.mean(mesh.bounds, axis=0)) > 0.02


def test_the_surface_mean_is_precise_far_from_the_origin() -> None:
    """As a scanner in millimetres may have it, at the corner of a site."""
    far = TWO.with_vertices(1000 * TWO.vertices + 1e6)
    np.testing.assert_allclose(surface_mean(far), 1000 * surface_mean(TWO) + 1e6, atol=1e-6)


def test_in_the_mean_frame_lengths_stay_and_the_mean_is_the_origin() -> None:
    mesh = bumpy()
    found = in_frame(mesh, "mean")
    np.testing.assert_allclose(surface_mean(found), 0.0, atol=1e-9)
    np.testing.assert_allclose(found.face_areas, mesh.face_areas, rtol=1e-9)


def test_as_given_nothing_moves() -> None:
    assert Framing("as_given").of_mesh(bumpy()) == Normalisation((0.0, 0.0, 0.0), 1.0)


def test_in_the_cube_the_mean_is_the_origin_and_the_largest_coordinate_one() -> None:
    found = in_frame(bumpy(), "mean_unit_cube")
    np.testing.assert_allclose(surface_mean(found), 0.0, atol=1e-9)
    assert np.abs(found.vertices).max() == pytest.approx(1.0)


def test_the_unit_sphere_is_what_it_was() -> None:
    mesh = bumpy()
    assert Framing().of_mesh(mesh) == unit_sphere(mesh, UNIT_SPHERE_MARGIN)
    assert Framing("unit_sphere", 1.5).of_mesh(mesh) == unit_sphere(mesh, 1.5)
    assert np.linalg.norm(in_frame(mesh, "unit_sphere").vertices, axis=1).max() == pytest.approx(1 / 1.03)


@pytest.mark.parametrize("name", FRAMES)
def test_a_cloud_has_the_frame_of_its_points(name: FrameName) -> None:
    points = bumpy().vertices
    frame = Framing(name).of_points(points)
    np.testing.assert_allclose(frame.undo(frame.apply(points)), points, atol=1e-9)
    if name.startswith("mean"):
        np.testing.assert_allclose(frame.apply(points).mean(axis=0), 0.0, atol=1e-9)


@pytest.mark.parametrize("name", FRAMES)
def test_thresholds_scale_with_the_shape(name: FrameName) -> None:
    """1 in the unit sphere, whatever fills it; elsewhere as long as it would be there."""
    mesh, framing = bumpy(), Framing(name)
    frame = framing.of_mesh(mesh)
    expected = unit_sphere(mesh).scale / frame.scale
    assert framing.radius_of(frame.apply(mesh.vertices)) == pytest.approx(expected, rel=1e-9)
    assert Framing().radius_of(10 * mesh.vertices) == 1.0


@pytest.mark.parametrize("name", FRAMES)
def test_what_has_no_extent_has_no_frame(name: FrameName) -> None:
    with pytest.raises(ShapeRejected, match="no finite extent"):
        Framing(name).of_points(np.ones((20, 3)))


def test_a_shape_that_single_precision_would_round_away_is_rejected_with_the_way_out() -> None:
    points = 1800 * np.random.default_rng(0).random((100, 3)) + 1e6
    with pytest.raises(ShapeRejected, match=r"frame 'as_given'.*rounds by 0\.06.*another --frame, such as mean"):
        Framing("as_given").of_points(points)
    for name in ("mean", "mean_unit_cube", "unit_sphere"):
        Framing(name).of_points(points)


def test_settings_from_before_there_was_a_choice_mean_the_unit_sphere() -> None:
    assert Framing.of_settings({"seed": 0}) == Framing()
    assert Framing.of_settings({"margin": 1.2}) == Framing("unit_sphere", 1.2)
    for framing in (Framing(), Framing("mean"), Framing("unit_sphere", 1.2)):
        assert Framing.of_settings(framing.to_settings()) == framing
    with pytest.raises(UsageError, match="unknown frame 'unit_spere'; did you mean unit_sphere"):
        Framing.of_settings({"frame": "unit_spere"})
