"""ShapeNet as Occupancy Networks prepare it: what is read is what the files hold, and what is odd is said."""

from __future__ import annotations

import pickle
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
from shapesys.sources.registry import build_source, source_class
from shapesys.sources.splits import hash_split

METADATA = '{\n  "03001627": {\n    "id": "03001627",\n    "name": "seat"\n  },\n  "custom": {\n    "id": "custom",\n'
METADATA += '    "name": "garden gnome,dwarf"\n  }\n}\n'


def model(path: str, seed: int = 0) -> dict[str, str | bytes]:
    return {f"{path}/points.npz": queries(seed), f"{path}/pointcloud.npz": surface(seed)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Chairs with lists, of which one has an empty line, spaces and names of what is not there; and other folders."""
    files: dict[str, str | bytes] = {
        "ShapeNet/metadata.yaml": METADATA,
        "ShapeNet/03001627/train.lst": "a\n\nb  \r\ngone\n\n",
        "ShapeNet/03001627/val.lst": "c\ntwice",
        "ShapeNet/03001627/test.lst": "d\nhalf\ntwice\n",
        "ShapeNet/03001627/unpaired/img_choy2016/000.jpg": "jpeg",
        "ShapeNet/03001627/half/points.npz": queries(),
        "ShapeNet/custom/test.lst": "g",
    }
    for seed, name in enumerate(("a", "b", "c", "d", "twice", "unlisted")):
        files |= model(f"ShapeNet/03001627/{name}", seed)
    return write(tmp_path, files | model("ShapeNet/custom/g", 9))


def source_of(root: Path, **settings: object) -> Source:
    return build_source("occnet", {"root": str(root), **settings})


def loaded(source: Source, shape_id: str) -> SampledSolid:
    found = source.load(next(ref for ref in source.shapes() if ref.id == shape_id))
    assert isinstance(found, SampledSolid)
    return found


def test_lists_are_the_split_and_what_does_not_fit_is_counted(root: Path) -> None:
    found = source_of(root).census()
    assert {shape.id: shape.split for shape in found.shapes} == {
        "chair/a": "train",
        "chair/b": "train",
        "chair/c": "val",
        "chair/d": "test",
        "garden_gnome/g": "test",
    }
    assert {entry.id: (entry.stage, entry.reason) for entry in found.skipped} == {
        "chair/gone": ("split", "in train.lst, not on disk"),
        "chair/half": ("census", "no pointcloud.npz in its folder"),
        "chair/twice": ("split", "in val.lst and test.lst at once"),
        "chair/unlisted": ("split", "in none of train.lst, val.lst and test.lst"),
    }
    assert "1 shapes left out: in train.lst, not on disk" in found.notes


def test_categories_are_chosen_by_either_name(root: Path) -> None:
    for name in ("chair", "03001627"):
        assert {shape.category for shape in source_of(root, categories=(name,)).shapes()} == {"chair"}
    with pytest.raises(UsageError, match="unknown category 'chiar'; did you mean chair"):
        source_of(root, categories=("chiar",)).census()


def test_without_lists_a_hash_decides(root: Path) -> None:
    for split in ("train", "val", "test"):
        (root / "ShapeNet" / "03001627" / f"{split}.lst").unlink()
    found = source_of(root, test_fraction=0.5, split_seed=3).census()
    chairs = {shape.id.removeprefix("chair/"): shape.split for shape in found.shapes if shape.category == "chair"}
    assert chairs == {name: hash_split(name, 0.0, 0.5, 3) for name in ("a", "b", "c", "d", "twice", "unlisted")}
    assert found.notes[0] == "no lists of chair: split by a hash of the name"
    assert next(shape.split for shape in found.shapes if shape.id == "garden_gnome/g") == "test", "by its list"


def test_samples_are_those_of_the_files(root: Path) -> None:
    found = loaded(source_of(root, jitter=0.0), "chair/b")
    np.testing.assert_array_equal(found.points, array(queries(1), "points").astype(np.float32))
    np.testing.assert_array_equal(found.inside, bits(queries(1)))
    assert (found.points.dtype, found.inside.dtype) == (np.float32, np.bool_)
    np.testing.assert_array_equal(found.surface.points, array(surface(1), "points").astype(np.float32))
    normals = array(surface(1), "normals").astype(np.float32)
    np.testing.assert_allclose(found.surface.normals, normals, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(found.surface.normals, axis=1), 1.0, atol=1e-6)
    assert found.surface.labels is None
    assert source_class("occnet").gives is SampledSolid


def test_half_precision_is_jittered_the_same_for_ever_and_otherwise_for_each_shape(root: Path) -> None:
    large = queries(0, 4000)
    for name in ("a", "b"):
        write(root, {f"ShapeNet/03001627/{name}/points.npz": large})
    stored = array(large, "points").astype(np.float32)
    moved = {name: loaded(source_of(root), f"chair/{name}").points - stored for name in ("a", "b")}
    assert moved["a"].std() == pytest.approx(1e-4, rel=0.03)
    assert abs(moved["a"].mean()) < 5e-6
    np.testing.assert_array_equal(loaded(source_of(root), "chair/a").points - stored, moved["a"])
    assert abs(np.corrcoef(moved["a"].ravel(), moved["b"].ravel())[0, 1]) < 0.05
    wide = loaded(source_of(root, jitter=0.01), "chair/a").points - stored
    np.testing.assert_allclose(wide, 100 * moved["a"], atol=1e-5)


def test_single_precision_is_left_alone(root: Path) -> None:
    single = queries(0, kind="f4")
    write(root, {"ShapeNet/03001627/a/points.npz": single})
    np.testing.assert_array_equal(loaded(source_of(root), "chair/a").points, array(single, "points"))


@pytest.mark.parametrize("kind", ["?", "u1", "i8", "f4"])
def test_bits_may_be_a_number_each(root: Path, kind: str) -> None:
    unpacked = bits(queries()).astype(kind)
    write(root, {"ShapeNet/03001627/a/points.npz": queries(occupancies=unpacked)})
    np.testing.assert_array_equal(loaded(source_of(root), "chair/a").inside, bits(queries()))


def test_the_digest_follows_files_and_jitter(root: Path) -> None:
    def digest(**settings: object) -> str:
        source = source_of(root, **settings)
        return source.digest(source.shapes()[0])

    first = digest()
    assert digest(jitter=0.0) != first == digest(max_points=500)
    write(root, {"ShapeNet/03001627/a/pointcloud.npz": surface(7)})
    assert digest() != first


HALF = np.full((50, 3), 0.25, np.float16)
NAN = np.where(np.arange(150).reshape(50, 3) == 4, np.nan, HALF).astype(np.float16)
PICKLED = np.array([{"shell": "os.system"}], dtype=object)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("points", npz(points=HALF), "no array 'occupancies' among points"),
        ("points", npz(occupancies=np.zeros(7, np.uint8)), "no array 'points' among occupancies"),
        ("points", queries(points=HALF[:, :2]), r"points of type float16 and shape \(50, 2\); expected real numbers"),
        ("points", queries(points=HALF.astype(int)), "points of type int64"),
        ("points", queries(points=NAN), "1 of 50 points are not finite"),
        ("points", queries(points=HALF.astype("f8") * 1e300), "50 of 50 points are not finite"),
        ("points", queries(count=0), r"points of type float16 and shape \(0, 3\)"),
        ("points", queries(occupancies=np.zeros(6, np.uint8)), r"occupancies of type uint8 and shape \(6,\) beside 50"),
        ("points", queries(occupancies=np.zeros(8, np.uint8)), "or 7 bytes of packed bits"),
        ("points", queries(occupancies=np.zeros((50, 1), bool)), r"shape \(50, 1\) beside 50 points"),
        ("points", queries(occupancies=np.full(50, 2, np.uint8)), "occupancies range from 2 to 2; expected 0 and 1"),
        ("points", queries(occupancies=PICKLED), "'occupancies' holds Python objects, which are never unpickled"),
        ("points", queries(points=np.array([PICKLED])), "'points' holds Python objects"),
        ("points", b"PK\x03\x04" + bytes(80), "malformed NPZ"),
        ("points", b"", "malformed NPZ"),
        ("points", pickle.dumps([1, 2, 3]), "malformed NPZ"),
        ("points", queries()[:-60], "malformed NPZ"),
        ("points", queries(count=5000), "5000 vertices, more than the limit of 1000"),
        ("pointcloud", npz(points=HALF), "no array 'normals' among points"),
        ("pointcloud", surface(normals=HALF), "50 normals beside 40 points"),
        ("pointcloud", surface(points=np.full((40, 3), np.inf)), "40 of 40 points are not finite"),
        ("pointcloud", surface(normals=np.full((40, 3), np.nan)), "40 of 40 normals are not finite"),
    ],
)
def test_malformed_files_are_named_with_the_reason(root: Path, file: str, content: bytes, words: str) -> None:
    write(root, {f"ShapeNet/03001627/a/{file}.npz": content})
    with pytest.raises(ShapeRejected, match=words) as caught:
        loaded(source_of(root, max_points=1000), "chair/a")
    assert f"03001627/a/{file}.npz" in caught.value.reason or "vertices" in words
    assert caught.value.stage == "read"


def test_a_file_that_unpacks_to_more_than_allowed_is_refused(root: Path) -> None:
    import io

    stream = io.BytesIO()
    np.savez_compressed(stream, points=np.zeros((200_000, 3), "f8"), occupancies=np.zeros(25_000, np.uint8))
    write(root, {"ShapeNet/03001627/a/points.npz": stream.getvalue()})
    with pytest.raises(ShapeRejected, match=r"a/points\.npz': 4825256 bytes, more than the limit"):
        loaded(source_of(root, max_megabytes=4), "chair/a")


def test_they_become_a_store_that_keeps_the_published_frame_where_asked_to(root: Path, tmp_path: Path) -> None:
    write(root, {"ShapeNet/03001627/d/points.npz": b"broken"})
    few = {"inside.count": 50, "inside.chunk": 25, "inside.surface": 10, "occupancy.points": 30, "frame": "as_given"}
    settings = preset("onet", SampledSolid).override(few | {"cloud.noise": 0.0})
    report = prepare_locally(source_of(root, jitter=0.0), str(tmp_path / "store"), settings, isolate=False)
    assert (report.total, report.prepared, report.rejected) == (9, 4, 5)
    assert {row["shape_id"] for row in report.rejections if row["stage"] == "read"} == {"chair/d"}
    store = Store.open(str(tmp_path / "store"))
    assert store.views == ("inside", "occupancy", "cloud")
    [row] = [row for row in store.shapes().to_pylist() if row["shape_id"] == "chair/a"]
    assert (row["centre"], row["scale"], row["sign_method"]) == ([0.0, 0.0, 0.0], 1.0, "given")
    assert row["inside_share"] == pytest.approx(bits(queries()).mean())
    chunks = [store.read_chunk("inside", chunk, ["chair/a"]) for chunk in range(2)]
    points = np.concatenate([chunk["points"][0] for chunk in chunks])
    stored = array(queries(), "points").astype(np.float32)
    order = [int(np.flatnonzero((stored == point).all(axis=1))[0]) for point in points]
    assert sorted(order) == list(range(50)), "every query once, to the bit"
    np.testing.assert_array_equal(np.concatenate([chunk["inside"][0] for chunk in chunks]), bits(queries())[order])
    cloud = store.read("cloud", ["chair/a"])["points"][0]
    np.testing.assert_array_equal(cloud, array(surface(), "points").astype(np.float32))


def test_a_foreign_folder_is_explained(tmp_path: Path) -> None:
    write(tmp_path, {"03001627/a/model.obj": "v 0 0 0"})
    with pytest.raises(ShapesysError, match=r"expected <synset>/<model>/points\.npz and pointcloud\.npz"):
        source_of(tmp_path).census()
