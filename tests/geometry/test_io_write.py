"""What is written is what other readers see; a failed write leaves the old file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from shapesys.errors import UsageError
from shapesys.geometry.colormap import viridis
from shapesys.geometry.io import parse_geometry, read_mesh
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.validation import clean
from shapesys.geometry.write import write_mesh, write_points


@pytest.fixture
def mesh() -> Mesh:
    body = trimesh.creation.icosphere(subdivisions=1)
    heat = np.asarray(body.vertices)[:, 2] ** 2
    return Mesh(np.asarray(body.vertices, dtype=np.float32), np.asarray(body.faces), {"saliency": heat})


@pytest.mark.parametrize("suffix", [".glb", ".ply", ".obj", ".stl"])
def test_round_trip(tmp_path: Path, mesh: Mesh, suffix: str) -> None:
    path = write_mesh(mesh, tmp_path / "new folder" / f"a{suffix}")
    ours = clean(read_mesh(path)).mesh
    np.testing.assert_allclose(ours.triangles, mesh.triangles, atol=1e-6)
    reference = trimesh.load_mesh(path, process=False)
    np.testing.assert_allclose(reference.triangles, mesh.triangles, atol=1e-6)


def test_ply_carries_attributes_and_glb_carries_custom_ones(tmp_path: Path, mesh: Mesh) -> None:
    ours = read_mesh(write_mesh(mesh, tmp_path / "a.ply"))
    np.testing.assert_allclose(ours.attributes["saliency"], mesh.attributes["saliency"], atol=1e-6)
    ours = read_mesh(write_mesh(mesh, tmp_path / "a.glb"))
    np.testing.assert_allclose(ours.attributes["saliency"], mesh.attributes["saliency"], atol=1e-6)
    reference = trimesh.load_mesh(tmp_path / "a.glb", process=False)
    np.testing.assert_allclose(reference.vertex_attributes["_SALIENCY"].ravel(), mesh.attributes["saliency"], atol=1e-6)


@pytest.mark.parametrize("suffix", [".glb", ".ply"])
def test_colours_from_an_attribute_and_from_given_colours(tmp_path: Path, mesh: Mesh, suffix: str) -> None:
    path = write_mesh(mesh, tmp_path / f"a{suffix}", colour_by="saliency")
    shown = trimesh.load_mesh(path, process=False).visual.vertex_colors
    np.testing.assert_array_equal(shown[:, :3], viridis(mesh.attributes["saliency"]))
    given = np.random.default_rng(0).random((len(mesh.vertices), 3))
    path = write_mesh(Mesh(mesh.vertices, mesh.faces, {"color": given}), tmp_path / f"b{suffix}")
    shown = trimesh.load_mesh(path, process=False).visual.vertex_colors
    np.testing.assert_array_equal(shown[:, :3], np.rint(given * 255))


def test_misuse_is_named(tmp_path: Path, mesh: Mesh) -> None:
    with pytest.raises(UsageError, match=r"\.glb, \.ply, \.obj, \.stl"):
        write_mesh(mesh, tmp_path / "a.fbx")
    with pytest.raises(UsageError, match="did you mean saliency"):
        write_mesh(mesh, tmp_path / "a.ply", colour_by="salience")


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_mesh(mesh, tmp_path / "a.ply")
    before = path.read_bytes()

    def fail(self: Path, target: Path) -> Path:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_mesh(mesh, path, colour_by="saliency")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_same_mesh_same_bytes(tmp_path: Path, mesh: Mesh) -> None:
    for suffix in (".glb", ".ply", ".obj", ".stl"):
        first, second = (write_mesh(mesh, tmp_path / f"{name}{suffix}").read_bytes() for name in "ab")
        assert first == second, suffix


def test_clouds_keep_whole_numbers_colours_and_precision(tmp_path: Path) -> None:
    points = np.random.default_rng(0).standard_normal((5, 3))
    labels, colours = np.array([0, 1, -1, 70_000, 2]), np.arange(15, dtype=np.uint8).reshape(5, 3)
    path = write_points(points, {"label": labels}, tmp_path / "a.ply", colours, ["label 0 seat", "two\nlines \u00e9"])
    header = path.read_bytes().partition(b"end_header")[0].decode()
    assert "property double x" in header
    assert "property int label" in header
    assert "comment label 0 seat\ncomment two lines ?\n" in header
    found = parse_geometry(path.read_bytes(), path.name)
    np.testing.assert_array_equal(found.vertices, points)
    assert found.attributes["label"].tolist() == labels.tolist()
    np.testing.assert_array_equal(found.attributes["green"], colours[:, 1])
    write_points(points.astype(np.float32), {}, path)
    assert b"property float x" in path.read_bytes()
    assert parse_geometry(path.read_bytes(), path.name).attributes == {}
    with pytest.raises(ValueError, match=r"attribute 'label' has shape \(2,\); expected \(5,\)"):
        write_points(points, {"label": labels[:2]}, path, colours)
