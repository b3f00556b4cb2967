"""Matterport3D: houses and their regions, as points drawn on meshes that lie where the release puts them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cloud_trees import write

from shapesys.errors import ShapeRejected, ShapesysError
from shapesys.geometry.cloud import Cloud
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import PrepareConfig
from shapesys.samples.store import Store
from shapesys.sources.base import Source
from shapesys.sources.registry import build_source

SIDE = np.array([[0, 0, 0], [4, 0, 0], [4, 0, 3], [0, 0, 3]], dtype=np.float32)
"""A wall of 12 square metres, upright: z is up."""
FLOOR = np.array([[0, 0, 0], [4, 0, 0], [4, 1, 0], [0, 1, 0]], dtype=np.float32)


def ply(points: np.ndarray, faces: int = 2) -> bytes:
    """As published: binary, normals, texture coordinates and colours per vertex, three numbers per face."""
    names = ("x", "y", "z", "nx", "ny", "nz", "tx", "ty")
    vertices = np.zeros(len(points), [(name, "<f4") for name in names] + [(c, "u1") for c in ("red", "green", "blue")])
    vertices["x"], vertices["y"], vertices["z"] = points.T
    kinds = [("count", "u1"), ("corners", "<i4", 3), ("material", "<i4"), ("segment", "<i4"), ("category", "<i4")]
    triangles = np.zeros(faces, kinds)
    triangles["count"], triangles["corners"] = 3, np.array([[0, 1, 2], [0, 2, 3]])[:faces]
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points)}"]
    lines += [f"property float {name}" for name in names]
    lines += [f"property uchar {name}" for name in ("red", "green", "blue")]
    lines += [f"element face {faces}", "property list uchar int vertex_indices"]
    lines += [f"property int {name}_id" for name in ("material", "segment", "category")]
    return "\n".join([*lines, "end_header", ""]).encode() + vertices.tobytes() + triangles.tobytes()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three houses: with a mesh of its own, unpacked into a folder of its name; with another one; with regions only."""
    return write(
        tmp_path,
        {
            "v1/scans/17DRP5sb8fy/17DRP5sb8fy/house_segmentations/17DRP5sb8fy.ply": ply(SIDE),
            "v1/scans/17DRP5sb8fy/17DRP5sb8fy/house_segmentations/17DRP5sb8fy.house": "ASCII 1.1",
            "v1/scans/17DRP5sb8fy/17DRP5sb8fy/poisson_meshes/17DRP5sb8fy.ply": ply(FLOOR),
            "v1/scans/17DRP5sb8fy/17DRP5sb8fy/poisson_meshes/17DRP5sb8fy_9.ply": b"finer",
            "v1/scans/17DRP5sb8fy/17DRP5sb8fy/region_segmentations/region0.ply": ply(FLOOR),
            "v1/scans/17DRP5sb8fy/17DRP5sb8fy/region_segmentations/region0.fsegs.json": "{}",
            "v1/scans/17DRP5sb8fy/17DRP5sb8fy/undistorted_depth_images/0.png": b"many",
            "v1/scans/1LXtFkjw3qL/poisson_meshes/1LXtFkjw3qL.ply": ply(FLOOR),
            "v1/scans/JmbYfDe2QKZ/region_segmentations/region0.ply": ply(FLOOR),
            "v1/scans/JmbYfDe2QKZ/region_segmentations/region12.ply": ply(SIDE),
        },
    )


LISTS: dict[str, str | bytes] = {
    "tasks/scenes_train.txt": "17DRP5sb8fy\nVFuaQ6m2Qom\n",
    "tasks/scenes_test.txt": "JmbYfDe2QKZ\n",
}


def source_of(root: Path, **settings: object) -> Source:
    return build_source("matterport", {"root": str(root), "points": 4000, **settings})


def loaded(source: Source, shape_id: str) -> Cloud:
    found = source.load(next(ref for ref in source.shapes() if ref.id == shape_id))
    assert isinstance(found, Cloud)
    return found


def test_a_house_is_its_own_mesh_and_else_another_or_its_regions(root: Path) -> None:
    files = {shape.id: shape.locator["files"] for shape in source_of(root).shapes()}
    assert {name: [path.removeprefix("v1/scans/") for path in paths] for name, paths in files.items()} == {
        "house/17DRP5sb8fy": ["17DRP5sb8fy/17DRP5sb8fy/house_segmentations/17DRP5sb8fy.ply"],
        "house/1LXtFkjw3qL": ["1LXtFkjw3qL/poisson_meshes/1LXtFkjw3qL.ply"],
        "house/JmbYfDe2QKZ": [
            "JmbYfDe2QKZ/region_segmentations/region0.ply",
            "JmbYfDe2QKZ/region_segmentations/region12.ply",
        ],
    }
    regions = source_of(root, pieces="regions").shapes()
    assert [shape.id for shape in regions] == [
        "region/17DRP5sb8fy-0", "region/JmbYfDe2QKZ-0", "region/JmbYfDe2QKZ-12"
    ]  # fmt: skip


