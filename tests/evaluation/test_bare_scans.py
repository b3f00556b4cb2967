"""Scans of which nothing else is known, from the store to the page; and stores that lack what they could hold."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from untrained import run_of_a_ball

from shapesys.errors import ShapesysError
from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.evaluation.plan import EvaluationPlan, evaluate_locally
from shapesys.geometry.io import parse_geometry, read_bytes
from shapesys.report.page import build_page
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import PRESETS
from shapesys.samples.store import Store
from shapesys.sources.base import Source
from shapesys.sources.registry import build_source
from shapesys.training.run_dir import RunDirectory

SIZE, SHIFT, POINTS = 40.0, (100.0, -50.0, 7.0), 300
SETTINGS = EvaluateConfig(resolution=16, samples=500, observed_queries=512, inference={"iterations": 2})
FEW = {"udf.count": 1024, "udf.chunk": 512, "udf.neighbour": 4, "cloud.points": 200}


def prepared(source: Source, folder: Path) -> Path:
    settings = PRESETS["tiny"].override({"views": ("udf", "cloud"), **FEW})
    prepare_locally(source, str(folder), settings, isolate=False)
    return folder


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three scans of balls, far from the origin and in a unit of their own."""
    root = tmp_path_factory.mktemp("scans")
    for seed in range(3):
        directions = np.random.default_rng(seed).normal(size=(POINTS, 3))
        shell = SHIFT + SIZE * directions / np.linalg.norm(directions, axis=1, keepdims=True)
        (root / "ball" / "test").mkdir(parents=True, exist_ok=True)
        np.savetxt(root / "ball" / "test" / f"{seed}.xyz", shell)
    return prepared(build_source("cloud_folder", {"root": str(root)}), root / "store")


@pytest.fixture
def run(scans: Path, tmp_path: Path) -> RunDirectory:
    return run_of_a_ball(tmp_path, 0.8, str(scans))


def test_they_are_evaluated_without_a_surface_that_is_known(run: RunDirectory, scans: Path) -> None:
    summary = evaluate_locally(run, SETTINGS, EvaluateScale(batch_shapes=2))
    assert summary["counts"]["ok"] == 3
    assert set(summary["overall"]["metrics"]) == {
        "chamfer/sald.recon_to_scan", "chamfer/sald.scan_to_recon",
        "hausdorff/unit_sphere.recon_to_scan", "hausdorff/unit_sphere.scan_to_recon",
    }  # fmt: skip
    stated = summary["conventions"]["chamfer/sald.scan_to_recon"]
    assert stated["definition"]["scan"] == "cloud_folder, up to 200 points in fps order"
    assert stated["count_true"] == 200
    # In the unit of the files: the ball of radius about 0.8 / 1.03 against one of 1 / 1.03, times 1.03 * 40.
    assert 0.05 * SIZE < summary["overall"]["metrics"]["chamfer/sald.scan_to_recon"]["mean"] < 0.35 * SIZE
    [row, *_] = pq.read_table(run.evaluation("test").rows).to_pylist()
    assert row["fact/components"] >= 1
    assert row["hausdorff/unit_sphere.scan_to_recon"] < 1


def test_the_points_are_kept_and_drawn_in_place_of_a_surface(run: RunDirectory, scans: Path, tmp_path: Path) -> None:
    evaluate_locally(run, SETTINGS, EvaluateScale(batch_shapes=3))
    results = run.evaluation("test")
    shape_id = Store.open(str(scans)).shape_ids("test")[0]
    assert not results.truth_mesh(shape_id).exists()
    kept = parse_geometry(read_bytes(results.scan(shape_id)), "scan.ply")
    stored = Store.open(str(scans)).read("cloud", [shape_id])["points"][0]
    np.testing.assert_array_equal(kept.vertices, stored)
    assert 0 < kept.attributes["error"].mean() < 0.5
    page = build_page([run], tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Scan beside reconstruction" in page
    data = page.split('id="shapes-0-0">', 1)[1].split("</script>", 1)[0]
    shown = json.loads(data)["shapes"][0]
    assert [view["label"] for view in shown["views"]] == ["scan", "reconstruction"]
    assert shown["truth"]["faceCount"] == 8 * 200


def test_a_store_of_surfaces_without_them_is_refused(run: RunDirectory, tmp_path: Path) -> None:
    """What is missing by oversight is not passed over in silence."""
    mugs = build_source("procedural", {"categories": ("mug",), "count": 2, "test_fraction": 0.5})
    store = prepared(mugs, tmp_path / "store")
    with pytest.raises(ShapesysError, match="evaluation needs view 'meshes'.*among --views"):
        EvaluationPlan.open(run, SETTINGS, str(store))


def test_scans_without_clouds_are_refused(run: RunDirectory, scans: Path, tmp_path: Path) -> None:
    copy = tmp_path / "store"
    shutil.copytree(scans, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | {"views": ["udf"]}))
    with pytest.raises(ShapesysError, match="evaluation needs view 'cloud'"):
        EvaluationPlan.open(run, SETTINGS, str(copy))
