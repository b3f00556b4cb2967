"""ModelNet40 as text with normals: lists, classes with underscores, damaged files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cloud_trees import cloud, text, write

from shapesys.errors import ShapeRejected, ShapesysError
from shapesys.sources.registry import build_source

FOLDER = "modelnet40_normal_resampled"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    names = ("night_stand/night_stand_0001", "night_stand/night_stand_0201", "chair/chair_0001", "chair/chair_0890")
    files: dict[str, str | bytes] = {f"{FOLDER}/{name}.txt": text(cloud(seed), ",") for seed, name in enumerate(names)}
    files |= {
        f"{FOLDER}/modelnet40_train.txt": "night_stand_0001\n\nchair_0001\r\nchair_0002\n",
        f"{FOLDER}/modelnet40_test.txt": "night_stand_0201\nchair_0890",
        f"{FOLDER}/modelnet10_train.txt": "night_stand_0001\n",
        f"{FOLDER}/modelnet10_test.txt": "chair_0890\n",
        f"{FOLDER}/chair/Thumbs.db": "",
        f"{FOLDER}/.DS_Store": "",
        "__MACOSX/chair_0002.txt": "",
    }
    return write(tmp_path, files)


def test_lists_are_the_split_and_missing_clouds_are_counted(root: Path) -> None:
    found = build_source("modelnet40_normal", {"root": str(root)}).census()
    assert {shape.id: shape.split for shape in found.shapes} == {
        "chair/chair_0001": "train",
        "chair/chair_0890": "test",
        "night_stand/night_stand_0001": "train",
        "night_stand/night_stand_0201": "test",
    }
    assert [(entry.id, entry.reason) for entry in found.skipped] == [("chair/chair_0002", "listed, not on disk")]
    assert found.notes == (
        "clouds found: 2 train, 2 test; the release's modelnet40 has 9843 train, 2468 test",
        "1 clouds left out: listed, not on disk",
    )
    ten = build_source("modelnet40_normal", {"root": str(root), "lists": "modelnet10", "val_fraction": 0.999}).census()
    assert {shape.id: shape.split for shape in ten.shapes} == {
        "chair/chair_0890": "test",
        "night_stand/night_stand_0001": "val",
    }


def test_clouds_come_with_unit_normals(root: Path) -> None:
    source = build_source("modelnet40_normal", {"root": str(root), "categories": ("night_stand",)})
    first, _ = source.shapes()
    loaded = source.load(first)
    np.testing.assert_allclose(loaded.points, cloud(0)[:, :3], atol=1e-9)
    np.testing.assert_allclose(loaded.normals, cloud(0)[:, 3:], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(loaded.normals, axis=1), 1.0, atol=1e-12)
    before = source.digest(first)
    write(root, {f"{FOLDER}/night_stand/night_stand_0001.txt": text(cloud(9), ",")})
    assert source.digest(first) != before


@pytest.mark.parametrize(
    ("content", "stage", "words"),
    [
        (text(cloud(0)[:, :3], ","), "read", "row 1 has 3 numbers, expected 6"),
        (text(cloud(0), ",") + "0,0,0,1,0\n", "read", "row 21 has 5 numbers"),
        (text(cloud(0), ",") + "nan,0,0,1,0,0\n", "validate", "1 of 21 points are not finite"),
        ("", "read", "no points"),
        ("version https://git-lfs.github.com/spec/v1\n", "read", "'version' is not a number"),
    ],
)
def test_damaged_files_are_rejected(root: Path, content: str, stage: str, words: str) -> None:
    write(root, {f"{FOLDER}/chair/chair_0001.txt": content})
    source = build_source("modelnet40_normal", {"root": str(root)})
    with pytest.raises(ShapeRejected, match=words) as caught:
        source.load(source.shapes()[0])
    assert caught.value.stage == stage


def test_a_foreign_folder_is_explained(root: Path) -> None:
    (root / FOLDER / "modelnet40_test.txt").unlink()
    with pytest.raises(ShapesysError, match=r"no modelnet40_test\.txt .*modelnet40_normal_resampled\.zip"):
        build_source("modelnet40_normal", {"root": str(root)}).census()
