"""ModelNet trees with the defects of the published archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shapesys.errors import ShapeRejected, ShapesysError, UsageError
from shapesys.sources.registry import build_source

CUBE = """8 6 0
-1 -1 1\n1 -1 1\n-1 1 1\n1 1 1\n-1 1 -1\n1 1 -1\n-1 -1 -1\n1 -1 -1
4 0 1 3 2\n4 2 3 5 4\n4 4 5 7 6\n4 6 7 1 0\n4 1 7 5 3\n4 6 0 2 4
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {
        "ModelNet40/night_stand/train/night_stand_0001.off": "OFF\n" + CUBE,
        "ModelNet40/night_stand/test/night_stand_0201.off": "OFF" + CUBE,
        "ModelNet40/chair/train/chair_0001.off": "OFF\n\n# a comment\n" + CUBE.replace("\n", "\n\n"),
        "ModelNet40/chair/train/chair_0002.off": "OFF\n" + CUBE.replace("\n", "\r\n"),
        "ModelNet40/chair/test/chair_0890.off": "OFF\n0 0 0\n",
        "ModelNet40/chair/test/stool_0001.off": "OFF\n" + CUBE,
        "ModelNet40/chair/chair_0003.off": "OFF\n" + CUBE,
        "ModelNet40/README.txt": "hello",
        "ModelNet40/.DS_Store": "",
        "__MACOSX/ModelNet40/chair/train/._chair_0001.off": "junk",
        "ModelNet40/chair/train/.DS_Store": "",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(text.encode())
    return tmp_path


def test_official_split_underscored_classes_and_defects(root: Path) -> None:
    source = build_source("modelnet40", {"root": str(root)})
    found = source.census()
    assert {shape.id: shape.split for shape in found.shapes} == {
        "chair/chair_0001": "train",
        "chair/chair_0002": "train",
        "chair/chair_0890": "test",
        "night_stand/night_stand_0001": "train",
        "night_stand/night_stand_0201": "test",
    }
    assert {entry.id.rpartition("/")[2] for entry in found.skipped} == {"stool_0001.off", "chair_0003.off"}
    assert found.notes == ("2 classes found; ModelNet40 has 40 and ModelNet10 has 10",)
    assert source.symmetry_plane(found.shapes[0]) is None


def test_every_defective_file_gives_the_same_cube(root: Path) -> None:
    source = build_source("modelnet40", {"root": str(root)})
    by_id = {shape.id: shape for shape in source.shapes()}
    with pytest.raises(ShapeRejected, match="no geometry"):
        source.load(by_id.pop("chair/chair_0890"))
    assert len(by_id) == 4
    for shape in by_id.values():
        mesh = source.load(shape)
        assert (len(mesh.vertices), len(mesh.faces)) == (8, 12)
        volume = np.einsum("ij,ij->", mesh.triangles[:, 0], mesh.face_cross) / 6.0
        assert volume == pytest.approx(8.0)


def test_validation_comes_out_of_training_and_filter_works(root: Path) -> None:
    found = build_source("modelnet40", {"root": str(root), "val_fraction": 0.999, "categories": ("chair",)}).census()
    assert {shape.split for shape in found.shapes} == {"val", "test"}
    assert {shape.category for shape in found.shapes} == {"chair"}
    with pytest.raises(UsageError, match="test_fraction"):
        build_source("modelnet40", {"root": str(root), "test_fraction": 0.5})


def test_counts_that_differ_from_the_release_are_noted(tmp_path: Path) -> None:
    for index in range(40):
        for number, split in enumerate(("train", "test")):
            path = tmp_path / f"class{index}" / split / f"class{index}_{number:04d}.off"
            path.parent.mkdir(parents=True)
            path.write_text("OFF\n" + CUBE)
    (note,) = build_source("modelnet40", {"root": str(tmp_path)}).census().notes
    assert note == "40 training and 40 test shapes found; ModelNet40 has 9843 and 2468"


def test_a_foreign_folder_is_explained(tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_text("")
    with pytest.raises(ShapesysError, match=r"expected <class>/train/<class>_0001\.off"):
        build_source("modelnet40", {"root": str(tmp_path)}).census()
