"""Any folder of clouds: categories, splits, labels and their names; and the real scans."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from cloud_trees import cloud, text, write

from shapesys.errors import ShapeRejected, ShapesysError, UsageError
from shapesys.sources.registry import build_source


def npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(
        tmp_path / "clouds",
        {
            "chair/train/a.xyz": text(cloud(1)),
            "chair/set one/b.NPZ": npz(points=cloud(2)[:, :3], labels=np.arange(20) % 3),
            "test/lamp/c.txt": text(cloud(3)),
            "d.csv": text(cloud(4), ","),
            "README.txt": "hello",
            "chair/notes.md": "hello",
            ".DS_Store": "",
            "chair/Thumbs.db": "",
        },
    )


def test_categories_names_splits_and_other_files(root: Path) -> None:
    found = build_source("cloud_folder", {"root": str(root), "test_fraction": 0.0}).census()
    assert {shape.id: shape.split for shape in found.shapes} == {
        "chair/a": "train",
        "chair/set_one-b": "train",
        "clouds/d": "train",
        "lamp/c": "test",
    }
    assert found.notes == ("other files beside the clouds, not shapes: 1 .txt, 1 .md",)
    one = build_source("cloud_folder", {"root": str(root), "category": "scan"}).census()
    assert [shape.id for shape in one.shapes] == ["scan/chair-a", "scan/chair-set_one-b", "scan/d", "scan/lamp-c"]
    with pytest.raises(UsageError, match="did you mean lamp"):
        build_source("cloud_folder", {"root": str(root), "categories": ("lamb",)}).census()


def test_only_text_is_taken_for_a_document(tmp_path: Path) -> None:
    names = ("notice_board.xyz", "labels_of_wine.npz", "readme.csv", "license.txt")
    write(tmp_path, {f"x/{name}": text(cloud(1)) for name in names})
    found = build_source("cloud_folder", {"root": str(tmp_path)}).census()
    assert [shape.id for shape in found.shapes] == ["x/labels_of_wine", "x/notice_board"]
    assert found.notes == ("other files beside the clouds, not shapes: 1 .txt, 1 .csv",)


def test_variants_go_to_one_split(tmp_path: Path) -> None:
    names = [*(f"scan_{n}" for n in range(3)), "tree", "rock", "wall", "door"]
    write(tmp_path, {f"x/{name}.xyz": text(cloud(1)) for name in names})
    splits = {
        shape.split
        for shape in build_source("cloud_folder", {"root": str(tmp_path), "test_fraction": 0.5}).shapes()
        if "scan" in shape.id
    }
    assert len(splits) == 1


def test_labels_have_the_names_that_the_settings_give(root: Path) -> None:
    source = build_source("cloud_folder", {"root": str(root), "labels": ("leg", "seat", "back")})
    source = pickle.loads(pickle.dumps(source))
    _, chair, *_ = source.shapes()
    loaded = source.load(chair)
    np.testing.assert_array_equal(loaded.labels, np.arange(20) % 3)
    assert source.part_names("chair") == ("leg", "seat", "back")
    fewer = build_source("cloud_folder", {"root": str(root), "labels": ("leg", "seat")})
    with pytest.raises(ShapeRejected, match="labels range from 0 to 2; allowed: 0 to 1"):
        fewer.load(chair)
    assert fewer.digest(chair) != source.digest(chair)


def test_columns_are_named_by_a_setting(root: Path) -> None:
    rows = np.column_stack([cloud(5)[:, :3], np.arange(20) % 2])
    write(root, {"chair/train/a.xyz": text(rows)})
    plain = build_source("cloud_folder", {"root": str(root)})
    named = build_source("cloud_folder", {"root": str(root), "columns": ("x", "y", "z", "label")})
    shape = plain.shapes()[0]
    assert plain.load(shape).labels is None
    np.testing.assert_array_equal(named.load(shape).labels, np.arange(20) % 2)
    assert named.digest(shape) != plain.digest(shape)
    for columns, words in (
        (("x", "y"), "x, y and z must be among"),
        (("x", "y", "z", "z"), "none twice"),
        (("x", "y", "z", "lable"), "did you mean label"),
    ):
        with pytest.raises(UsageError, match=words):
            build_source("cloud_folder", {"root": str(root), "columns": columns})


def test_what_cannot_be_used_is_said(root: Path, tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.save(stream, np.array([{"os": "system"}], dtype=object), allow_pickle=True)
    write(root, {"chair/train/a.xyz": "1 1 1\n" * 5, "chair/train/evil.npy": stream.getvalue()})
    source = build_source("cloud_folder", {"root": str(root)})
    shapes = {shape.id: shape for shape in source.shapes()}
    with pytest.raises(ShapeRejected, match="all 5 points lie in one place"):
        source.load(shapes["chair/a"])
    with pytest.raises(ShapeRejected, match="allow_pickle"):
        source.load(shapes["chair/evil"])
    with pytest.raises(ShapeRejected, match="more than the limit of 10"):
        build_source("cloud_folder", {"root": str(root), "max_points": 10}).load(shapes["lamp/c"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ShapesysError, match=r"expected \.ply.*\.pcd files, in one subfolder per category"):
        build_source("cloud_folder", {"root": str(tmp_path / "empty")}).census()


def test_real_room_scans_agree_in_both_formats(shared_data: Path) -> None:
    source = build_source("cloud_folder", {"root": str(shared_data / "scans" / "rooms")})
    shapes = {shape.id: shape for shape in source.shapes() if shape.locator["files"][0].startswith("room_scan1")}
    found = source.census()
    assert len(found.shapes) == 7
    assert sorted(entry.stage for entry in found.skipped) == ["census", "census"], "one id for .npz and .pcd"
    (scan,) = shapes.values()
    assert len(source.load(scan)) == 112_586


def test_real_table_tops_have_object_labels(shared_data: Path) -> None:
    source = build_source("cloud_folder", {"root": str(shared_data / "scans" / "tabletop")})
    shapes = {shape.id: shape for shape in source.shapes()}
    loaded = source.load(shapes["tabletop/learn40"])
    assert np.unique(loaded.labels).tolist() == [1, 20, 30, 40, 41, 42]
    table = loaded.points[loaded.labels == 1]
    values = np.linalg.svd(table - table.mean(axis=0), full_matrices=False, compute_uv=False)
    assert values[2] < 0.05 * values[1], "the table is flat"
