"""The virtual scanner: what it sees, how densely, and each of its faults, against what geometry says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree
from scipy.stats import kstest

from shapesys.config.base import parse
from shapesys.errors import ShapeRejected, UsageError
from shapesys.geometry.cloud import Cloud
from shapesys.geometry.igl_tree import IglTree
from shapesys.geometry.mesh import Floats, Mesh
from shapesys.geometry.normalise import unit_sphere
from shapesys.geometry.scanner import scan_mesh, scanner_positions
from shapesys.geometry.scanner_settings import CONDITIONS, ScannerSettings
from shapesys.geometry.scanner_sight import standpoints
from shapesys.sources.procedural import generate

DISTANCE = 2.0
FROM_ABOVE = {"positions": 1, "lowest": 90, "highest": 90, "distance": DISTANCE}


def mesh_of(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(np.asarray(shape.vertices), np.asarray(shape.faces, dtype=np.int64))


SPHERE = mesh_of(trimesh.creation.icosphere(subdivisions=5))
CHAIR = generate("chair", 4)


def scan(mesh: Mesh, seed: int = 0, **settings: Any) -> Cloud:
    return scan_mesh(mesh, ScannerSettings(**{"points": 4000, **settings}), seed)


def distance_to(mesh: Mesh, points: Floats) -> Floats:
    return np.abs(trimesh.proximity.closest_point(trimesh.Trimesh(mesh.vertices, mesh.faces), points)[1])


def test_a_scanner_sees_the_cap_of_a_sphere_up_to_the_tangents() -> None:
    heights = scan(SPHERE, **FROM_ABOVE, falloff=0.0, points=20_000).points[:, 1]
    horizon = 1 / DISTANCE
    # Facets tilt by up to half the angle between vertices, and so see a little further.
    assert heights.min() == pytest.approx(horizon, abs=0.02)
    # Even by area is even in height, on a sphere.
    assert kstest(heights, "uniform", (horizon, 1 - horizon)).statistic < 0.015


def test_density_is_even_in_the_scanners_own_angles() -> None:
    points = scan(SPHERE, **FROM_ABOVE, falloff=1.0, points=20_000).points.astype(np.float64)
    rays = points - [0.0, DISTANCE, 0.0]
    cosines = -rays[:, 1] / np.linalg.norm(rays, axis=1)
    widest = np.sqrt(1 - 1 / DISTANCE**2)
    assert kstest(cosines, "uniform", (widest, 1 - widest)).statistic < 0.015
    even = scan(SPHERE, **FROM_ABOVE, falloff=0.0, points=20_000).points
    assert even[:, 1].mean() < points[:, 1].mean() - 0.05, "without falloff, grazing points are as many as others"


def test_near_walls_are_denser_by_the_square_of_the_distance() -> None:
    """Two squares side on to one scanner each, so that both show the cosine 1 in their middle."""
    squares = [trimesh.creation.box((0.02, 1e-3, 0.02)) for _ in range(2)]
    squares[1].apply_translation((0.5, -1.0, 0.0))
    mesh = mesh_of(trimesh.util.concatenate(squares))
    centre, scale = np.array(unit_sphere(mesh, 1.0).centre), unit_sphere(mesh, 1.0).scale
    place = scanner_positions(mesh, ScannerSettings(**FROM_ABOVE), 0)[0]
    np.testing.assert_allclose(place, centre + [0, DISTANCE * scale, 0], atol=1e-9)
    tops = np.array([[0.0, 5e-4, 0.0], [0.5, -1.0 + 5e-4, 0.0]])
    ray = place - tops
    expected = ray[:, 1] / np.linalg.norm(ray, axis=1) ** 3
    # Points on the tops, not the sides, which show the scanner another cosine.
    points = scan(mesh, **FROM_ABOVE, points=40_000).points
    counts = [int((np.abs(points - top) < [0.0099, 1e-5, 0.0099]).all(axis=1).sum()) for top in tops]
    assert counts[0] / counts[1] == pytest.approx(expected[0] / expected[1], rel=0.05)


def test_what_is_hidden_is_not_seen() -> None:
    parts = [trimesh.creation.box((1, 1, 1)), trimesh.creation.icosphere(subdivisions=2, radius=0.3)]
    hidden = mesh_of(trimesh.util.concatenate(parts))
    points = scan(hidden, positions=20, lowest=-90, highest=90).points
    assert np.abs(np.abs(points).max(axis=1) - 0.5).max() < 1e-6, "the ball is inside of the box"


def test_every_point_is_seen_from_a_position_by_another_ray_caster() -> None:
    settings = ScannerSettings(points=4000, positions=5)
    cloud = scan_mesh(CHAIR, settings, seed=3)
    places = scanner_positions(CHAIR, settings, seed=3)
    assert cloud.normals is not None
    assert distance_to(CHAIR, cloud.points[:500]).max() < 1e-6
    origins = cloud.points + 1e-4 * cloud.normals
    towards = places[:, None] - origins
    tree = IglTree(CHAIR.vertices, CHAIR.faces)
    free = np.stack([tree.escapes(origins, rays) for rays in towards])
    facing = np.einsum("kni,ni->kn", towards, cloud.normals) > 0
    # The casters differ in where they start by a hair, which matters at the rim of what hides.
    assert (free & facing).any(axis=0).mean() > 0.995


def test_normals_face_the_scanner_however_faces_are_oriented() -> None:
    flipped = np.where(
        np.random.default_rng(0).random(len(SPHERE.faces))[:, None] < 0.5, SPHERE.faces[:, ::-1], SPHERE.faces
    )
    cloud = scan(Mesh(SPHERE.vertices, flipped))
    assert cloud.normals is not None
    assert np.einsum("ij,ij->i", cloud.normals, cloud.points).min() > 0.99
    assert scan(SPHERE, normals=False).normals is None


def test_open_sheets_are_seen_from_both_sides() -> None:
    sheet = Mesh(np.array([[-1.0, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]]), np.array([[0, 1, 2], [0, 2, 3]]))
    normals = scan(sheet, positions=16, lowest=-60, highest=60).normals
    assert normals is not None
    assert 0.3 < (normals[:, 1] > 0).mean() < 0.7


def test_range_noise_moves_points_along_the_view_and_only_there() -> None:
    clean = scan(SPHERE, **FROM_ABOVE, points=20_000).points.astype(np.float64)
    noisy = scan(SPHERE, **FROM_ABOVE, points=20_000, range_std=0.03).points
    rays = clean - [0.0, DISTANCE, 0.0]
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    along = np.einsum("ij,ij->i", noisy - clean, rays)
    np.testing.assert_allclose(noisy - clean, along[:, None] * rays, atol=1e-5)
    assert kstest(along / 0.03, "norm").pvalue > 1e-3


def test_isotropic_noise_is_alike_in_every_direction() -> None:
    big = Mesh(100 * SPHERE.vertices, SPHERE.faces)
    moved = scan(big, isotropic_std=0.02, points=20_000).points - scan(big, points=20_000).points
    np.testing.assert_allclose(np.cov(moved.T), 4.0 * np.eye(3), atol=0.15, err_msg="2 units, as 0.02 radii of 100")


def test_holes_are_discs_about_points_that_were_seen() -> None:
    whole = scan(SPHERE, points=20_000).points
    pierced = scan(SPHERE, points=20_000, holes=1, hole_radius=0.4).points
    deepest = cKDTree(pierced).query(whole)[0]
    assert deepest.max() == pytest.approx(0.4, abs=0.03)
    centre = whole[deepest.argmax()]
    assert np.linalg.norm(pierced - centre, axis=1).min() > 0.35
    assert len(pierced) == 20_000
    three = scan(SPHERE, points=20_000, holes=3, hole_radius=0.4).points
    assert (cKDTree(three).query(whole)[0] > 0.1).sum() > 2 * (deepest > 0.1).sum()


def test_outliers_fill_the_padded_box() -> None:
    cloud = scan(SPHERE, points=10_000, outliers=0.4, padding=0.25)
    stray = np.abs(np.linalg.norm(cloud.points, axis=1) - 1) > 0.01
    # The box is 3 a side; nearly all of it is farther from the sphere than that.
    assert stray.sum() == pytest.approx(4000 * (1 - 4 * np.pi * 0.02 / 27), abs=30)
    for axis in range(3):
        assert kstest(cloud.points[stray][:, axis], "uniform", (-1.5, 3.0)).pvalue > 1e-4
    assert cloud.normals is not None
    np.testing.assert_allclose(np.linalg.norm(cloud.normals, axis=1), 1.0, atol=1e-6)
    assert stray[:2000].mean() == pytest.approx(0.4, abs=0.06), "they stand among the others, not at the end"


def test_duplicates_repeat_points_exactly() -> None:
    points = scan(SPHERE, points=5000, duplicates=0.2, isotropic_std=0.01).points
    assert len(points) == 5000
    assert len(np.unique(points, axis=0)) == 4000


@pytest.mark.parametrize("condition", CONDITIONS)
def test_conditions_give_exactly_as_many_points_as_they_say(condition: str) -> None:
    settings = ScannerSettings(**CONDITIONS[condition])
    cloud = scan_mesh(CHAIR, settings, seed=1)
    assert len(cloud) == settings.points
    assert cloud.points.dtype == np.float32
    off = distance_to(CHAIR, cloud.points[:300]) / unit_sphere(CHAIR, 1.0).scale
    assert (np.median(off) > 1e-3) == (condition == "noisy")
    assert ((off > 0.05).mean() > 0.03) == (condition == "outliers")


def test_scans_follow_their_mesh_and_their_seed() -> None:
    settings = dict(CONDITIONS["noisy"], outliers=0.1, holes=2)
    # Whole multiples of a power of two, which neither a shift by whole numbers nor the scale can round.
    vertices = np.round(CHAIR.vertices * 2**12) / 2**12
    first = scan(Mesh(vertices, CHAIR.faces), **settings).points
    moved = scan(Mesh(4 * vertices + [3.0, -8.0, 16.0], CHAIR.faces), **settings).points
    np.testing.assert_allclose(moved, 4 * first + np.array([3.0, -8.0, 16.0], np.float32), atol=1e-5)
    np.testing.assert_array_equal(first, scan(Mesh(vertices, CHAIR.faces), **settings).points)
    assert not np.isin(first, scan(Mesh(vertices, CHAIR.faces), seed=1, **settings).points).all(axis=1).any()


def test_positions_stand_evenly_around_and_between_the_elevations() -> None:
    places = standpoints(12, 3.0, -30.0, 60.0, np.random.default_rng(5))
    np.testing.assert_allclose(np.linalg.norm(places, axis=1), 3.0)
    elevation = np.rad2deg(np.arcsin(places[:, 1] / 3.0))
    assert sorted(np.floor((elevation + 30.0) / 7.5)) == list(range(12))
    azimuth = np.sort(np.arctan2(places[:, 2], places[:, 0]))
    np.testing.assert_allclose(np.diff(azimuth), 2 * np.pi / 12, atol=1e-9)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"lowest": 50, "highest": 40}, "lowest 50 is above highest 40"),
        ({"outliers": 0.6, "duplicates": 0.4}, "leave none of"),
        ({"points": 2, "outliers": 0.5, "duplicates": 0.4}, "leave none of 2 points"),
        ({"distance": 0.9}, "distance"),
        ({"range_std": -0.1}, "range_std"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse(ScannerSettings, settings)


def test_what_cannot_be_scanned_is_rejected_soon() -> None:
    with pytest.raises(ShapeRejected, match="no faces"):
        scan(Mesh(np.zeros((3, 3)), np.zeros((0, 3), dtype=np.int64)))
    with pytest.raises(ShapeRejected, match="too little of the shape is seen"):
        scan(SPHERE, holes=40, hole_radius=2.0)
