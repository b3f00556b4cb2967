"""Surface sampling: on the surface, uniform by area, reproducible."""

import numpy as np
import pytest
import trimesh

from shapesys.errors import ShapeRejected
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.surface import sample_surface


def mesh_of(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(np.asarray(shape.vertices), np.asarray(shape.faces))


def slanted_pair() -> Mesh:
    """Two triangles of areas 1/2 and 3/2, in different planes, with a degenerate face before, between and after."""
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 3.0]])
    faces = np.array([[0, 0, 1], [0, 1, 2], [1, 1, 1], [0, 2, 3], [3, 3, 0]])
    return Mesh(vertices, faces)


def test_points_lie_in_their_triangles() -> None:
    mesh = mesh_of(trimesh.creation.icosphere(subdivisions=2))
    sample = sample_surface(mesh, 5000, seed=0)
    corners = mesh.triangles[sample.faces]
    barycentric = trimesh.triangles.points_to_barycentric(corners, sample.points.astype(np.float64))
    assert barycentric.min() > -1e-5
    offsets = np.einsum("nc,nc->n", sample.points - corners[:, 0], sample.normals)
    assert np.abs(offsets).max() < 1e-6
    assert np.allclose(np.linalg.norm(sample.normals, axis=1), 1.0, atol=1e-6)


def test_share_of_each_face_follows_its_area_to_one_sample() -> None:
    sample = sample_surface(slanted_pair(), 1000, seed=3)
    counts = np.bincount(sample.faces, minlength=5)
    assert counts[[0, 2, 4]].sum() == 0
    assert abs(counts[1] - 250) <= 1
    assert abs(counts[3] - 750) <= 1
    assert np.all(np.diff(sample.faces) >= 0)


def test_density_inside_a_triangle_is_uniform() -> None:
    points = sample_surface(slanted_pair(), 80_000, seed=1).points
    flat = points[points[:, 2] == 0]
    assert np.allclose(flat[:, :2].mean(axis=0), 1 / 3, atol=5e-3)
    half = (flat[:, 0] + flat[:, 1] < np.sqrt(0.5)).mean()
    assert half == pytest.approx(0.5, abs=0.01)


def test_independent_samples_are_binomial_over_the_faces() -> None:
    samples = [sample_surface(slanted_pair(), 400, seed, stratified=False) for seed in range(200)]
    counts = np.stack([np.bincount(sample.faces, minlength=5) for sample in samples])
    assert counts[:, [0, 2, 4]].sum() == 0
    assert counts[:, 1].mean() == pytest.approx(100, abs=2.5)
    assert counts[:, 1].var() == pytest.approx(400 * 0.25 * 0.75, rel=0.35)


def test_seed_decides_and_types_are_declared() -> None:
    mesh = mesh_of(trimesh.creation.box())
    first, again, other = (sample_surface(mesh, 100, seed=seed) for seed in (7, 7, 8))
    assert np.array_equal(first.points, again.points)
    assert not np.array_equal(first.points, other.points)
    assert (first.points.dtype, first.normals.dtype, first.faces.dtype) == (np.float32, np.float32, np.int32)
    assert sample_surface(mesh, 0, seed=0).points.shape == (0, 3)


@pytest.mark.parametrize(
    ("vertices", "faces", "reason"),
    [
        (np.zeros((3, 3)), np.zeros((0, 3), int), "no faces"),
        (np.zeros((3, 3)), np.array([[0, 1, 2]]), "area is zero"),
        (np.array([[0, 0, 0], [1, 0, 0], [0, np.nan, 0]]), np.array([[0, 1, 2]]), "not finite"),
    ],
)
def test_unusable_meshes_say_why(vertices: np.ndarray, faces: np.ndarray, reason: str) -> None:
    with pytest.raises(ShapeRejected, match=reason):
        sample_surface(Mesh(vertices, faces), 10, seed=0)


def test_negative_count_is_refused() -> None:
    with pytest.raises(ValueError, match="count is -1"):
        sample_surface(slanted_pair(), -1, seed=0)
