from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from trap_source import SMALL, TrapSource

from shapesys.errors import ShapesysError, UsageError
from shapesys.geometry.cloud import Cloud
from shapesys.geometry.distance import MeshDistance
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.surface import sample_surface
from shapesys.samples.manifest import Manifest
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import PrepareConfig, UnsignedConfig
from shapesys.samples.shape_samples import Seeds
from shapesys.samples.store import Store
from shapesys.samples.unsigned_queries import ON_SURFACE, Origins, chunked, unsigned_of_mesh, unsigned_of_points
from shapesys.sources.registry import build_source

UDF = SMALL.override({"views": ("udf", "meshes", "cloud"), "udf.count": 900, "udf.chunk": 400, "udf.neighbour": 3})
SQUARE = Mesh(
    np.array([[-0.5, -0.5, 0.0], [0.5, -0.5, 0.0], [0.5, 0.5, 0.0], [-0.5, 0.5, 0.0]], dtype=np.float32),
    np.array([[0, 1, 2], [0, 3, 2]], dtype=np.int32),
)
"""Open, and its triangles disagree about their orientation."""


def to_the_square(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    closest = np.append(np.clip(points[:, :2], -0.5, 0.5), np.zeros((len(points), 1)), axis=1)
    return np.linalg.norm(points - closest, axis=1), closest


def on_the_square(count: int, seed: int) -> Origins:
    found = sample_surface(SQUARE, count, seed)
    return Origins(found.points, np.broadcast_to(np.float32([0.0, 0.0, 1.0]), found.points.shape))


def test_an_open_mesh_that_has_no_signs_has_exact_unsigned_distances(trap_source: TrapSource, tmp_path: Path) -> None:
    """The sheet, rejected for `sdf`, is the triangle of its one face."""
    report = prepare_locally(trap_source, str(tmp_path / "store"), UDF, isolate=False)
    assert (report.prepared, report.rejected, report.partial) == (6, 0, 0)
    store = Store.open(str(tmp_path / "store"))
    a, b, c = np.asarray(store.mesh("sheet/s0").vertices, np.float64)
    rows = [store.read_chunk("udf", chunk, ["sheet/s0"]) for chunk in range(store.chunk_count("udf"))]
    assert [row["points"].shape for row in rows] == [(1, 400, 3)] * 3
    points = np.concatenate([row["points"][0] for row in rows]).astype(np.float64)
    distance = np.concatenate([row["distance"][0] for row in rows])
    normal = np.cross(b - a, c - a) / np.linalg.norm(np.cross(b - a, c - a))
    first, second = np.linalg.lstsq(np.stack([b - a, c - a], axis=1), (points - a).T, rcond=None)[0]
    above = (first > 0) & (second > 0) & (first + second < 1)
    assert above.sum() > 300
    np.testing.assert_allclose(distance[above], np.abs((points - a) @ normal)[above], atol=1e-6)
    assert (distance >= 0).all()


def test_distances_to_a_mesh_are_to_its_triangles_whatever_their_orientation(trap_source: TrapSource) -> None:
    found = unsigned_of_mesh(on_the_square, to_the_square, UnsignedConfig(count=2000, neighbour=5), 1)
    measured = MeshDistance(SQUARE).closest(found["points"]).distance
    np.testing.assert_allclose(measured, found["distance"], atol=1e-6)


def test_half_of_the_queries_lie_within_the_neighbours_distance_and_half_as_wide_as_the_global() -> None:
    config = UnsignedConfig(count=40_000, neighbour=50, global_std=0.3)
    points = unsigned_of_mesh(on_the_square, to_the_square, config, 0)["points"]
    local, wide = points[:20_000, 2], points[20_000:, 2]
    # 50 neighbours of 20,000 on a unit square lie within a radius r of area 50 / 20,000.
    assert np.std(local) == pytest.approx(np.sqrt(50 / 20_000 / np.pi), rel=0.1)
    assert np.std(wide) == pytest.approx(0.3, rel=0.03)


def test_a_cloud_is_measured_to_its_points_each_displaced_equally_often() -> None:
    cloud = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    found = unsigned_of_points(cloud, UnsignedConfig(count=199, neighbour=4, global_std=0.0), 0)
    exact = np.linalg.norm(found["points"][:, None] - cloud, axis=2)
    np.testing.assert_allclose(found["distance"], exact.min(axis=1), atol=1e-6)
    # Without global noise, the second half are the cloud's points.
    counts = np.bincount(exact[100:].argmin(axis=1), minlength=50)
    assert (counts.min(), counts.max(), counts.sum()) == (1, 2, 99)


def test_directions_are_the_gradient_of_the_distance() -> None:
    found = unsigned_of_mesh(on_the_square, to_the_square, UnsignedConfig(count=500, neighbour=5), 1)
    points, step = found["points"].astype(np.float64), 1e-6
    for axis in range(3):
        shift = step * np.eye(3)[axis]
        slope = (to_the_square(points + shift)[0] - to_the_square(points - shift)[0]) / (2 * step)
        np.testing.assert_allclose(found["direction"][:, axis], slope, atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(found["direction"], axis=1), 1.0, atol=1e-6)


def test_on_the_surface_there_is_no_direction_and_no_division_by_zero() -> None:
    cloud = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    found = unsigned_of_points(cloud, UnsignedConfig(count=200, neighbour=4, global_std=0.0), 0)
    near = found["distance"] <= ON_SURFACE
    assert near.sum() == 100
    assert (found["direction"][near] == 0).all()
    np.testing.assert_allclose(np.linalg.norm(found["direction"][~near], axis=1), 1.0, atol=1e-5)


def test_every_query_knows_the_surface_point_it_was_displaced_from() -> None:
    cloud = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    normals = cloud / np.linalg.norm(cloud, axis=1, keepdims=True)
    found = unsigned_of_points(cloud, UnsignedConfig(count=4000, neighbour=7, global_std=0.5), 0, normals)
    from_all = np.sort(np.linalg.norm(found["surface"][:, None] - cloud, axis=2), axis=1)
    np.testing.assert_allclose(from_all[:, 0], 0.0, atol=1e-6)
    np.testing.assert_allclose(found["spread"], from_all[:, 7], atol=1e-5)
    length = np.linalg.norm(found["surface"], axis=1, keepdims=True)
    np.testing.assert_allclose(found["normals"], found["surface"] / length, atol=1e-6)
    moved = (found["points"] - found["surface"])[:2000] / found["spread"][:2000, None]
    assert np.std(moved) == pytest.approx(1.0, rel=0.05)


def test_a_scan_is_learned_from_and_its_clean_shape_is_measured_against(tmp_path: Path) -> None:
    """The shape's frame holds both, so that noise moves no truth."""
    made = {
        condition: build_source("procedural_scans", {"categories": ["mug"], "count": 1, "condition": condition})
        for condition in ("clean", "noisy")
    }
    stores = {}
    for condition, source in made.items():
        prepare_locally(source, str(tmp_path / condition), UDF, isolate=False)
        stores[condition] = Store.open(str(tmp_path / condition))
    [shape_id] = stores["clean"].shape_ids()
    truths = [store.mesh(shape_id) for store in stores.values()]
    np.testing.assert_array_equal(truths[0].vertices, truths[1].vertices)
    away = {
        condition: MeshDistance(truths[0]).closest(store.read("cloud", [shape_id])["points"][0]).distance.mean()
        for condition, store in stores.items()
    }
    assert away["clean"] < 1e-5 < 1e-3 < away["noisy"]
    queries = stores["noisy"].read_chunk("udf", 0, [shape_id])
    assert queries["normals"].shape == queries["direction"].shape == (1, 400, 3)


def test_fewer_points_than_neighbours_are_no_obstacle() -> None:
    found = unsigned_of_points(np.eye(3), UnsignedConfig(count=10, neighbour=50), 0)
    assert found["points"].shape == (10, 3)
    assert np.isfinite(found["distance"]).all()


def test_the_same_seed_gives_the_same_queries_and_chunks_hold_all_of_them() -> None:
    cloud, config = np.random.default_rng(0).normal(size=(80, 3)), UnsignedConfig(count=101, chunk=40, neighbour=4)
    one, two, other = (unsigned_of_points(cloud, config, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one["points"], two["points"])
    assert not np.array_equal(one["points"], other["points"])
    rows = chunked(one, config, 0)
    assert [len(row["distance"]) for row in rows] == [40, 40, 40]
    assert {*np.concatenate([row["distance"] for row in rows]).tolist()} == {*one["distance"].tolist()}


def test_a_folder_of_scans_has_the_view(tmp_path: Path) -> None:
    """Distances are to every point of the file, however few the `cloud` view keeps."""
    scan = np.random.default_rng(0).uniform(size=(300, 3))
    (tmp_path / "scans" / "box").mkdir(parents=True)
    np.savetxt(tmp_path / "scans" / "box" / "a.xyz", scan)
    source = build_source("cloud_folder", {"root": str(tmp_path / "scans"), "test_fraction": 0.0})
    settings = UDF.override({"views": ("udf", "cloud")})
    prepare_locally(source, str(tmp_path / "store"), settings, isolate=False)
    store = Store.open(str(tmp_path / "store"))
    [row] = store.shapes().to_pylist()
    points = (scan - np.asarray(row["centre"])) / row["scale"]
    found = store.read_chunk("udf", 1, ["box/a"])
    exact = np.linalg.norm(found["points"][0][:, None] - points, axis=2).min(axis=1)
    np.testing.assert_allclose(found["distance"][0], exact, atol=1e-5)
    assert store.read("cloud", ["box/a"])["points"].shape == (1, 64, 3)
    with pytest.raises(UsageError, match="view 'sdf' cannot be made of a point cloud"):
        UDF.override({"views": ("sdf",)}).of_what(Cloud)


def test_it_is_made_where_named_so_that_older_stores_are_completed_as_before(
    trap_source: TrapSource, tmp_path: Path
) -> None:
    """A manifest from before the view existed knows nothing of its settings."""
    store = str(tmp_path / "store")
    prepare_locally(trap_source, store, SMALL, isolate=False)
    manifest = Manifest.load(Store.open(store).folder)
    assert "udf" not in manifest.settings
    assert manifest.views == ("meshes", "sdf", "occupancy", "cloud")
    assert prepare_locally(trap_source, store, SMALL.override({"udf.count": 77}), isolate=False).kept == 6
    with pytest.raises(UsageError, match=r"views: [\s\S]*another --store"):
        prepare_locally(trap_source, store, UDF, isolate=False)


def test_its_settings_belong_to_a_store_that_holds_it(trap_source: TrapSource, tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    prepare_locally(trap_source, store, UDF, isolate=False)
    assert Store.open(store).manifest.chunks == {"udf": (3, 400)}
    assert prepare_locally(trap_source, store, UDF, isolate=False).kept == 6
    with pytest.raises(UsageError, match=r"udf\.global_std: 0\.2 in the store, 0\.5 now"):
        prepare_locally(trap_source, store, UDF.override({"udf.global_std": 0.5}), isolate=False)


def test_the_seeds_of_other_views_are_what_they_were() -> None:
    """Their samples lie in stores that are still completed."""
    seeds = Seeds.of(0, "box/b0")
    assert seeds.unsigned not in (seeds.sign, seeds.surface, seeds.noise, seeds.order, seeds.occupancy, seeds.cloud)
    assert (seeds.sign, seeds.surface, seeds.cloud) == (3_051_978_423, 628_006_325, 492_596_807)


def test_the_published_sampler_is_the_default() -> None:
    config = PrepareConfig().udf
    assert (config.count, config.neighbour, config.global_std, config.chunks) == (500_000, 50, 0.2, 31)


def test_a_store_from_before_a_column_existed_says_so(trap_source: TrapSource, tmp_path: Path) -> None:
    prepare_locally(trap_source, str(tmp_path / "store"), UDF, isolate=False)
    for file in (tmp_path / "store").rglob("*.parquet"):
        table = pq.read_table(file, partitioning=None)
        if "direction" in table.column_names:
            pq.write_table(table.drop_columns(["direction"]), file, row_group_size=1, compression="none")
    store = Store.open(str(tmp_path / "store"))
    assert store.read_chunk("udf", 0, ["sheet/s0"], ["points", "distance"])["points"].shape == (1, 400, 3)
    with pytest.raises(ShapesysError, match=r"column 'direction' is not in .*; prepare another --store"):
        store.read_chunk("udf", 0, ["sheet/s0"], ["points", "direction"])
