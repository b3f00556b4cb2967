"""Closest points against brute force in float64 and against analytic shapes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import trimesh

from shapesys.errors import ShapeRejected, ShapesysError, UsageError
from shapesys.geometry.distance import MeshDistance
from shapesys.geometry.igl_tree import IglTree
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.morton import morton_order
from shapesys.geometry.warp_tree import CPU_BLOCK, WarpTree


def brute_force(mesh: Mesh, points: np.ndarray) -> np.ndarray:
    """(n,) float64 distance to the nearest of all faces, each clamped edge by edge: no tree, no tolerance."""
    corners = mesh.vertices.astype(np.float64)[mesh.faces]
    best = np.full(len(points), np.inf)
    for a, b, c in corners:
        best = np.minimum(best, _to_plane_part(points, a, b, c))
        for start, end in ((a, b), (b, c), (c, a)):
            best = np.minimum(best, _to_segment(points, start, end))
    return best


def _to_segment(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    along = end - start
    squared = along @ along
    where = np.clip((points - start) @ along / squared, 0.0, 1.0) if squared > 0 else np.zeros(len(points))
    return np.linalg.norm(points - start - where[:, None] * along, axis=1)


def _to_plane_part(points: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Distance to the face's plane where the foot lies in the face, else infinity."""
    normal = np.cross(b - a, c - a)
    length = np.linalg.norm(normal)
    if length <= 1e-14:
        return np.full(len(points), np.inf)
    normal /= length
    height = (points - a) @ normal
    foot = points - height[:, None] * normal
    sides = [np.cross(end - start, foot - start) @ normal for start, end in ((a, b), (b, c), (c, a))]
    return np.where(np.min(sides, axis=0) >= 0, np.abs(height), np.inf)


def triangle_soup(faces: int, seed: int) -> Mesh:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-1, 1, (faces, 1, 3)) + rng.normal(scale=0.2, size=(faces, 3, 3))
    return Mesh(corners.reshape(-1, 3), np.arange(3 * faces).reshape(-1, 3))


def queries(count: int = 500, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1.5, 1.5, (count, 3)).astype(np.float32)


def check_against_brute_force(mesh: Mesh, points: np.ndarray, tolerance: float = 1e-6) -> None:
    found = MeshDistance(mesh).closest(points)
    assert found.distance.dtype == np.float32
    np.testing.assert_allclose(found.distance, brute_force(mesh, points.astype(np.float64)), atol=tolerance, rtol=1e-6)
    between = np.linalg.norm(points - found.closest, axis=1)
    np.testing.assert_allclose(between, found.distance, atol=tolerance, rtol=1e-6)


@pytest.mark.parametrize("faces", [1, 2, 7, 300])
def test_equals_brute_force(faces: int) -> None:
    check_against_brute_force(triangle_soup(faces, faces), queries())


def test_face_index_names_the_face_of_the_closest_point() -> None:
    mesh, points = triangle_soup(200, 3), queries(200)
    found = MeshDistance(mesh).closest(points)
    for point, distance, face in zip(points, found.distance, found.face, strict=True):
        alone = Mesh(mesh.vertices, mesh.faces[face : face + 1])
        assert brute_force(alone, point[None].astype(np.float64))[0] == pytest.approx(distance, abs=1e-6)


def test_degenerate_faces_count_as_the_segments_and_points_they_are() -> None:
    """A needle, a collinear face, a point face and a face of repeated indices, beside two proper faces."""
    proper = triangle_soup(2, 5)
    extra = np.array(
        [
            *([-1, 1, 1], [1, 1, 1], [0, 1, 1 + 1e-7]),
            *([-1, -1, 1], [1, -1, 1], [0.3, -1, 1]),
            *([0, 0, -1.2], [0, 0, -1.2], [0, 0, -1.2]),
            *([1, 0, -1], [1, 0.5, -1], [9, 9, 9]),
        ]
    )
    faces = np.array([[6, 7, 8], [9, 10, 11], [12, 13, 14], [15, 16, 16]])
    mesh = Mesh(np.concatenate([proper.vertices, extra]), np.concatenate([proper.faces, faces]))
    check_against_brute_force(mesh, queries(), tolerance=2e-6)
    found = MeshDistance(mesh).closest(np.array([[0.9, 1.0, 1.1], [0, 0, -1.3]], dtype=np.float32))
    assert found.face.tolist() == [2, 4]


def test_mesh_of_degenerate_faces_alone() -> None:
    mesh = Mesh(np.array([[0.0, 0, 0], [1, 0, 0]]), np.array([[0, 1, 1]]))
    found = MeshDistance(mesh).closest(np.array([[0.5, 2, 0], [3, 0, 0]], dtype=np.float32))
    np.testing.assert_allclose(found.distance, [2.0, 2.0], atol=2e-6)
    point = Mesh(np.array([[5.0, 5, 5]]), np.array([[0, 0, 0]]))
    np.testing.assert_allclose(MeshDistance(point).closest(np.array([[5.0, 5, 8]])).distance, [3.0], atol=1e-4)


def test_slivers_between_good_faces_leave_the_distance_alone() -> None:
    plane = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0.5, 1e-8, 0]])
    mesh = Mesh(plane, np.array([[0, 4, 2], [4, 1, 2], [0, 2, 3], [0, 1, 4]]))
    check_against_brute_force(mesh, queries())


def test_sphere_distance_is_analytic() -> None:
    ball = trimesh.creation.icosphere(subdivisions=5)
    points = queries(2000)
    found = MeshDistance(Mesh(ball.vertices, np.asarray(ball.faces))).closest(points)
    # The facets of a polyhedral sphere sag by at most 6e-4 at this subdivision.
    np.testing.assert_allclose(found.distance, np.abs(np.linalg.norm(points, axis=1) - 1), atol=7e-4)


