from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow.parquet as pq
import pytest
from trap_source import SMALL, TrapSettings, TrapSource, write_shape

from shapesys.errors import ShapesysError, UsageError
from shapesys.samples.filesystem import Folder
from shapesys.samples.part_file import PartFile
from shapesys.samples.parts import Part, bucket_count, bucket_of
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.store import Store
from shapesys.samples.views import VIEWS


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a store of five boxes and a sheet."""
    base = tmp_path_factory.mktemp("store")
    for number in range(4):
        write_shape(base / "shapes", f"box/b{number}", size=1.0 + 0.1 * number)
    write_shape(base / "shapes", "box/t4", size=0.5)
    write_shape(base / "shapes", "sheet/s0", "sheet")
    prepare_locally(TrapSource(TrapSettings(root=str(base / "shapes"))), str(base / "store"), SMALL, isolate=False)
    return base / "store"


@pytest.fixture
def store(root: Path) -> Store:
    return Store.open(str(root))


BOXES = ["box/b0", "box/b1", "box/b2", "box/b3"]


def test_shapes_by_split_category_and_view(store: Store) -> None:
    assert store.shape_ids() == [*BOXES, "box/t4", "sheet/s0"]
    assert store.shape_ids(split="train", categories=["box"]) == BOXES
    assert store.shape_ids(split="test") == ["box/t4"]
    assert store.shape_ids(views="sdf") == [*BOXES, "box/t4"]
    assert store.shape_ids(views="cloud")[-1] == "sheet/s0"
    assert store.shape_ids(views=("cloud", "sdf")) == store.shape_ids(views="sdf")
    assert store.categories() == ["box", "sheet"]
    assert store.shapes().schema.equals(VIEWS["shapes"].schema)
    assert store.describe().startswith("6 shapes (")


def test_chunks_hold_every_query_once_and_fill_up_the_last(store: Store) -> None:
    assert (store.chunk_count("sdf"), store.chunk_size("sdf")) == (3, 200)
    chunks = [store.read_chunk("sdf", chunk, BOXES) for chunk in range(3)]
    points = np.concatenate([chunk["points"] for chunk in chunks], axis=1)
    assert points.shape == (4, 600, 3)
    assert points.dtype == np.float32
    for shape in points:
        assert len(np.unique(shape, axis=0)) == 500
        np.testing.assert_array_equal(shape[500:], shape[:100])
    assert chunks[0]["distance"].shape == (4, 200)


def test_distances_and_inside_bits_are_those_of_the_box(store: Store) -> None:
    for shape_id, row in zip(BOXES, store.shapes(categories=["box"]).to_pylist(), strict=False):
        half = np.array([1.0 + 0.1 * int(shape_id[-1]), 1.0, 2.0]) / 2 / row["scale"]
        chunk = store.read_chunk("sdf", 1, [shape_id])
        truth = _box_distance(chunk["points"][0], half)
        np.testing.assert_allclose(chunk["distance"][0], truth, atol=2e-6)
        occupancy = store.read("occupancy", [shape_id])
        expected = _box_distance(occupancy["points"][0], half) < 0
        assert 0.2 < expected.mean() < 0.9
        np.testing.assert_array_equal(occupancy["inside"][0], expected)


def _box_distance(points: np.ndarray, half: np.ndarray) -> np.ndarray:
    offset = np.abs(points.astype(np.float64)) - half
    return np.linalg.norm(np.maximum(offset, 0), axis=1) + np.minimum(offset.max(axis=1), 0)


def test_cloud_is_in_farthest_point_order_with_outward_normals(store: Store) -> None:
    cloud = store.read("cloud", BOXES, columns=["points", "normals"])
    points = cloud["points"][0].astype(np.float64)
    reach = np.full(len(points), np.inf)
    radii = []
    for index in range(len(points) - 1):
        reach = np.minimum(reach, np.linalg.norm(points - points[index], axis=1))
        radii.append(reach[index + 1])
        assert reach[index + 1] == pytest.approx(reach.max(), abs=1e-6)
    assert radii == sorted(radii, reverse=True)
    # The box is centred on the origin, so outward means away from it.
    assert (np.einsum("bnk,bnk->bn", cloud["points"], cloud["normals"]) > 0).all()


def test_labels_follow_the_faces(store: Store) -> None:
    cloud = store.read("cloud", ["sheet/s0"])
    np.testing.assert_array_equal(cloud["labels"], np.full((1, 64), 3))
    assert store.read("cloud", BOXES)["labels"].shape == (4, 0)
    assert store.mesh("sheet/s0").face_labels.tolist() == [3]
    with pytest.raises(ShapesysError, match="'labels' has 0 values for 'box/b0' and 64 for 'sheet/s0'"):
        store.read("cloud", ["box/b0", "sheet/s0"])


def test_meshes_are_normalised(store: Store) -> None:
    mesh = store.mesh("box/b0")
    assert len(mesh.faces) == 12
    assert mesh.face_labels is None
    assert np.linalg.norm(mesh.vertices, axis=1).max() == pytest.approx(1 / 1.03)


@pytest.mark.parametrize("size", [2, 9, 200, 16_384, 300_000])
def test_reading_in_place_equals_decoding(size: int, tmp_path: Path) -> None:
    from shapesys.samples.parts import encode, row_table

    rng = np.random.default_rng(size)
    rows = [
        {"shape_id": f"a/{i}", "points": rng.random((size, 3), np.float32), "distance": rng.random(size, np.float32)}
        for i in range(2)
    ]
    (tmp_path / "x.parquet").write_bytes(encode(VIEWS["sdf"], [row_table(VIEWS["sdf"], row) for row in rows]))
    file = PartFile(Folder(str(tmp_path)), "x.parquet")
    with mock.patch.object(PartFile, "_decoded", side_effect=AssertionError("decoded")):
        found = [(file.values(row["shape_id"], "points"), file.values(row["shape_id"], "distance")) for row in rows]
    for row, (points, distance) in zip(rows, found, strict=True):
        np.testing.assert_array_equal(points, row["points"].ravel())
        np.testing.assert_array_equal(distance, row["distance"])
    plain = pq.read_table(tmp_path / "x.parquet")
    np.testing.assert_array_equal(plain["points"][1].values.to_numpy(), found[1][0])


@pytest.mark.parametrize(
    "options", [{"compression": "zstd"}, {"use_dictionary": True}, {"data_page_size": 64}, {"data_page_version": "2.0"}]
)
def test_files_that_others_wrote_are_read_all_the_same(store: Store, tmp_path: Path, options: dict) -> None:
    source = next(Path(store.url).glob("sdf/chunk=000/*.parquet"))
    table = pq.read_table(source, schema=VIEWS["sdf"].schema)
    defaults = {"use_dictionary": False, "compression": "none", "write_statistics": ["shape_id"]}
    pq.write_table(table, tmp_path / "other.parquet", row_group_size=1, **defaults | options)
    ours, other = (
        PartFile(Folder(store.url), str(source.relative_to(store.url))),
        PartFile(Folder(str(tmp_path)), "other.parquet"),
    )
    for shape_id in ours.row_groups:
        np.testing.assert_array_equal(other.values(shape_id, "points"), ours.values(shape_id, "points"))


def test_empty_and_single_values_are_read(store: Store, tmp_path: Path) -> None:
    from shapesys.samples.parts import encode, row_table

    row = {"shape_id": "a/b", "points": np.zeros((0, 3), np.float32), "distance": np.array([0.5], np.float32)}
    (tmp_path / "x.parquet").write_bytes(encode(VIEWS["sdf"], [row_table(VIEWS["sdf"], row)]))
    file = PartFile(Folder(str(tmp_path)), "x.parquet")
    assert file.values("a/b", "points").shape == (0,)
    assert file.values("a/b", "distance").tolist() == [0.5]


def test_arrays_own_their_memory(store: Store) -> None:
    chunk = store.read_chunk("sdf", 0, ["box/b0"])
    chunk["points"][:] = 0
    assert store.read_chunk("sdf", 0, ["box/b0"])["points"].any()


def test_travels_by_pickle(store: Store) -> None:
    store.read_chunk("sdf", 0, BOXES)
    data = pickle.dumps(store)
    assert len(data) < 500
    np.testing.assert_array_equal(pickle.loads(data).mesh("box/b0").faces, store.mesh("box/b0").faces)


def test_digest_follows_content(store: Store, root: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(root, tmp_path / "copy")
    assert Store.open(str(copy)).digest() == store.digest()
    next((copy / "shapes").glob("*.parquet")).unlink()
    assert Store.open(str(copy)).digest() != store.digest()


def test_the_younger_of_two_commits_counts(store: Store, root: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(root, tmp_path / "copy")
    old = Store.open(str(copy)).parts[0]
    young = old.__class__(old.bucket, "0" * 16)
    (copy / young.file("shapes")).write_bytes((copy / old.file("shapes")).read_bytes())
    import os

    os.utime(copy / old.file("shapes"), (1, 1))
    assert young in Store.open(str(copy)).parts
    assert old not in Store.open(str(copy)).parts


def test_errors_name_the_thing_and_the_way_out(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ShapesysError, match="no sample store at .*shapesys prepare"):
        Store.open(str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="no view 'images', only meshes, sdf, occupancy, cloud"):
        store.read("images", BOXES)
    with pytest.raises(UsageError, match="holds 0 to 2"):
        store.read_chunk("sdf", 3, BOXES)
    with pytest.raises(UsageError, match="did you mean points"):
        store.require("sdf", ["point"])
    with pytest.raises(UsageError, match="unknown shape 'box/b5'; did you mean box/b"):
        store.read("cloud", ["box/b5"])
    with pytest.raises(ShapesysError, match="'sheet/s0' has no 'sdf' samples .*enclose no volume"):
        store.read_chunk("sdf", 0, ["sheet/s0"])
    with pytest.raises(UsageError, match="unknown category 'boks'; did you mean box"):
        store.shapes(categories=["boks"])
    with pytest.raises(UsageError, match="read_chunk"):
        store.read("sdf", BOXES)
    (tmp_path / "manifest.json").write_text('{"schema": 99}')
    with pytest.raises(ShapesysError, match="schema version 99"):
        Store.open(str(tmp_path))
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ShapesysError, match="not valid JSON"):
        Store.open(str(tmp_path))


def test_a_damaged_store_says_what_to_do(root: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(root, tmp_path / "copy")
    store = Store.open(str(copy))
    part = store.part_of("box/b0")
    (copy / part.file("sdf", 1)).unlink()
    (copy / part.file("cloud")).write_bytes(b"PAR1 nothing else")
    with pytest.raises(ShapesysError, match=r"sdf/chunk=001/part.* remove .*shapes/part-.* prepare again"):
        store.read_chunk("sdf", 1, ["box/b0"])
    with pytest.raises(ShapesysError, match=r"cloud/part.* remove .*shapes/part"):
        store.read("cloud", ["box/b0"])


def test_overwritten_samples_are_noticed(root: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(root, tmp_path / "copy")
    store, shape = Store.open(str(copy)), "box/b0"
    truth = store.read_chunk("sdf", 0, [shape])["distance"].tobytes()
    damaged = 0
    for path in (copy / "sdf").rglob("*.parquet"):
        content = path.read_bytes()
        damaged += content.count(truth)
        path.write_bytes(content.replace(truth, b"\xff" * len(truth)))
    assert damaged == 1
    with pytest.raises(ShapesysError, match=f"'distance' of shape '{shape}' holds numbers that are not finite"):
        Store.open(str(copy)).read_chunk("sdf", 0, [shape])


def test_buckets_spread_few_shapes_and_gather_many() -> None:
    assert [bucket_count(n) for n in (0, 1, 36, 640, 12_311, 51_300)] == [1, 1, 36, 64, 385, 1604]
    counts = np.bincount([bucket_of(f"chair/{i}", 64) for i in range(6400)], minlength=64)
    assert 50 < counts.min() <= counts.max() < 160
    assert bucket_of("chair/0001", 1000) == 522


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket on an S3-compatible server on the loopback address."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="shapes")
    yield "s3://shapes/stores/one"
    server.stop()


@pytest.mark.parametrize("kind", ["memory", "s3"])
def test_other_filesystems_hold_the_same_store(
    kind: str, root: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("s3") if kind == "s3" else f"memory://{tmp_path.name}/store"
    source = TrapSource(TrapSettings(root=str(root.parent / "shapes")))
    assert prepare_locally(source, url, SMALL, isolate=False).prepared == 6
    assert prepare_locally(source, url, SMALL, isolate=False).kept == 6
    here, there = Store.open(str(root)), Store.open(url)
    assert there.digest() == here.digest()
    names = [name for name in here.folder.names() if name != ".lock"]
    assert list(there.folder.names()) == names
    for name in names:
        assert there.folder.read(name) == here.folder.read(name)
    for name, values in here.read_chunk("sdf", 1, BOXES).items():
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(there)).read_chunk("sdf", 1, BOXES)[name], values)
    np.testing.assert_array_equal(there.mesh("box/b1").vertices, here.mesh("box/b1").vertices)
    changed = tmp_path / "shapes"
    shutil.copytree(root.parent / "shapes", changed)
    write_shape(changed, "box/b0", size=9.0)
    report = prepare_locally(TrapSource(TrapSettings(root=str(changed))), url, SMALL, isolate=False)
    assert (report.prepared, report.kept) == (1, 5)
    assert len(there.folder.names()) == len(names)


def test_a_place_that_does_not_exist_is_named() -> None:
    with pytest.raises(ShapesysError, match="cannot open nonsense://x"):
        Store.open("nonsense://x")


def test_a_store_may_have_more_buckets_than_five_digits_name() -> None:
    parts = [Part(bucket, "0123456789abcdef") for bucket in (7, 99_999, 312_500)]
    assert [Part.of_file(part.file("sdf", 3)) for part in parts] == parts


def test_only_the_files_asked_for_are_named(tmp_path: Path) -> None:
    for url in (str(tmp_path), f"memory://{tmp_path.name}/names"):
        folder = Folder(url)
        assert folder.starting("shapes/part-00001-") == []
        for name in ("shapes/part-00001-b", "shapes/part-00001-a", "shapes/part-000010-c", "other/part-00001-d"):
            folder.write(name, b"x")
        assert folder.starting("shapes/part-00001-") == ["shapes/part-00001-a", "shapes/part-00001-b"]


def test_shapes_may_be_read_in_part(root: Path) -> None:
    store = Store.open(str(root))
    whole = store.shapes("train", ["box"])
    assert store.shapes("train", ["box"], columns=()) == whole.select(["shape_id", "category", "split"])
    assert store.shapes("train", ["box"], columns=["scale"]).column_names == ["shape_id", "category", "split", "scale"]
    assert whole.column_names == VIEWS["shapes"].schema.names


def test_many_files_are_read_in_groups(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = Store.open(str(root)).shapes()
    monkeypatch.setattr("shapesys.samples.store._FILES_AT_ONCE", 2)
    assert len(Store.open(str(root)).parts) > 2
    assert Store.open(str(root)).shapes() == expected
