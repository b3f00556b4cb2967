"""Signs on damaged meshes against the exact winding number of the clean solid, and analytic signed distances."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import igl
import numpy as np
import pytest
import trimesh
from damage import (
    Damaged,
    blob,
    blob_cases,
    chair_cases,
    chair_parts,
    double_sided,
    hanging_sheets,
    joined,
    scaled,
    sheet,
    some_faces_flipped,
    with_holes,
)

from shapesys.geometry.distance import MeshDistance
from shapesys.geometry.io import read_mesh
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.normalise import unit_sphere
from shapesys.geometry.sign import SignMethod
from shapesys.geometry.signed_distance import SignedMesh, signed_distance
from shapesys.geometry.surface import sample_surface

CASES = [*chair_cases(), *blob_cases()]
QUERIES = 4000


def near_and_uniform(mesh: Mesh, count: int = QUERIES, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    surface = sample_surface(mesh, int(count * 0.9), seed).points
    std = np.where(rng.random(len(surface)) < 0.5, 0.05, 0.0158)[:, None]
    uniform = rng.uniform(-1, 1, (count - len(surface), 3))
    return np.concatenate([surface + rng.normal(size=surface.shape) * std, uniform]).astype(np.float32)


def truly_inside(solid: Mesh, points: np.ndarray) -> np.ndarray:
    """Exact generalised winding number, float64, of a clean solid."""
    return igl.winding_number(solid.vertices, solid.faces.astype(np.int64), points.astype(np.float64)) > 0.5


@pytest.fixture(scope="module")
def truth() -> Callable[[Mesh], tuple[np.ndarray, np.ndarray]]:
    """Query points and their true sides, computed once per solid."""
    known: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def of(solid: Mesh) -> tuple[np.ndarray, np.ndarray]:
        if id(solid) not in known:
            points = near_and_uniform(solid)
            known[id(solid)] = points, truly_inside(solid, points)
        return known[id(solid)]

    return of


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_signs_survive_damage(case: Damaged, truth: Callable[[Mesh], tuple[np.ndarray, np.ndarray]]) -> None:
    points, inside = truth(case.solid)
    assert 0.1 < inside.mean() < 0.6
    mesh = SignedMesh(case.mesh)
    found = mesh.distance(points)
    assert ((found.distance < 0) != inside).mean() <= case.tolerance
    np.testing.assert_array_equal(mesh.inside(points), found.distance < 0)
    assert mesh.report.trusted, mesh.report.reason
    unsigned = MeshDistance(case.mesh).closest(points).distance
    np.testing.assert_array_equal(np.abs(found.distance), unsigned)


def test_the_suite_defeats_the_usual_recipe(truth: Callable[[Mesh], tuple[np.ndarray, np.ndarray]]) -> None:
    """Were stock winding numbers enough, the suite would prove nothing."""
    failed = 0
    for case in CASES:
        points, inside = truth(case.solid)
        faces = case.mesh.faces.astype(np.int64)
        winding = igl.winding_number(case.mesh.vertices, faces, points.astype(np.float64))
        failed += ((np.abs(winding) > 0.5) != inside).mean() > case.tolerance
    assert failed >= 8


@pytest.mark.parametrize(
    ("mesh", "method"),
    [
        (blob(2), SignMethod.CLOSED),
        (joined(chair_parts()), SignMethod.CLOSED),
        (some_faces_flipped(blob(2), 0.3), SignMethod.REORIENTED),
        (double_sided(blob(2)), SignMethod.REORIENTED),
        (with_holes(blob(3), 0.03), SignMethod.VISIBILITY),
    ],
)
def test_the_method_follows_from_the_defects(mesh: Mesh, method: SignMethod) -> None:
    report = SignedMesh(mesh).report
    assert report.method is method
    assert report.as_row()["method"] == method.value


@pytest.mark.parametrize(
    "sheets",
    [
        sheet([(-1.0, -1.0, 0.0), (1.0, -1.0, 0.0), (1.0, 1.0, 0.0), (-1.0, 1.0, 0.0)]),
        joined(hanging_sheets()),
        double_sided(joined(hanging_sheets())),
        Mesh(np.eye(3), np.array([[0, 1, 2]])),
        Mesh(np.eye(3), np.array([[0, 1, 1]])),
        Mesh(np.ones((1, 3)), np.array([[0, 0, 0]])),
    ],
    ids=["square", "two sheets", "double-sided sheets", "one face", "one segment", "one point"],
)
def test_sheets_alone_are_not_trusted(sheets: Mesh) -> None:
    report = SignedMesh(sheets).report
    assert not report.trusted
    assert "no volume" in report.reason
    assert report.quality == 0.0


def test_a_half_sphere_without_a_lid_is_reported_as_open() -> None:
    ball = trimesh.creation.icosphere(subdivisions=4)
    half = np.asarray(ball.faces)[ball.triangles_center[:, 2] < 0.3]
    report = SignedMesh(Mesh(ball.vertices, half)).report
    assert report.method is SignMethod.VISIBILITY
    assert 0.2 < report.opened < 0.4


def test_sphere_is_analytic() -> None:
    ball = trimesh.creation.icosphere(subdivisions=5)
    points = np.random.default_rng(0).uniform(-1.5, 1.5, (3000, 3)).astype(np.float32)
    found = signed_distance(Mesh(ball.vertices, np.asarray(ball.faces)), points)
    radius = np.linalg.norm(points, axis=1)
    np.testing.assert_allclose(found.distance, radius - 1, atol=7e-4)
    assert found.report.inside == pytest.approx(np.pi / 6, abs=0.02)


def test_box_is_analytic() -> None:
    box = trimesh.creation.box(extents=(1.0, 0.6, 1.4))
    points = np.random.default_rng(1).uniform(-1, 1, (3000, 3)).astype(np.float32)
    beyond = np.abs(points) - np.array([0.5, 0.3, 0.7])
    exact = np.linalg.norm(np.maximum(beyond, 0), axis=1) + np.minimum(beyond.max(axis=1), 0)
    found = signed_distance(Mesh(box.vertices, np.asarray(box.faces)), points)
    np.testing.assert_allclose(found.distance, exact, atol=1e-6)


def test_torus_is_analytic() -> None:
    torus = trimesh.creation.torus(0.7, 0.25, major_sections=256, minor_sections=128)
    points = np.random.default_rng(2).uniform(-1, 1, (3000, 3)).astype(np.float32)
    exact = np.hypot(np.hypot(points[:, 0], points[:, 1]) - 0.7, points[:, 2]) - 0.25
    found = signed_distance(Mesh(torus.vertices, np.asarray(torus.faces)), points)
    np.testing.assert_allclose(found.distance, exact, atol=3e-4)


def test_overlapping_spheres_carry_the_sign_of_their_union() -> None:
    ball = trimesh.creation.icosphere(subdivisions=4)
    pair = joined([Mesh(ball.vertices + shift, np.asarray(ball.faces)) for shift in ([-0.5, 0, 0], [0.5, 0, 0])])
    points = np.random.default_rng(3).uniform(-2, 2, (3000, 3)).astype(np.float32)
    radius = np.minimum(*(np.linalg.norm(points - [x, 0, 0], axis=1) for x in (-0.5, 0.5)))
    clear = np.abs(radius - 1) > 3e-3
    inside = SignedMesh(pair).inside(points)
    np.testing.assert_array_equal(inside[clear], (radius < 1)[clear])


def test_an_open_vessel_keeps_its_cavity() -> None:
    """A thick-walled bowl is closed; its hollow is outside, though few rays escape from it."""
    outer = trimesh.creation.icosphere(subdivisions=4)
    bowl = outer.difference(trimesh.creation.icosphere(subdivisions=4, radius=0.9))
    mouth = trimesh.creation.cylinder(radius=0.15, height=1.0)
    mouth.apply_translation([0.0, 0.0, 0.9])
    bowl = bowl.difference(mouth)
    mesh = SignedMesh(Mesh(bowl.vertices, np.asarray(bowl.faces)))
    middle, wall = np.zeros((1, 3), dtype=np.float32), np.array([[0.95, 0.0, 0.0]], dtype=np.float32)
    assert not mesh.inside(middle)[0]
    assert mesh.inside(wall)[0]


def test_same_mesh_and_seed_give_the_same_answers() -> None:
    mesh = joined([with_holes(blob(3), 0.05), scaled(blob(2), 0.5)])
    points = near_and_uniform(blob(3), 1000)
    first, second = (signed_distance(mesh, points, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.distance, second.distance)
    assert first.report == second.report


def test_the_unit_of_the_mesh_does_not_change_signs() -> None:
    mesh, points = with_holes(blob(3), 0.05), near_and_uniform(blob(3), 2000)
    moved, asked = (values.astype(np.float64) * 1000 + 5000 for values in (mesh.vertices, points))
    millimetres = signed_distance(mesh.with_vertices(moved), asked)
    metres = signed_distance(mesh, points)
    assert ((millimetres.distance < 0) != (metres.distance < 0)).mean() < 2e-3
    np.testing.assert_allclose(np.abs(millimetres.distance) / 1000, np.abs(metres.distance), atol=3e-6)


def test_a_prepared_mesh_answers_like_a_fresh_one() -> None:
    mesh, points = blob(3), near_and_uniform(blob(3), 500)
    prepared = SignedMesh(mesh)
    np.testing.assert_array_equal(signed_distance(prepared, points).distance, signed_distance(mesh, points).distance)
    np.testing.assert_array_equal(prepared.unsigned(points).distance, np.abs(prepared.distance(points).distance))


@pytest.mark.parametrize(
    ("name", "method", "inside"),
    [
        ("vessel/whiskey_bottle.glb", SignMethod.CLOSED, (0.02, 0.35)),
        ("vessel/mug.glb", SignMethod.VISIBILITY, (0.02, 0.35)),
    ],
)
def test_real_vessels_are_trusted_and_hollow(
    shared_data: Path, name: str, method: SignMethod, inside: tuple[float, float]
) -> None:
    mesh = read_mesh(shared_data / "m3_basemesh" / name)
    report = SignedMesh(mesh.with_vertices(unit_sphere(mesh).apply(mesh.vertices))).report
    assert report.trusted
    assert report.method is method
    assert inside[0] < report.inside < inside[1]
