"""ShapeNet Part as text and as HDF5: global labels become the category's own, and what goes wrong is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cloud_trees import cloud, text, write, write_hdf5

from shapesys.errors import ShapeRejected, ShapesysError, UsageError
from shapesys.sources.registry import build_source
from shapesys.sources.shapenet_part_labels import BY_NAME, CATEGORIES, PUBLISHED

FOLDER = "shapenetcore_partanno_segmentation_benchmark_v0_normal"
FACTS = (
    "Airplane 02691156 0-3, Bag 02773838 4-5, Cap 02954340 6-7, Car 02958343 8-11, Chair 03001627 12-15, "
    "Earphone 03261776 16-18, Guitar 03467517 19-21, Knife 03624134 22-23, Lamp 03636649 24-27, Laptop 03642806 28-29, "
    "Motorbike 03790512 30-35, Mug 03797390 36-37, Pistol 03948459 38-40, Rocket 04099429 41-43, "
    "Skateboard 04225987 44-46, Table 04379243 47-49"
)


def labelled(first: int, count: int, points: int = 20) -> np.ndarray:
    return np.column_stack([cloud(first, points), first + np.arange(points) % count])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lists = {
        "train": ["shape_data/03001627/a1", "shape_data/03001627/gone", "", "shape_data/02691156/p1"],
        "val": ["shape_data/03001627/b2"],
        "test": ["shape_data/02691156/p2", "shape_data/99999999/x"],
    }
    files: dict[str, str | bytes] = {
        f"{FOLDER}/train_test_split/shuffled_{split}_file_list.json": json.dumps(entries)
        for split, entries in lists.items()
    }
    files |= {f"{FOLDER}/03001627/{name}.txt": text(labelled(12, 4)) for name in ("a1", "b2")}
    files |= {f"{FOLDER}/02691156/{name}.txt": text(labelled(0, 3)) for name in ("p1", "p2")}
    files |= {f"{FOLDER}/synsetoffset2category.txt": "Airplane\t02691156\nChair\t03001627\n", f"{FOLDER}/.DS_Store": ""}
    return write(tmp_path, files)


def test_the_table_is_the_published_one() -> None:
    table = ", ".join(
        f"{found.name.title()} {found.synset} {found.first}-{found.first + len(found.parts) - 1}"
        for found in CATEGORIES
    )
    assert table == FACTS
    assert sum(PUBLISHED.values()) == 16_881
    assert all(len(set(found.parts)) == len(found.parts) for found in CATEGORIES)


def test_lists_are_the_split_and_what_is_missing_is_counted(root: Path) -> None:
    found = build_source("shapenet_part", {"root": str(root)}).census()
    assert {shape.id: shape.split for shape in found.shapes} == {
        "airplane/p1": "train",
        "airplane/p2": "test",
        "chair/a1": "train",
        "chair/b2": "val",
    }
    assert [entry.id for entry in found.skipped] == ["chair/gone", "shape_data_99999999_x"]
    assert "1 clouds left out: listed, not on disk" in found.notes
    assert found.notes[0].endswith("the release has 12137 train, 1870 val, 2874 test")
    only = build_source("shapenet_part", {"root": str(root), "categories": ("chair",)}).census()
    assert [shape.id for shape in only.shapes] == ["chair/a1", "chair/b2"]
    with pytest.raises(UsageError, match="val_fraction"):
        build_source("shapenet_part", {"root": str(root), "val_fraction": 0.1})


def test_labels_become_local_and_have_names(root: Path) -> None:
    source = build_source("shapenet_part", {"root": str(root)})
    shapes = {shape.id: shape for shape in source.shapes()}
    loaded = source.load(shapes["chair/a1"])
    np.testing.assert_allclose(loaded.points, cloud(12)[:, :3], atol=1e-6)
    np.testing.assert_allclose(loaded.normals, cloud(12)[:, 3:], atol=1e-5)
    np.testing.assert_array_equal(loaded.labels, np.arange(20) % 4)
    assert source.load(shapes["airplane/p1"]).labels.max() == 2, "a shape need not have all parts"
    assert source.part_names("chair") == ("back", "seat", "leg", "armrest")
    assert len(source.part_names("lamp")) == 4
    assert source.part_names("unknown") == ()


@pytest.mark.parametrize(
    ("rows", "stage", "words"),
    [
        (
            labelled(0, 4),
            "validate",
            "20 of 20 part labels, such as 0, are not of category 'chair', which has 12 to 15",
        ),
        (labelled(12, 5), "validate", "4 of 20 part labels, such as 16,"),
        (labelled(12, 4) + [0, 0, 0, 0, 0, 0, 0.5], "validate", "such as 12.5"),
        (labelled(12, 4)[:, :6], "read", "row 1 has 6 numbers, expected 7"),
        (labelled(12, 4) * [np.nan, 1, 1, 1, 1, 1, 1], "validate", "20 of 20 points are not finite"),
        (labelled(12, 4) * [1, 1, 1, 1, 1, 1, np.nan], "validate", "such as nan"),
    ],
)
def test_defective_clouds_are_rejected(root: Path, rows: np.ndarray, stage: str, words: str) -> None:
    write(root, {f"{FOLDER}/03001627/a1.txt": text(rows)})
    source = build_source("shapenet_part", {"root": str(root), "categories": ("chair",)})
    with pytest.raises(ShapeRejected, match=words) as caught:
        source.load(source.shapes()[0])
    assert caught.value.stage == stage


def test_missing_or_broken_lists_are_explained(root: Path) -> None:
    path = root / FOLDER / "train_test_split" / "shuffled_val_file_list.json"
    path.write_text("{}")
    with pytest.raises(ShapesysError, match=r"cannot read .*val_file_list\.json': not a list"):
        build_source("shapenet_part", {"root": str(root)}).census()
    path.unlink()
    with pytest.raises(ShapesysError, match=r"no shuffled_val_file_list\.json"):
        build_source("shapenet_part", {"root": str(root)}).census()


def test_hdf5_files(tmp_path: Path) -> None:
    clouds = np.stack([cloud(seed)[:, :3] for seed in range(4)]).astype(np.float32)
    parts = np.stack([first + np.arange(20) % 2 for first in (12, 0, 12, 47)]).astype(np.uint8)
    folder = tmp_path / "hdf5_data"
    label = np.array([[4], [0]], dtype=np.uint8)
    write_hdf5(folder / "ply_data_train0.h5", data=clouds[:2], pid=parts[:2], label=label)
    write_hdf5(folder / "ply_data_val0.h5", data=clouds[2:3], pid=parts[2:3], label=label[:1])
    write_hdf5(folder / "ply_data_test0.h5", data=clouds[[3, 3]], pid=parts[[3, 3]], label=np.array([4, 99]))
    write(tmp_path, {"hdf5_data/train_hdf5_file_list.txt": "ply_data_train0.h5\nply_data_train1.h5\n"})
    source = build_source("shapenet_part_hdf5", {"root": str(tmp_path)})
    found = source.census()
    assert {shape.id: shape.split for shape in found.shapes} == {
        "airplane/train0-0001": "train",
        "chair/test0-0000": "test",
        "chair/train0-0000": "train",
        "chair/val0-0000": "val",
    }
    assert [entry.id for entry in found.skipped] == ["hdf5_data/ply_data_test0.h5:1", "ply_data_train1.h5"]
    airplane, wrong, chair, _ = found.shapes
    loaded = source.load(chair)
    np.testing.assert_array_equal(loaded.points, clouds[0])
    np.testing.assert_array_equal(loaded.labels, np.arange(20) % 2)
    assert loaded.normals is None
    assert source.load(airplane).labels.tolist() == loaded.labels.tolist()
    with pytest.raises(ShapeRejected, match="such as 47, are not of category 'chair'"):
        source.load(wrong)
    assert source.part_names("airplane") == BY_NAME["airplane"].parts
    (tmp_path / "empty").mkdir()
    with pytest.raises(ShapesysError, match=r"expected ply_data_train0\.h5"):
        build_source("shapenet_part_hdf5", {"root": str(tmp_path / "empty")}).census()
