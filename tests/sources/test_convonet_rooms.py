"""ConvONet's rooms: the first files of each kind together, classes of surfaces, and the off-by-one of their lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cloud_trees import write
from onet_trees import array, bits, npz, queries, surface

from shapesys.errors import ShapeRejected, ShapesysError, UsageError
from shapesys.geometry.sampled_solid import SampledSolid
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import preset
from shapesys.samples.store import Store
from shapesys.sources.base import Source
from shapesys.sources.convonet_rooms import OPTIMISED
from shapesys.sources.registry import build_source

PICKLED = npz(objects=np.array([{"room_idx": 0}], dtype=object))


def semantics(count: int = 40) -> np.ndarray:
    """As published: object by object, the ground and the walls last."""
    return np.repeat([0, 1, 2, 3, 4, -1], [5, 5, 5, 5, 5, count - 25])


def room(path: str, files: int = 2, seed: int = 0) -> dict[str, str | bytes]:
    found: dict[str, str | bytes] = {f"{path}/item_dict.npz": PICKLED, f"{path}/pointcloud0.ply": "ply"}
    for number in range(files):
        found[f"{path}/points_iou/points_iou_{number:02d}.npz"] = queries(
            seed + number, z_scale=0, semantics=np.ones(50)
        )
        found[f"{path}/pointcloud/pointcloud_{number:02d}.npz"] = surface(seed + number, semantics=semantics())
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Scenes 0 to 5 of the released builder, made as 3 train, 1 val and 2 test rooms: its lists count from 1."""
    files: dict[str, str | bytes] = {
        "data/rooms_04/train.lst": "00000001\n00000002\n00000003",
        "data/rooms_04/val.lst": "00000004\n\n",
        "data/rooms_04/test.lst": "00000005\n00000006",
    }
    for number in range(6):
        files |= room(f"data/rooms_04/{number:08d}", seed=10 * number)
    return write(tmp_path, files)


def source_of(root: Path, **settings: object) -> Source:
    return build_source("convonet_rooms", {"root": str(root), "files": 2, **settings})


def loaded(source: Source, shape_id: str = "rooms_04/00000001") -> SampledSolid:
    found = source.load(next(ref for ref in source.shapes() if ref.id == shape_id))
    assert isinstance(found, SampledSolid)
    return found


def test_lists_are_taken_as_they_are_and_what_they_miss_is_told(root: Path) -> None:
    found = source_of(root).census()
    assert {shape.id.removeprefix("rooms_04/"): shape.split for shape in found.shapes} == {
        "00000001": "train", "00000002": "train", "00000003": "train", "00000004": "val", "00000005": "test"
    }  # fmt: skip
    assert [(entry.id, entry.stage, entry.reason) for entry in found.skipped] == [
        ("rooms_04/00000000", "split", "in no list; the released builder never lists scene 0"),
        (
            "rooms_04/00000006",
            "split",
            "in test.lst, not on disk; the released builder lists one scene more than it builds",
        ),
    ]


def test_files_are_joined_in_their_order_and_surfaces_are_shuffled(root: Path) -> None:
    found = loaded(source_of(root, jitter=0.0))
    stored = np.concatenate([array(queries(10 + number), "points") for number in range(2)]).astype(np.float32)
    np.testing.assert_array_equal(found.points, stored)
    np.testing.assert_array_equal(found.inside, np.concatenate([bits(queries(10 + number)) for number in range(2)]))
    points = np.concatenate([array(surface(10 + number), "points") for number in range(2)]).astype(np.float32)
    rows = [int(np.flatnonzero((points == point).all(axis=1))[0]) for point in found.surface.points]
    assert sorted(rows) == list(range(80))
    assert rows != sorted(rows), "files list points object by object, and a prefix is to show the whole room"
    classes = np.tile(semantics(), 2)[rows]
    np.testing.assert_array_equal(found.surface.labels, np.where(classes < 0, 5, classes))
    np.testing.assert_allclose(found.surface.normals, 2 * points[rows], atol=2e-3, err_msg="of the ball, at its points")


def test_fewer_files_give_the_first_with_the_same_jitter(root: Path) -> None:
    one, both = loaded(source_of(root, files=1)), loaded(source_of(root))
    np.testing.assert_array_equal(one.points, both.points[:50])
    assert (len(one.surface), len(both.surface)) == (40, 80)
    moved = both.points - np.concatenate([array(queries(10 + number), "points") for number in range(2)])
    assert 5e-5 < moved.std() < 2e-4
    assert abs(np.corrcoef(moved[:50].ravel(), moved[50:].ravel())[0, 1]) < 0.4, "each file has its own"


