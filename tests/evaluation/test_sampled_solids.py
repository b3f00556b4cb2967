"""Shapes of which a store has samples and no surface: their inside and their points are what they are measured by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from untrained import run_of_a_ball

from shapesys.errors import ShapesysError
from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.evaluation.plan import EvaluationPlan, evaluate_locally
from shapesys.evaluation.surface_truth import read
from shapesys.report.page import build_page
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import PRESETS
from shapesys.samples.store import Store
from shapesys.sources.registry import build_source
from shapesys.training.run_dir import RunDirectory

RADIUS = 0.4
SETTINGS = EvaluateConfig(resolution=24, samples=500, observed_queries=512, inference={"iterations": 2})
FEW = {"udf.count": 1024, "udf.chunk": 512, "udf.neighbour": 4, "cloud.points": 200, "occupancy.points": 3000}


@pytest.fixture(scope="module")
def balls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three balls in the layout of Occupancy Networks."""
    root = tmp_path_factory.mktemp("balls")
    for seed in range(3):
        folder = root / "ball" / str(seed)
        folder.mkdir(parents=True)
        rng = np.random.default_rng(seed)
        queries = rng.uniform(-0.55, 0.55, (4000, 3)).astype(np.float32)
        normals = rng.normal(size=(300, 3))
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        inside = np.packbits(np.linalg.norm(queries, axis=1) < RADIUS)
        np.savez(folder / "points.npz", points=queries, occupancies=inside)
        np.savez(folder / "pointcloud.npz", points=RADIUS * normals, normals=normals)
    (root / "ball" / "test.lst").write_text("0\n1\n2\n")
    return root


def prepared(balls: Path, *views: str, noise: float = 0.0) -> Path:
    folder = balls / f"store_{'_'.join(views)}_{noise}"
    settings = PRESETS["tiny"].override({"views": views, **FEW, "cloud.noise": noise})
    prepare_locally(build_source("occnet", {"root": str(balls)}), str(folder), settings, isolate=False)
    return folder


@pytest.fixture(scope="module")
def store(balls: Path) -> Path:
    return prepared(balls, "udf", "cloud", "occupancy")


@pytest.fixture
def run(store: Path, tmp_path: Path) -> RunDirectory:
    return run_of_a_ball(tmp_path, 0.8, str(store))


def _row(store: Store, shape_id: str) -> dict[str, Any]:
    return next(row for row in store.shapes().to_pylist() if row["shape_id"] == shape_id)


def test_they_are_evaluated_by_their_inside_and_their_points(run: RunDirectory, store: Path, tmp_path: Path) -> None:
    summary = evaluate_locally(run, SETTINGS, EvaluateScale(batch_shapes=2))
    assert summary["counts"]["ok"] == 3
    metrics = summary["overall"]["metrics"]
    # Of the unit cube, whose side is a ball's diameter: by how much the untrained ball is too small.
    assert metrics["chamfer/onet.chamfer_l1"]["mean"] == pytest.approx(0.5 * (1 - 0.8 * 1.03), abs=0.06)
    assert metrics["normal_consistency/onet"]["mean"] > 0.8
    assert 0.0 <= metrics["fscore/le0.02:unit_cube"]["mean"] < 0.5
    assert not any("scan" in name for name in metrics)
    measured = summary["conventions"]["chamfer/onet.chamfer_l1"]
    assert (measured["count_predicted"], measured["count_true"]) == (500, 200)
    assert measured["definition"]["truth"] == "given samples"
    stated = summary["conventions"]["iou/uniform_box"]
    assert stated["definition"]["given_by"] == "occnet"
    assert stated["count_true"] == 3000
    # The untrained network is nearly a ball of radius 0.8 in a frame where the true one has about 1 / 1.03.
    assert summary["overall"]["metrics"]["iou/uniform_box"]["mean"] == pytest.approx((0.8 * 1.03) ** 3, abs=0.12)
    [row, *_] = pq.read_table(run.evaluation("test").rows).to_pylist()
    assert row["status"] == "ok"
    assert "Scan beside reconstruction" in build_page([run], tmp_path / "page.html").read_text(encoding="utf-8")


def test_what_is_read_of_them_is_what_was_given(store: Path) -> None:
    opened = Store.open(str(store))
    truth = read(opened, _row(opened, "ball/1"), SETTINGS)
    assert truth.mesh is None
    assert truth.given_by == "occnet"
    assert truth.occupancy is not None
    points, inside = truth.occupancy
    in_file = truth.normalisation.undo(points.astype(np.float64))
    np.testing.assert_array_equal(inside, np.linalg.norm(in_file, axis=1) < RADIUS)
    assert inside.mean() == pytest.approx(4 / 3 * np.pi * RADIUS**3 / 1.1**3, abs=0.03)


def test_without_occupancy_their_points_are_left(balls: Path, tmp_path: Path) -> None:
    bare = prepared(balls, "udf", "cloud")
    summary = evaluate_locally(run_of_a_ball(tmp_path, 0.8, str(bare)), SETTINGS, EvaluateScale(batch_shapes=3))
    assert summary["counts"]["ok"] == 3
    assert "iou/uniform_box" not in summary["overall"]["metrics"]


def test_noisy_points_are_no_truth(balls: Path, tmp_path: Path) -> None:
    noisy = prepared(balls, "udf", "cloud", "occupancy", noise=0.01)
    summary = evaluate_locally(run_of_a_ball(tmp_path, 0.8, str(noisy)), SETTINGS, EvaluateScale(batch_shapes=3))
    assert set(summary["overall"]["metrics"]) == {
        "chamfer/sald.recon_to_scan", "chamfer/sald.scan_to_recon", "iou/uniform_box", "iou/uniform_box/floor",
        "hausdorff/unit_sphere.recon_to_scan", "hausdorff/unit_sphere.scan_to_recon",
    }  # fmt: skip


def test_without_clouds_they_are_refused(run: RunDirectory, balls: Path) -> None:
    with pytest.raises(ShapesysError, match="evaluation needs view 'cloud'"):
        EvaluationPlan.open(run, SETTINGS, str(prepared(balls, "udf", "occupancy")))
