"""S3DIS rooms: objects become classes, areas become splits, and the release's defects are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cloud_trees import text, write

from shapesys.errors import ShapeRejected, ShapesysError, UsageError
from shapesys.sources.registry import build_source
from shapesys.sources.s3dis import CLASSES

FOLDER = "Stanford3dDataset_v1.2_Aligned_Version"


def rows(seed: int, count: int = 8) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.uniform(0, 5, (count, 3)).round(3), rng.integers(0, 256, (count, 3))])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    objects = (
        "Area_1/office_1/ceiling_1",
        "Area_1/office_1/chair_2",
        "Area_1/office_1/stairs_1",
        "Area_5/hall_6/wall_1",
    )
    files: dict[str, str | bytes] = {
        f"{FOLDER}/{name.rpartition('/')[0]}/Annotations/{name.rpartition('/')[2]}.txt": text(rows(seed))
        for seed, name in enumerate(objects)
    }
    files |= {
        f"{FOLDER}/Area_1/office_1/office_1.txt": text(rows(9)),
        f"{FOLDER}/Area_2/attic_1/attic_1.txt": text(rows(9)),
        f"{FOLDER}/Area_1/office_1/Annotations/.DS_Store": "",
        f"{FOLDER}/ReadMe.txt": "hello",
    }
    return write(tmp_path, files)


def test_rooms_are_split_by_area(root: Path) -> None:
    found = build_source("s3dis", {"root": str(root)}).census()
    assert {shape.id: shape.split for shape in found.shapes} == {
        "room/Area_1-office_1": "train",
        "room/Area_5-hall_6": "test",
    }
    assert [entry.id for entry in found.skipped] == ["room/Area_2-attic_1"]
    assert found.notes == ("rooms found: 1 in Area_1, 1 in Area_5", "taken for clutter: stairs")
    other = build_source("s3dis", {"root": str(root), "test_area": 1, "val_fraction": 0.999}).census()
    assert [shape.split for shape in other.shapes] == ["test", "val"]
    with pytest.raises(UsageError, match="test_area"):
        build_source("s3dis", {"root": str(root), "test_area": 7})


def test_objects_become_classes(root: Path) -> None:
    source = build_source("s3dis", {"root": str(root)})
    room = source.shapes()[0]
    loaded = source.load(room)
    expected = np.concatenate([rows(0), rows(1), rows(2)])
    np.testing.assert_allclose(loaded.points, expected[:, :3], atol=1e-9)
    np.testing.assert_allclose(loaded.colors, expected[:, 3:] / 255, atol=1e-9)
    names = [source.part_names("room")[label] for label in loaded.labels]
    assert names == ["ceiling"] * 8 + ["chair"] * 8 + ["clutter"] * 8
    assert len(CLASSES) == 13
    before = source.digest(room)
    write(root, {f"{FOLDER}/Area_1/office_1/Annotations/chair_2.txt": text(rows(7))})
    assert source.digest(room) != before


def test_the_stray_byte_of_hallway_6_is_the_space_it_replaced(root: Path) -> None:
    whole = text(rows(3)).encode()
    lines = whole.split(b"\n")
    lines[4] = b"\x10".join(lines[4].rsplit(b" ", 1))
    write(root, {f"{FOLDER}/Area_5/hall_6/Annotations/wall_1.txt": b"\n".join(lines)})
    source = build_source("s3dis", {"root": str(root)})
    np.testing.assert_allclose(source.load(source.shapes()[1]).points, rows(3)[:, :3], atol=1e-9)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"1 2 3 4 5 6\n1 2 3 4 5\n", "row 2 has 5 numbers, expected 6"),
        (b"1 2 3 4 5 6\n1 2 3 4x 5 6\n", "'4x' is not a number"),
        (b"1 2 3 4 5 256\n", "colours outside 0 to 255"),
        (b"1 2 3 4 5 nan\n", "colours outside 0 to 255"),
        (b"", "no points"),
    ],
)
def test_a_damaged_object_is_named(root: Path, content: bytes, words: str) -> None:
    write(root, {f"{FOLDER}/Area_5/hall_6/Annotations/wall_1.txt": content})
    source = build_source("s3dis", {"root": str(root)})
    with pytest.raises(ShapeRejected, match=rf"object '.*wall_1\.txt': .*{words}"):
        source.load(source.shapes()[1])


def test_a_foreign_folder_is_explained(tmp_path: Path) -> None:
    write(tmp_path, {"Area_1/office_1/office_1.txt": "1 2 3 4 5 6\n"})
    with pytest.raises(ShapesysError, match="expected Area_1/<room>/Annotations"):
        build_source("s3dis", {"root": str(tmp_path)}).census()
