"""ModelNet40 in HDF5: names, order, damaged and hostile files."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from unittest import mock

import h5py
import numpy as np
import pytest
from cloud_trees import cloud, write, write_hdf5

from shapesys.errors import ShapeRejected, ShapesysError, UsageError
from shapesys.sources.registry import build_source

CLOUDS = np.stack([cloud(seed) for seed in range(5)]).astype(np.float32)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "modelnet40_ply_hdf5_2048"
    labels = np.array([[1], [0], [1]], dtype=np.uint8)
    write_hdf5(folder / "ply_data_train0.h5", data=CLOUDS[:3, :, :3], normal=2 * CLOUDS[:3, :, 3:], label=labels)
    write_hdf5(folder / "ply_data_train10.h5", data=CLOUDS[3:4, :, :3], label=np.array([0]))
    write_hdf5(folder / "ply_data_test0.h5", data=CLOUDS[4:, :, :3], label=np.array([[1]]))
    names = ["night_stand/night_stand_0007.ply", "chair/chair_0001.ply", "night_stand/night_stand_0002.ply"]
    return write(
        tmp_path,
        {
            "modelnet40_ply_hdf5_2048/shape_names.txt": "chair\nnight_stand\n\n",
            "modelnet40_ply_hdf5_2048/ply_data_train_0_id2file.json": json.dumps(names),
            "modelnet40_ply_hdf5_2048/train_files.txt": "data/modelnet40_ply_hdf5_2048/ply_data_train0.h5\n\n"
            "data/modelnet40_ply_hdf5_2048/ply_data_train1.h5\n",
            "modelnet40_ply_hdf5_2048/.DS_Store": "",
            "modelnet40_ply_hdf5_2048/Thumbs.db": "",
        },
    )


def test_names_splits_and_what_is_missing(root: Path) -> None:
    found = build_source("modelnet40_hdf5", {"root": str(root)}).census()
    assert {shape.id: shape.split for shape in found.shapes} == {
        "chair/chair_0001": "train",
        "chair/train10-0000": "train",
        "night_stand/night_stand_0002": "train",
        "night_stand/night_stand_0007": "train",
        "night_stand/test0-0000": "test",
    }
    assert [(entry.id, entry.reason) for entry in found.skipped] == [
        ("ply_data_train1.h5", "in train_files.txt, not on disk")
    ]
    assert found.notes == ("clouds found: 4 train, 1 test; the release has 9840 train, 2468 test",)
    held = build_source(
        "modelnet40_hdf5", {"root": str(root), "val_fraction": 0.999, "categories": ("chair",)}
    ).census()
    assert {shape.split for shape in held.shapes} == {"val"}
    with pytest.raises(UsageError, match="did you mean chair"):
        build_source("modelnet40_hdf5", {"root": str(root), "categories": ("chiar",)}).census()


def test_rows_are_read_as_they_are_and_files_stay_closed(root: Path) -> None:
    source = pickle.loads(pickle.dumps(build_source("modelnet40_hdf5", {"root": str(root)})))
    shapes = {ref.id: ref for ref in source.shapes()}
    with mock.patch.object(h5py, "File", side_effect=h5py.File) as opened:
        loaded = source.load(shapes["night_stand/night_stand_0002"])
        bare = source.load(shapes["chair/train10-0000"])
    assert [call.args[1] for call in opened.call_args_list] == ["r", "r"]
    np.testing.assert_array_equal(loaded.points, CLOUDS[2, :, :3])
    np.testing.assert_allclose(loaded.normals, CLOUDS[2, :, 3:], atol=1e-6)
    np.testing.assert_array_equal(bare.points, CLOUDS[3, :, :3])
    assert bare.normals is None
    assert source.part_names("chair") == ()
    # Reading must not change the files, nor hold them.
    pickle.dumps(source)
    with h5py.File(root / "modelnet40_ply_hdf5_2048" / "ply_data_train10.h5", "r+") as file:
        before = source.digest(shapes["night_stand/night_stand_0002"])
        file["data"][0, 0, 0] += 1
    assert source.digest(shapes["night_stand/night_stand_0002"]) == before
    assert source.load(shapes["chair/train10-0000"]).points[0, 0] == pytest.approx(CLOUDS[3, 0, 0] + 1)


def test_the_digest_follows_the_row(root: Path) -> None:
    source = build_source("modelnet40_hdf5", {"root": str(root)})
    first, second, *_ = source.shapes()
    before = source.digest(first), source.digest(second)
    with h5py.File(root / "modelnet40_ply_hdf5_2048" / "ply_data_train10.h5", "r+") as file:
        file["data"][0, 0, 0] += 1
    assert source.digest(first) == before[0]
    assert source.digest(second) != before[1]


def test_a_truncated_file_is_skipped_and_the_others_are_used(root: Path) -> None:
    path = root / "modelnet40_ply_hdf5_2048" / "ply_data_train0.h5"
    path.write_bytes(path.read_bytes()[:3000])
    found = build_source("modelnet40_hdf5", {"root": str(root)}).census()
    assert len(found.shapes) == 2
    (reason,) = [entry.reason for entry in found.skipped if entry.id.endswith("train0.h5")]
    assert "malformed HDF5" in reason


def test_names_of_another_length_are_passed_over(root: Path) -> None:
    write(root, {"modelnet40_ply_hdf5_2048/ply_data_train_0_id2file.json": '["chair/chair_0001.ply"]'})
    found = build_source("modelnet40_hdf5", {"root": str(root)}).census()
    assert [shape.id for shape in found.shapes][:2] == ["chair/train0-0001", "chair/train10-0000"]
    assert "its clouds are numbered: not a list of 3 names" in found.notes[0]


def test_defects_of_rows_and_columns(root: Path) -> None:
    folder = root / "modelnet40_ply_hdf5_2048"
    broken = CLOUDS[:2, :, :3].copy()
    broken[0, 3] = np.nan
    write_hdf5(folder / "ply_data_test1.h5", data=broken, label=np.array([0, 9]))
    write_hdf5(folder / "ply_data_test2.h5", data=CLOUDS[:2, :, :2], label=np.array([0, 0]))
    write_hdf5(folder / "ply_data_test3.h5", data=CLOUDS[:2, :, :3], label=np.array([0]))
    write_hdf5(folder / "ply_data_test4.h5", points=CLOUDS[:2, :, :3], label=np.array([0, 0]))
    source = build_source("modelnet40_hdf5", {"root": str(root)})
    found = source.census()
    reasons = {entry.id.rpartition("/")[2]: entry.reason for entry in found.skipped}
    assert reasons["ply_data_test1.h5:1"] == "class label 9, but there are 2 class names"
    assert "labels of shape (1,)" in reasons["ply_data_test3.h5"]
    assert "no data set 'data' in the HDF5 file (it has label, points)" in reasons["ply_data_test4.h5"]
    shapes = {ref.id: ref for ref in found.shapes}
    with pytest.raises(ShapeRejected, match="1 of 20 points are not finite"):
        source.load(shapes["chair/test1-0000"])
    with pytest.raises(ShapeRejected, match=r"shape \(2, 20, 2\); expected \(clouds, points, 3\)"):
        source.load(shapes["chair/test2-0000"])
    small = build_source("modelnet40_hdf5", {"root": str(root), "max_points": 19})
    with pytest.raises(ShapeRejected, match="more than the limit of 19"):
        small.load(shapes["chair/train10-0000"])


def test_data_in_other_files_are_not_followed(root: Path, tmp_path: Path) -> None:
    folder = root / "modelnet40_ply_hdf5_2048"
    with h5py.File(folder / "ply_data_test1.h5", "w") as file:
        file["data"] = h5py.ExternalLink("ply_data_test0.h5", "data")
        file["label"] = np.array([0])
    (tmp_path / "secret").write_bytes(bytes(240))
    with h5py.File(folder / "ply_data_test2.h5", "w") as file:
        file.create_dataset("data", (1, 20, 3), "f4", external=[(str(tmp_path / "secret"), 0, 240)])
        file["label"] = np.array([0])
    skipped = build_source("modelnet40_hdf5", {"root": str(root)}).skipped()
    reasons = {entry.id.rpartition("/")[2]: entry.reason for entry in skipped}
    assert "is a link" in reasons["ply_data_test1.h5"]
    assert "lies in other files" in reasons["ply_data_test2.h5"]


def test_a_foreign_folder_and_a_missing_package_are_explained(root: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ShapesysError, match=r"expected ply_data_train0\.h5"):
        build_source("modelnet40_hdf5", {"root": str(tmp_path / "empty")}).census()
    with (
        mock.patch.dict("sys.modules", {"h5py": None}),
        pytest.raises(ShapesysError, match=r"pip install 'shapesys\[hdf5\]'"),
    ):
        build_source("modelnet40_hdf5", {"root": str(root)}).census()
    (root / "modelnet40_ply_hdf5_2048" / "shape_names.txt").unlink()
    with pytest.raises(ShapesysError, match=r"no shape_names\.txt"):
        build_source("modelnet40_hdf5", {"root": str(root)}).census()


def test_a_remote_root_is_read_in_pieces(root: Path) -> None:
    import fsspec

    files = fsspec.filesystem("memory")
    files.put(str(root / "modelnet40_ply_hdf5_2048"), "/clouds", recursive=True)
    try:
        source = build_source("modelnet40_hdf5", {"root": "memory://clouds"})
        shapes = source.shapes()
        assert len(shapes) == 5
        np.testing.assert_array_equal(source.load(shapes[1]).points, CLOUDS[3, :, :3])
    finally:
        files.rm("/clouds", recursive=True)


def test_a_file_that_claims_any_number_of_clouds_is_skipped(root: Path) -> None:
    path = root / "modelnet40_ply_hdf5_2048" / "ply_data_train7.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("data", (10**10, 4, 3), "f4", chunks=(1, 4, 3))
        file.create_dataset("label", (10**10, 1), "u1", chunks=(1, 1))
    assert path.stat().st_size < 10_000
    found = build_source("modelnet40_hdf5", {"root": str(root)}).census()
    [reason] = [entry.reason for entry in found.skipped if entry.id.endswith("ply_data_train7.h5")]
    assert "claims 10000000000 class labels" in reason