def test_a_room_without_enough_files_is_left_out(root: Path) -> None:
    (root / "data/rooms_04/00000002/pointcloud/pointcloud_01.npz").unlink()
    [entry] = [entry for entry in source_of(root).skipped() if entry.id == "rooms_04/00000002"]
    assert entry.reason == "no pointcloud/pointcloud_01.npz in its folder; 'files' says how many are needed"
    assert "rooms_04/00000002" in {shape.id for shape in source_of(root, files=1).shapes()}
    with pytest.raises(UsageError, match="files"):
        source_of(root, files=11)


def test_classes_have_names(root: Path) -> None:
    names = source_of(root).part_names("rooms_04")
    assert names == ("cabinet", "chair", "lamp", "sofa", "table", "ground or wall")
    assert source_of(root).part_names("chair") == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"semantics": np.full(40, 5)}, r"semantics of 'rooms_04/00000001' range from -?\d to 5; rooms have -1"),
        ({"semantics": np.full(40, -2)}, "range from -2 to"),
        ({"semantics": np.full(39, 0)}, r"semantics of type int64 and shape \(39,\) beside 40 points"),
        ({"semantics": np.full(40, 0.5)}, "semantics 0.5 is not a whole number"),
        ({"semantics": np.full(40, np.nan)}, "semantics nan is not a whole number"),
    ],
)
def test_classes_that_do_not_exist_are_refused(root: Path, changes: dict[str, np.ndarray], words: str) -> None:
    content = surface(10, **changes)
    write(root, {"data/rooms_04/00000001/pointcloud/pointcloud_00.npz": content})
    with pytest.raises(ShapeRejected, match=words):
        loaded(source_of(root))


def test_without_semantics_a_file_is_refused(root: Path) -> None:
    write(root, {"data/rooms_04/00000001/pointcloud/pointcloud_01.npz": surface()})
    with pytest.raises(ShapeRejected, match=r"pointcloud_01\.npz': no array 'semantics'"):
        loaded(source_of(root))


def test_the_rooms_that_sa_convonet_optimises_are_fifty_test_rooms() -> None:
    assert {category: len(set(rooms)) for category, rooms in OPTIMISED.items()} == dict.fromkeys(
        (f"rooms_0{count}" for count in range(4, 9)), 10
    )
    assert all(801 <= number < 1000 for rooms in OPTIMISED.values() for number in rooms)


def test_other_test_rooms_can_be_left_out(root: Path) -> None:
    for number in (820, 821, 994):
        write(root, room(f"data/rooms_04/{number:08d}", seed=number))
    write(root, {"data/rooms_04/test.lst": "00000005\n00000820\n00000821\n00000994"})
    found = source_of(root, test_list="optimised").census()
    assert [shape.id for shape in found.shapes if shape.split == "test"] == ["rooms_04/00000820", "rooms_04/00000994"]
    assert sum(shape.split == "train" for shape in found.shapes) == 3
    assert found.notes[-2:] == (
        "other test rooms left out: 2",
        "48 of SA-ConvONet's 50 test rooms are missing, such as rooms_04/00000826",
    )
    alone = source_of(root, test_list="optimised", categories=("rooms_04",)).census()
    assert alone.notes[-1] == "8 of SA-ConvONet's 10 test rooms are missing, such as rooms_04/00000826"
    assert sum(shape.split == "test" for shape in source_of(root).shapes()) == 4


def test_rooms_become_a_store_with_labelled_surfaces(root: Path, tmp_path: Path) -> None:
    few = {"inside.count": 100, "inside.chunk": 50, "inside.surface": 20, "occupancy.points": 100, "cloud.points": 60}
    settings = preset("tiny_onet", SampledSolid).override(few)
    report = prepare_locally(source_of(root), str(tmp_path / "store"), settings, isolate=False)
    assert (report.prepared, report.rejected) == (5, 2)
    store = Store.open(str(tmp_path / "store"))
    row = store.shapes(columns=("parts", "sign_method", "inside_share")).to_pylist()[0]
    assert row["parts"][-1] == "ground or wall"
    assert row["sign_method"] == "given"
    cloud = store.read("cloud", ["rooms_04/00000001"])
    assert cloud["points"].shape == (1, 60, 3)
    assert set(cloud["labels"][0]) == set(range(6)), "the first 60 of 80 points show all classes"


def test_a_foreign_folder_is_explained(tmp_path: Path) -> None:
    write(tmp_path, {"rooms_04/00000001/item_dict.npz": PICKLED, "rooms_04/train.lst": "00000001"})
    with pytest.raises(ShapesysError, match=r"expected rooms_04/00000001/points_iou/points_iou_00\.npz"):
        source_of(tmp_path).census()
