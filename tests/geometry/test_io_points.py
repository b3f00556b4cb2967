"""Point clouds in every accepted form, and the reasons for those that are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from shapesys.errors import ShapeRejected
from shapesys.geometry.points import read_points

BALL = trimesh.creation.icosphere(subdivisions=1)
POINTS = np.asarray(BALL.vertices)
NORMALS = POINTS / np.linalg.norm(POINTS, axis=1, keepdims=True)


def lines(*columns: np.ndarray, separator: str = " ") -> str:
    return "\n".join(separator.join(f"{value:.9f}" for value in row) for row in np.concatenate(columns, axis=1)) + "\n"


def obj() -> str:
    return "".join(
        f"{key} {row}\n" for key, rows in (("v", POINTS), ("vn", 2 * NORMALS)) for row in lines(rows).split("\n")[:-1]
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.xyz", lines(POINTS, NORMALS)),
        ("a.xyz", f"{len(POINTS)}\n" + lines(POINTS, NORMALS)),
        ("a.txt", "# scan\n" + lines(POINTS, 3 * NORMALS)),
        ("a.csv", "x,y,z,nx,ny,nz\n" + lines(POINTS, NORMALS, separator=",")),
        ("a.obj", obj()),
    ],
)
def test_text_with_normals(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    points, normals = read_points(tmp_path / name)
    assert normals is not None
    np.testing.assert_allclose(points, POINTS, atol=1e-8)
    np.testing.assert_allclose(normals, NORMALS, atol=1e-8)


def test_ply_with_and_without_normals(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_bytes(trimesh.exchange.ply.export_ply(BALL, vertex_normal=True))
    points, normals = read_points(tmp_path / "a.ply")
    assert normals is not None
    np.testing.assert_allclose(np.einsum("ij,ij->i", normals, NORMALS), 1.0, atol=0.01)
    (tmp_path / "b.ply").write_bytes(trimesh.PointCloud(POINTS).export(file_type="ply"))
    points, normals = read_points(tmp_path / "b.ply")
    assert normals is None
    np.testing.assert_allclose(points, POINTS, atol=1e-6)


def test_numpy_files(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.concatenate([POINTS, NORMALS], axis=1).astype(np.float32))
    np.savez(tmp_path / "b.npz", points=POINTS, normals=NORMALS, classes=np.zeros(3))
    np.savez(tmp_path / "c.npz", cloud=POINTS)
    for name, has_normals in (("a.npy", True), ("b.npz", True), ("c.npz", False)):
        points, normals = read_points(tmp_path / name)
        np.testing.assert_allclose(points, POINTS, atol=1e-6)
        assert (normals is not None) == has_normals


def test_points_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text("0 0 0\nnan 0 1\n1 2 3\n")
    points, normals = read_points(tmp_path / "a.xyz")
    assert points.tolist() == [[0, 0, 0], [1, 2, 3]]
    assert normals is None


def test_missing_normals_are_no_normals(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.concatenate([POINTS, np.zeros_like(POINTS)], axis=1))
    assert read_points(tmp_path / "a.npy")[1] is None


def test_pickled_arrays_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ShapeRejected, match="allow_pickle"):
        read_points(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.las", b"x", "accepted: .ply, .obj, .off, .xyz"),
        ("a.xyz", b"1 2\n3 4\n", "point 0 has 2 numbers"),
        ("a.xyz", b"header\nworse\n", "'worse' is not a number"),
        ("a.xyz", b"nan nan nan\n", "none of the 1 points is finite"),
        ("a.xyz", b"x y z\n", "no points"),
        ("a.xyz", b"", "empty"),
        ("a.npy", b"\x93NUMPY", "malformed NPY"),
        ("a.npz", b"PK\x03\x04", "malformed NPZ"),
    ],
)
def test_reasons(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ShapeRejected, match=words):
        read_points(tmp_path / name)


def test_real_scans(shared_data: Path) -> None:
    files = sorted((shared_data / "scans" / "rooms").glob("*.npz"))
    assert files
    for path in files:
        points, _ = read_points(path)
        assert len(points) > 1000
