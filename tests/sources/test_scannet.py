"""ScanNet scans: NYU40 numbers become the benchmark's classes, rooms are turned upright along the axes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cloud_trees import write

from shapesys.errors import ShapeRejected, ShapesysError
from shapesys.sources.base import digest_of
from shapesys.sources.registry import build_source
from shapesys.sources.scannet import BENCHMARK

SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [9, 9, 9]], dtype=np.float32)
FACES = np.array([[0, 1, 2], [0, 2, 3]])
QUARTER = "axisAlignment = 0 -1 0 5 1 0 0 0 0 0 1 2 0 0 0 1 \n"


def ply(label: np.ndarray | None, points: np.ndarray = SQUARE) -> bytes:
    """As published: binary, colours with alpha, and a 16-bit label in the second of the two files."""
    fields = [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("red", "u1"), ("green", "u1"), ("blue", "u1"), ("alpha", "u1")]
    table = np.zeros(len(points), fields + ([] if label is None else [("label", "<u2")]))
    table["x"], table["y"], table["z"] = points.T
    table["red"], table["green"], table["blue"], table["alpha"] = 255, 51, 0, 255
    if label is not None:
        table["label"] = label
    triangles = np.zeros(2, [("count", "u1"), ("corners", "<i4", 3)])
    triangles["count"], triangles["corners"] = 3, FACES
    kinds = {"f": "float", "u1": "uchar", "u2": "ushort"}
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points)}"]
    for name in table.dtype.names or ():
        kind = table.dtype[name]
        lines.append(f"property {kinds['f' if kind.kind == 'f' else kind.str[1:]]} {name}")
    lines += ["element face 2", "property list uchar int vertex_indices", "end_header", ""]
    return "\n".join(lines).encode() + table.tobytes() + triangles.tobytes()


def scene(name: str, label: np.ndarray | None, about: str | None = QUARTER) -> dict[str, str | bytes]:
    base = f"scans/{name}/{name}"
    files: dict[str, str | bytes] = {f"{base}_vh_clean_2.ply": ply(None), f"{base}_vh_clean.ply": b"large"}
    if label is not None:
        files[f"{base}_vh_clean_2.labels.ply"] = ply(label)
    if about is not None:
        files[f"{base}.txt"] = f"appVersionId = FreeScan/1.0\n{about}colorHeight = 968\n"
    return files


LABELS = np.array([1, 39, 16, 0, 40])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = scene("scene0000_00", LABELS) | scene("scene0000_01", LABELS, None) | scene("scene0001_00", LABELS)
    files |= scene("scene0002_00", None) | {"scans_test/scene0707_00/scene0707_00_vh_clean_2.ply": ply(None)}
    return write(tmp_path, files)


def lists(root: Path) -> Path:
    return write(
        root,
        {"scannetv2_train.txt": "scene0000_00\n\nscene0000_01\nscene0009_00\n", "scannetv2_val.txt": "scene0001_00"},
    )


def test_official_lists_are_the_split(root: Path, tmp_path: Path) -> None:
    found = build_source("scannet", {"root": str(lists(root))}).census()
    expected = {"room/scene0000_00": "train", "room/scene0000_01": "train", "room/scene0001_00": "val"}
    assert {shape.id: shape.split for shape in found.shapes} == expected
    assert [(entry.id, entry.reason) for entry in found.skipped] == [
        ("room/scene0002_00", "no ..._vh_clean_2.labels.ply beside the scan"),
        ("room/scene0009_00", "in a list, not on disk"),
    ]
    elsewhere = {"root": str(root / "scans"), "lists": str(root)}
    assert {shape.id: shape.split for shape in build_source("scannet", elsewhere).shapes()} == expected
    (tmp_path / "empty").mkdir()
    with pytest.raises(ShapesysError, match=r"no scannetv2_train\.txt"):
        build_source("scannet", {"root": str(root), "lists": str(tmp_path / "empty")}).census()


def test_without_lists_scans_of_one_room_stay_together(root: Path) -> None:
    for seed in range(6):
        settings = {"root": str(root), "split_seed": seed, "test_fraction": 0.5}
        first, second, _ = build_source("scannet", settings).shapes()
        assert first.split == second.split


def test_classes_colours_normals_and_alignment(root: Path) -> None:
    source = build_source("scannet", {"root": str(root)})
    aligned, as_scanned, _ = (source.load(shape) for shape in source.shapes())
    np.testing.assert_allclose(as_scanned.points, SQUARE)
    np.testing.assert_allclose(aligned.points[:3], [[5, 0, 2], [5, 1, 2], [4, 1, 2]])
    np.testing.assert_allclose(aligned.colors, np.tile([1.0, 0.2, 0.0], (5, 1)))
    np.testing.assert_allclose(aligned.normals, [[0, 0, 1]] * 4 + [[0, 0, 0]], err_msg="the last has no face")
    names = source.part_names("room")
    assert [names[label] for label in aligned.labels] == ["wall", "otherfurniture", "curtain", *["unannotated"] * 2]
    assert len(names) == len(BENCHMARK) + 1 == 21
    unturned = build_source("scannet", {"root": str(root), "align": False})
    np.testing.assert_allclose(unturned.load(unturned.shapes()[0]).points, SQUARE)
    assert unturned.digest(unturned.shapes()[0]) != source.digest(source.shapes()[0])


def test_points_can_be_drawn_on_the_triangles(root: Path) -> None:
    source = build_source("scannet", {"root": str(root), "sampled": 2000})
    shapes = source.shapes()
    aligned, as_scanned = source.load(shapes[0]), source.load(shapes[1])
    for found, low in ((as_scanned, [0, 0, 0]), (aligned, [4, 0, 2])):
        assert len(found) == 2000
        inner = found.points - low
        assert inner.min() >= 0
        assert inner.max() <= 1
        np.testing.assert_allclose(inner.mean(axis=0), [0.5, 0.5, 0], atol=0.02)
        np.testing.assert_allclose(found.normals, np.tile([0, 0, 1], (2000, 1)), atol=1e-6)
    # Of either triangle's corners, each has the label of the published file; the two lists of corners share two.
    names = source.part_names("room")
    corner = {"wall": (0, 0), "otherfurniture": (1, 0), "curtain": (1, 1), "unannotated": (0, 1)}
    for point, label in zip(as_scanned.points[:, :2], as_scanned.labels, strict=True):
        x, y = point
        triangle = ("wall", "otherfurniture", "curtain") if y <= x else ("wall", "curtain", "unannotated")
        assert names[label] == min(triangle, key=lambda name: np.hypot(x - corner[name][0], y - corner[name][1]))
    np.testing.assert_allclose(as_scanned.colors, np.tile([1.0, 0.2, 0.0], (2000, 1)))
    np.testing.assert_array_equal(source.load(shapes[1]).points, as_scanned.points)


@pytest.mark.parametrize("sampled", [0, 500])
def test_rooms_can_stand_as_networks_learn_them(root: Path, sampled: int) -> None:
    """Turned about x: z becomes y, and y becomes -z."""
    lying, standing = (build_source("scannet", {"root": str(root), "sampled": sampled, "up": up}) for up in "zy")
    before, after = (source.load(source.shapes()[0]) for source in (lying, standing))
    turn = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
    np.testing.assert_allclose(after.points, before.points @ turn.T)
    np.testing.assert_allclose(after.normals, before.normals @ turn.T)
    np.testing.assert_array_equal(after.labels, before.labels)
    assert np.linalg.det(turn) == pytest.approx(1.0)
    assert standing.digest(standing.shapes()[0]) != lying.digest(lying.shapes()[0])


def test_digests_are_those_from_before_points_could_be_drawn(root: Path) -> None:
    vertices, drawn, more = (build_source("scannet", {"root": str(root), "sampled": count}) for count in (0, 100, 200))
    shape = vertices.shapes()[1]
    files = [part for path in shape.locator["files"] for part in (path, (root / path).read_bytes())]
    assert vertices.digest(shape) == digest_of(*files)
    assert len({source.digest(shape) for source in (vertices, drawn, more)}) == 3


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"_vh_clean_2.labels.ply": ply(LABELS[:4], SQUARE[:4])}, "4 labelled vertices beside 5"),
        ({"_vh_clean_2.labels.ply": ply(None)}, "no property 'label'"),
        ({"_vh_clean_2.labels.ply": ply(LABELS)[:-20]}, "malformed PLY"),
        ({"_vh_clean_2.ply": ply(None, SQUARE[:2])}, "vertex outside 0 to 1"),
        ({".txt": "axisAlignment = 1 2 3\n"}, "axisAlignment is '1 2 3'"),
    ],
)
def test_damaged_scans_are_rejected(root: Path, files: dict[str, str | bytes], words: str) -> None:
    write(root, {f"scans/scene0000_00/scene0000_00{ending}": content for ending, content in files.items()})
    source = build_source("scannet", {"root": str(root)})
    with pytest.raises(ShapeRejected, match=words):
        source.load(source.shapes()[0])


def test_a_foreign_folder_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ShapesysError, match="expected scans/scene0000_00"):
        build_source("scannet", {"root": str(tmp_path)}).census()