def test_points_are_uniform_over_the_area_in_metres_and_z_is_up(root: Path) -> None:
    wall = loaded(source_of(root), "house/17DRP5sb8fy")
    assert len(wall) == 4000
    assert wall.labels is None
    np.testing.assert_array_equal(wall.points[:, 1], 0.0)
    np.testing.assert_allclose(wall.points.mean(axis=0), [2, 0, 1.5], atol=0.05)
    assert wall.points.min(axis=0)[2] >= 0.0
    assert wall.points.max(axis=0)[2] == pytest.approx(3.0, abs=0.05)
    np.testing.assert_allclose(np.abs(wall.normals), np.tile([0.0, 1.0, 0.0], (4000, 1)), atol=1e-6)
    both = loaded(source_of(root), "house/JmbYfDe2QKZ")
    assert (np.abs(both.normals[:, 2]) > 0.5).mean() == pytest.approx(0.25, abs=0.01), "4 of 16 square metres are floor"
    first = both.points[:400]
    assert (first[:, 2] == 0.0).mean() == pytest.approx(0.25, abs=0.08), "any prefix shows the whole house"


def test_houses_can_stand_as_networks_learn_rooms(root: Path) -> None:
    lying, standing = (loaded(source_of(root, up=up), "house/17DRP5sb8fy") for up in "zy")
    np.testing.assert_allclose(
        standing.points, np.stack([lying.points[:, 0], lying.points[:, 2], -lying.points[:, 1]], axis=1)
    )
    shape = source_of(root).shapes()[0]
    assert len({source_of(root, up=up).digest(shape) for up in "zy"}) == 2


def test_the_same_house_gives_the_same_points_and_the_digest_knows_how_many(root: Path) -> None:
    first, again = (loaded(source_of(root), "house/1LXtFkjw3qL") for _ in range(2))
    np.testing.assert_array_equal(first.points, again.points)
    digests = {source_of(root, points=count).digest(source_of(root).shapes()[0]) for count in (100, 200)}
    assert len(digests) == 2


def test_the_lists_of_the_benchmark_are_the_split(root: Path) -> None:
    found = source_of(write(root, LISTS)).census()
    assert {shape.id: shape.split for shape in found.shapes} == {
        "house/17DRP5sb8fy": "train",
        "house/JmbYfDe2QKZ": "test",
    }
    assert [(entry.id, entry.reason) for entry in found.skipped] == [
        ("house/1LXtFkjw3qL", "in none of the lists"),
        ("house/VFuaQ6m2Qom", "in a list, not on disk"),
    ]
    elsewhere = source_of(root / "v1", lists=str(root / "tasks"), pieces="regions").census()
    assert {shape.id: shape.split for shape in elsewhere.shapes} == {
        "region/17DRP5sb8fy-0": "train",
        "region/JmbYfDe2QKZ-0": "test",
        "region/JmbYfDe2QKZ-12": "test",
    }
    with pytest.raises(ShapesysError, match=r"no scenes_train\.txt or scenes_val\.txt in"):
        source_of(root, lists=str(root / "v1")).census()


def test_without_lists_regions_of_a_house_stay_together(root: Path) -> None:
    for seed in range(8):
        _, first, second = source_of(root, pieces="regions", split_seed=seed, test_fraction=0.5).shapes()
        assert first.split == second.split


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (ply(FLOOR)[:-30], "region12.ply': malformed PLY"),
        (ply(FLOOR, faces=0), "region12.ply': no faces, only 4 points"),
        (ply(np.full((4, 3), np.nan)), "region12.ply': "),
        (ply(np.zeros((4, 3))), "region12.ply': "),
        (ply(FLOOR[:3]), "region12.ply': vertex index 3 out of range"),
    ],
    ids=["cut", "points", "nan", "no area", "index"],
)
def test_damaged_meshes_are_rejected_by_name(root: Path, content: bytes, words: str) -> None:
    write(root, {"v1/scans/JmbYfDe2QKZ/region_segmentations/region12.ply": content})
    with pytest.raises(ShapeRejected, match=words):
        loaded(source_of(root), "house/JmbYfDe2QKZ")


def test_houses_become_a_store_of_clouds(root: Path, tmp_path: Path) -> None:
    settings = PrepareConfig().override({"cloud.points": 300, "cloud.order": "given", "frame": "as_given"})
    report = prepare_locally(source_of(root), str(tmp_path / "store"), settings, isolate=False)
    assert (report.prepared, report.rejected) == (3, 0)
    points = Store.open(str(tmp_path / "store")).read("cloud", ["house/17DRP5sb8fy"], ["points"])["points"][0]
    np.testing.assert_array_equal(points, loaded(source_of(root), "house/17DRP5sb8fy").points[:300])


def test_a_foreign_folder_is_explained(tmp_path: Path) -> None:
    write(tmp_path, {"scan/other.ply": ply(FLOOR)})
    for pieces in ("houses", "regions"):
        with pytest.raises(ShapesysError, match=f"no {pieces} under .*expected <scan>/house_segmentations/<scan>.ply"):
            source_of(tmp_path, pieces=pieces).census()