def test_unreferenced_vertices_do_not_matter() -> None:
    mesh, points = triangle_soup(50, 7), queries(100)
    stray = Mesh(np.concatenate([mesh.vertices, [[0.0, 0, 0], [np.nan] * 3, [1e30] * 3]]), mesh.faces)
    with_strays, without = MeshDistance(stray).closest(points), MeshDistance(mesh).closest(points)
    np.testing.assert_array_equal(with_strays.distance, without.distance)


@pytest.mark.parametrize(("scale", "shift"), [(1e-6, 0.0), (1e6, 0.0), (1.0, 1e6), (1e12, -1e14)])
def test_far_or_tiny_or_huge_meshes_keep_float32_precision(scale: float, shift: float) -> None:
    mesh, points = triangle_soup(60, 11), queries(200).astype(np.float64)
    moved = mesh.with_vertices(mesh.vertices * scale + shift)
    found = MeshDistance(moved).closest(points * scale + shift)
    expected = brute_force(mesh, points)
    np.testing.assert_allclose(found.distance / scale, expected, atol=3e-6)


def test_order_of_queries_is_kept_and_irrelevant() -> None:
    mesh, points = triangle_soup(100, 13), queries(3000)
    shuffle = np.random.default_rng(0).permutation(len(points))
    tree = MeshDistance(mesh)
    np.testing.assert_array_equal(tree.closest(points).distance[shuffle], tree.closest(points[shuffle]).distance)


def test_no_queries() -> None:
    found = MeshDistance(triangle_soup(3, 0)).closest(np.zeros((0, 3), dtype=np.float32))
    assert found.distance.shape == (0,)
    assert found.closest.shape == (0, 3)


def test_warp_and_igl_trees_agree() -> None:
    ball = trimesh.creation.icosphere(subdivisions=3)
    points, directions = queries(400), queries(400, seed=2)
    ours, reference = (tree(ball.vertices, np.asarray(ball.faces), winding=True) for tree in (WarpTree, IglTree))
    np.testing.assert_allclose(ours.closest(points)[1], reference.closest(points)[1], atol=1e-6)
    np.testing.assert_array_equal(ours.winding(points) > 0.5, reference.winding(points) > 0.5)
    np.testing.assert_allclose(ours.winding(points), reference.winding(points), atol=0.2)
    assert (ours.escapes(points, directions) == reference.escapes(points, directions)).mean() > 0.99


def test_winding_numbers_are_copied_within_empty_balls() -> None:
    """With honest radii the copies change nothing; with false ones, which claim no surface at all, they show."""
    ball = trimesh.creation.icosphere(subdivisions=3)
    tree = WarpTree(ball.vertices, np.asarray(ball.faces), winding=True)
    points = queries(2000)
    points = points[morton_order(points)]
    radius = tree.closest(points)[1]
    inside = tree.winding(points) > 0.5
    np.testing.assert_array_equal(tree.winding(points, radius) > 0.5, inside)
    assert len(np.unique(tree.winding(points, np.full_like(radius, 1e3)))) <= len(points) / CPU_BLOCK + 1
    assert 0.1 < inside.mean() < 0.9


@pytest.mark.parametrize(
    ("mesh", "reason"),
    [
        (Mesh(np.zeros((3, 3)), np.zeros((0, 3), dtype=int)), "no faces"),
        (Mesh(np.zeros((3, 3)), np.array([[0, 1, 3]])), "vertex 3"),
        (Mesh(np.zeros((3, 3)), np.array([[0, 1, -1]])), "vertex -1"),
        (Mesh(np.full((3, 3), np.inf), np.array([[0, 1, 2]])), "not finite"),
    ],
)
def test_unusable_meshes_are_rejected_with_the_reason(mesh: Mesh, reason: str) -> None:
    with pytest.raises(ShapeRejected, match=reason):
        MeshDistance(mesh)


@pytest.mark.parametrize(
    ("points", "complaint"), [(np.zeros((4, 2)), r"\(4, 2\)"), (np.full((2, 3), np.nan), "2 of 2 query points")]
)
def test_unusable_queries_are_refused(points: np.ndarray, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        MeshDistance(triangle_soup(3, 0)).closest(points)


def test_unknown_device_is_refused() -> None:
    with pytest.raises(UsageError, match="cuda:77"):
        MeshDistance(triangle_soup(3, 0), device="cuda:77")


def _tree_without(hidden: set[str], monkeypatch: pytest.MonkeyPatch) -> object:
    from shapesys.geometry import triangle_tree

    real = triangle_tree.find_spec
    monkeypatch.setattr(triangle_tree, "find_spec", lambda name: None if name in hidden else real(name))
    mesh = triangle_soup(3, 0)
    return triangle_tree.build_tree(mesh.vertices, mesh.faces)


def test_without_warp_libigl_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(_tree_without({"warp"}, monkeypatch), IglTree)


def test_without_both_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ShapesysError, match=r"shapesys\[sampling\]"):
        _tree_without({"warp", "igl"}, monkeypatch)


def test_importing_loads_no_optional_package_and_computing_prints_nothing() -> None:
    script = (
        "import sys, numpy as np; import shapesys.geometry.signed_distance as s\n"
        "from shapesys.geometry.mesh import Mesh\n"
        "assert not {'warp', 'igl', 'torch'} & set(sys.modules)\n"
        "s.SignedMesh(Mesh(np.eye(3), np.array([[0, 1, 2]]))).distance(np.zeros((1, 3)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
