"""Scans as they come: sparse and dense, noisy, with outliers and repeated points, in any unit, or with no surface."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from given_source import Given, prepared, queries_of

from shapesys.geometry.cloud import Cloud
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.neighbours import nearest
from shapesys.geometry.scan import Scan
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import PrepareConfig, UnsignedConfig
from shapesys.samples.store import Store
from shapesys.samples.unsigned_queries import ON_SURFACE, unsigned_of_points
from shapesys.sources.base import Loaded
from shapesys.sources.registry import build_source

RADIUS = 1 / 1.03
"""Of a ball that fills the unit sphere."""
FEW = PrepareConfig().override({"views": ("udf", "cloud"), "udf.count": 4000, "udf.chunk": 1000, "cloud.points": 100})
BALL = trimesh.creation.icosphere(3)


def ball(count: int, seed: int = 0) -> np.ndarray:
    """(n, 3) points of a sphere of radius 1; its six poles fix the frame."""
    points = np.random.default_rng(seed).standard_normal((count, 3))
    points[:6] = np.concatenate([np.eye(3), -np.eye(3)])
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def of_cloud(points: np.ndarray, **changes: Any) -> dict[str, np.ndarray]:
    settings = FEW.override({name.replace("__", "."): value for name, value in changes.items()})
    return queries_of(prepared(Cloud(points), settings))


def off_the_sphere(queries: dict[str, np.ndarray]) -> np.ndarray:
    """How far the distances are from those to the sphere itself."""
    exact = np.abs(np.linalg.norm(queries["points"].astype(np.float64), axis=1) - RADIUS)
    return np.abs(queries["distance"] - exact)


@pytest.mark.parametrize("count", [16, 100, 1000, 10_000, 100_000])
def test_any_density_gives_as_many_queries_about_the_surface(count: int) -> None:
    found = of_cloud(ball(count))
    assert all(np.isfinite(values).all() for values in found.values())
    assert found["points"].shape == (4000, 3)
    assert (found["spread"] > 0).all()
    # k points of the sphere lie within a radius r of each, where they are k / n of its area, 4 pi r^2.
    expected = min(2.0, 2 * np.sqrt(min(50, count - 1) / count)) * RADIUS
    assert np.median(found["spread"]) == pytest.approx(expected, rel=0.15)


def test_distances_to_points_come_near_those_to_the_surface_as_they_grow_denser() -> None:
    errors = [np.median(off_the_sphere(of_cloud(ball(count)))) for count in (100, 1000, 10_000, 100_000)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-3


@pytest.mark.parametrize("noise", [0.001, 0.01, 0.05])
def test_noise_is_part_of_what_is_measured_to(noise: float) -> None:
    """Distances are exact, to the points as they are."""
    points = ball(2000) + noise * np.random.default_rng(1).standard_normal((2000, 3))
    made = prepared(Cloud(points), FEW)
    queries = queries_of(made)
    stored = (points - made.shape["centre"]) / made.shape["scale"]
    exact = np.linalg.norm(queries["points"][:, None].astype(np.float64) - stored[None], axis=2).min(axis=1)
    np.testing.assert_allclose(queries["distance"], exact, atol=1e-5)
    assert np.median(off_the_sphere(queries)) > 0.3 * noise


def test_outliers_widen_no_query_of_the_others() -> None:
    """They have wide neighbourhoods of their own, and are measured to as every point is."""
    points, strays = ball(5000), np.random.default_rng(1).uniform(-0.57, 0.57, (500, 3))
    clean, littered = of_cloud(points), of_cloud(np.concatenate([points, strays]))
    at_ball = np.abs(np.linalg.norm(littered["surface"], axis=1) - RADIUS) < 1e-3
    assert 0.88 < at_ball.mean() < 0.94
    assert np.median(littered["spread"][at_ball]) == pytest.approx(np.median(clean["spread"]), rel=0.1)
    assert np.median(littered["spread"][~at_ball]) > 1.5 * np.median(clean["spread"])


def test_a_far_outlier_decides_where_a_bare_cloud_lies_but_not_where_a_known_shape_does() -> None:
    points = np.concatenate([ball(500), [[40.0, 0.0, 0.0]]])
    bare = prepared(Cloud(points), FEW)
    assert bare.shape["scale"] == pytest.approx(20.5 * 1.03, rel=1e-3)
    truth = Mesh(np.asarray(BALL.vertices), np.asarray(BALL.faces))
    known = prepared(Scan(Cloud(points), truth), FEW)
    assert known.shape["scale"] == pytest.approx(1.03, rel=1e-3)
    assert known.samples["cloud"][0]["points"].max() == pytest.approx(40 / 1.03, rel=1e-3)


def test_points_repeated_more_often_than_neighbours_are_counted_keep_their_width() -> None:
    """Half of their queries would lie on the surface otherwise, and teach nothing."""
    once = ball(200)
    repeated = np.repeat(once, 60, axis=0)
    config = UnsignedConfig(count=4000, neighbour=50)
    found, plain = unsigned_of_points(repeated, config, 0), unsigned_of_points(once, config, 0)
    assert (found["distance"] > ON_SURFACE).mean() > 0.999
    distinct = nearest(once, found["surface"]).indices
    expected = np.sort(np.linalg.norm(once[distinct][:, None] - once, axis=2), axis=1)[:, 50]
    np.testing.assert_allclose(found["spread"], expected, atol=1e-5)
    assert np.median(found["distance"]) == pytest.approx(np.median(plain["distance"]), rel=0.1)


def test_one_place_that_a_scanner_repeats_does_not_narrow_the_others() -> None:
    points = np.concatenate([ball(300), np.tile([[0.0, 0.0, 1.0]], (300, 1))])
    found = unsigned_of_points(points, UnsignedConfig(count=4000, neighbour=20), 0)
    stuck = np.abs(found["surface"] - [0, 0, 1]).max(axis=1) < 1e-6
    assert 0.4 < stuck.mean() < 0.6
    assert np.median(found["spread"][stuck]) == pytest.approx(np.median(found["spread"][~stuck]), rel=0.25)


def test_points_repeated_less_often_count_as_neighbours_as_published() -> None:
    once = ball(300)
    found = unsigned_of_points(np.repeat(once, 2, axis=0), UnsignedConfig(count=1000, neighbour=11), 0)
    distinct = nearest(once, found["surface"]).indices
    # Of twelve, itself included, two lie in each place.
    expected = np.sort(np.linalg.norm(once[distinct][:, None] - once, axis=2), axis=1)[:, 5]
    np.testing.assert_allclose(found["spread"], expected, atol=1e-5)


@pytest.mark.parametrize("frame", ["unit_sphere", "mean_unit_cube"])
def test_a_scan_in_millimetres_far_away_gives_the_samples_of_one_in_metres(frame: str) -> None:
    settings = FEW.override({"frame": frame})
    near, far = (prepared(Cloud(points), settings) for points in (ball(3000), 1000 * ball(3000) + 1e6))
    np.testing.assert_allclose(far.samples["cloud"][0]["points"], near.samples["cloud"][0]["points"], atol=1e-6)
    one, other = queries_of(near), queries_of(far)
    for column in ("points", "distance", "surface", "spread"):
        np.testing.assert_allclose(other[column], one[column], atol=1e-5)
    assert far.shape["scale"] == pytest.approx(1000 * near.shape["scale"])
    np.testing.assert_allclose(far.shape["centre"], 1000 * np.asarray(near.shape["centre"]) + 1e6)


def test_a_scanned_mesh_in_millimetres_far_away_gives_the_samples_of_one_in_metres() -> None:
    settings = FEW.override({"views": ("udf", "meshes", "cloud")})
    near, far = (
        prepared(Mesh(unit * np.asarray(BALL.vertices) + shift, np.asarray(BALL.faces)), settings)
        for unit, shift in ((1.0, 0.0), (1000.0, 1e6))
    )
    np.testing.assert_allclose(far.samples["meshes"][0]["vertices"], near.samples["meshes"][0]["vertices"], atol=1e-6)
    for column in ("points", "distance"):
        np.testing.assert_allclose(queries_of(far)[column], queries_of(near)[column], atol=1e-5)


def _line(count: int = 50) -> np.ndarray:
    return np.outer(np.linspace(0, 1, count), [0.3, -0.7, 0.2]) + [5.0, 5.0, 5.0]


def _with_nan() -> np.ndarray:
    points = ball(50)
    points[7, 1] = np.nan
    return points


UNUSABLE = {
    "empty": (np.empty((0, 3)), "validate", "the cloud has 0 points; at least 16 needed"),
    "few": (ball(10), "validate", "the cloud has 10 points; at least 16 needed"),
    "same": (np.full((40, 3), 0.1), "validate", "all 40 points lie in one place"),
    "line": (_line(), "validate", "all 50 points lie on one line, which is no surface"),
    "single": (_line().astype(np.float32), "validate", "all 50 points lie on one line, which is no surface"),
    "two": (np.eye(3)[[0, 1] * 20], "validate", "all 40 points lie on one line, which is no surface"),
    "nan": (_with_nan(), "validate", "1 of 50 points are not finite"),
    "infinite": (np.full((50, 3), np.inf), "validate", "50 of 50 points are not finite"),
    "huge": (ball(50) * 1e308, "normalise", "the shape has no finite extent (radius inf)"),
}  # fmt: skip


def _rejections(shapes: dict[str, Loaded], folder: Path) -> dict[str, tuple[str, str]]:
    """Name -> stage and reason, of the rejected table."""
    report = prepare_locally(Given(**shapes), str(folder), FEW, isolate=False)
    assert report.prepared == 1
    rows = Store.open(str(folder)).rejected().to_pylist()
    assert all(not row["views"] for row in rows), "rejected as a whole"
    return {row["shape_id"].partition("/")[2]: (row["stage"], row["reason"]) for row in rows}


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_clouds_with_no_surface_are_rejected_with_a_reason_and_the_others_prepared(tmp_path: Path) -> None:
    clouds: dict[str, Loaded] = {name: Cloud(points) for name, (points, *_) in UNUSABLE.items()}
    found = _rejections({**clouds, "good": Cloud(ball(50))}, tmp_path)
    assert found == {name: (stage, reason) for name, (_, stage, reason) in UNUSABLE.items()}


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_so_are_scans_whose_shape_is_known(tmp_path: Path) -> None:
    """What was observed is what is learned from: without it, the clean shape is of no use."""
    truth = Mesh(np.asarray(BALL.vertices), np.asarray(BALL.faces))
    known = {name: why for name, why in UNUSABLE.items() if name != "huge"}
    scans: dict[str, Loaded] = {name: Scan(Cloud(points), truth) for name, (points, *_) in known.items()}
    found = _rejections({**scans, "good": Scan(Cloud(ball(50)), truth)}, tmp_path)
    assert found == {name: (stage, reason) for name, (_, stage, reason) in known.items()}


def test_scanned_meshes_without_a_surface_are_rejected_with_a_reason(tmp_path: Path) -> None:
    faces = np.array([[0, 1, 2], [1, 2, 3]])
    nan = Mesh(np.array([[0.0, 0, 0], [1, 0, 0], [0, np.nan, 0], [1, 1, 0]]), faces)
    truth = Mesh(np.asarray(BALL.vertices), np.asarray(BALL.faces))
    empty = Mesh(np.empty((0, 3)), np.empty((0, 3), np.int64))
    shapes = {"nan": nan, "empty": empty, "same": Mesh(np.ones((4, 3)), faces), "line": Mesh(_line(4), faces)}
    expected = {
        "nan": ("validate", "2 of 2 faces have a vertex that is not finite"),
        "empty": ("validate", "no faces"),
        "same": ("validate", "all 2 faces are degenerate (total area 0)"),
        "line": ("validate", "all 4 vertices lie on one line, which is no surface"),
    }
    assert _rejections({**shapes, "good": truth}, tmp_path / "meshes") == expected
    scans: dict[str, Loaded] = {name: Scan(mesh, truth) for name, mesh in shapes.items()}
    assert _rejections({**scans, "good": Scan(truth, truth)}, tmp_path / "scans") == expected


def test_files_without_usable_points_are_rejected_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "scans" / "ball"
    folder.mkdir(parents=True)
    np.savetxt(folder / "good.xyz", ball(100))
    np.savetxt(folder / "line.xyz", _line())
    (folder / "empty.xyz").write_text("")
    (folder / "nan.xyz").write_text("nan 0 0\n" * 20)
    (folder / "words.xyz").write_text("no point in this\n")
    source = build_source("cloud_folder", {"root": str(tmp_path / "scans")})
    report = prepare_locally(source, str(tmp_path / "store"), FEW, isolate=False)
    assert (report.prepared, report.rejected) == (1, 4)
    assert {row["shape_id"]: (row["stage"], row["reason"].split(":")[0]) for row in report.rejections} == {
        "ball/empty": ("read", "the file is empty"),
        "ball/line": ("validate", "all 50 points lie on one line, which is no surface"),
        "ball/nan": ("read", "malformed XYZ"),
        "ball/words": ("read", "malformed XYZ"),
    }
