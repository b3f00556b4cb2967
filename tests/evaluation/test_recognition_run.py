"""A run that labels points, evaluated from its store to its summary; what is known of it holds whatever it learnt."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from shapesys.errors import ShapesysError
from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.evaluation.evaluator import Evaluator
from shapesys.evaluation.plan import EvaluationPlan, evaluate_locally
from shapesys.evaluation.reconstruct import reconstruct
from shapesys.geometry.io import parse_geometry
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import CloudConfig, PrepareConfig
from shapesys.samples.store import Store
from shapesys.sources.registry import build_source
from shapesys.training import run_dir
from shapesys.training.config import claim, resolve
from shapesys.training.context import LocalContext
from shapesys.training.loop import train
from shapesys.training.run_dir import RunDirectory

POINTS = 192
SCALE = EvaluateScale(batch_shapes=2)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Chairs and mugs with part labels."""
    source = build_source("procedural", {"categories": ("chair", "mug"), "count": 4, "test_fraction": 0.5})
    folder = tmp_path_factory.mktemp("labelled") / "store"
    prepare_locally(
        source, str(folder), PrepareConfig(views=("cloud",), cloud=CloudConfig(points=POINTS)), isolate=False
    )
    return folder


@pytest.fixture(scope="module")
def run(labelled: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    few = {"train.epochs": 1, "train.shapes_per_step": 4, "train.points_per_shape": 128, "inference.points": 128}
    job = resolve("pointnet2", "tiny_parts", {"data.store": str(labelled), "model.samples": 64} | few)
    made = run_dir.create(tmp_path_factory.mktemp("runs"), "parts")
    claim(made, job)
    train(job, made, LocalContext(torch.device("cpu")))
    return made


def test_rows_and_summary_agree_with_the_kept_clouds(run: RunDirectory) -> None:
    summary = evaluate_locally(run, EvaluateConfig(), SCALE)
    results = run.evaluation("test")
    assert summary["counts"]["ok"] == 4
    rows = {row["shape_id"]: row for row in pq.read_table(results.rows).to_pylist()}
    right, points = 0, 0
    for shape_id, row in rows.items():
        kept = parse_geometry(results.cloud(shape_id).read_bytes(), "a.ply").attributes
        assert len(kept["label"]) == POINTS, "every observed point"
        same = kept["label"] == kept["truth"]
        assert row["accuracy/point.restricted"] == pytest.approx(same.mean())
        right, points = right + int(same.sum()), points + POINTS
    assert summary["whole_set"]["oa/point.restricted"]["value"] == pytest.approx(right / points)
    instance = np.mean([row["iou/part.restricted"] for row in rows.values()])
    assert summary["whole_set"]["miou/instance.restricted"]["value"] == pytest.approx(instance)
    assert sum(part["points"] for part in summary["parts"]) == points
    assert not any(name.startswith("count/") for name in summary["overall"]["metrics"])


def test_settings_of_surfaces_are_not_among_those_of_the_results(run: RunDirectory) -> None:
    evaluate_locally(run, EvaluateConfig(), SCALE)
    held = json.loads(run.evaluation("test").settings.read_text())["settings"]
    assert "part_argmax" in held
    assert not {"resolution", "chamfer", "annotator"} & held.keys()
    assert EvaluationPlan.open(run, EvaluateConfig(resolution=32, chamfer=("nonsense",))).waiting == []
    assert len(EvaluationPlan.open(run, EvaluateConfig(part_argmax="free")).waiting) == 4


def test_the_network_sees_the_whole_cloud_and_not_its_labels(run: RunDirectory, labelled: Path) -> None:
    plan = EvaluationPlan.open(run, EvaluateConfig())
    evaluator = Evaluator.open(plan.checkpoint, str(labelled), EvaluateConfig(), None)
    shape_id = plan.shapes["shape_id"][0].as_py()
    seen = evaluator._observe(shape_id)
    assert seen.columns["points"].shape == (POINTS, 3)
    assert "labels" not in seen.columns
    row = next(row for row in Store.open(str(labelled)).shapes().to_pylist() if row["shape_id"] == shape_id)
    assert (seen.category, seen.scale) == (row["category"], row["scale"])


def test_a_category_that_the_model_does_not_know_fails_alone(run: RunDirectory, tmp_path: Path) -> None:
    source = build_source("procedural", {"categories": ("chair", "lamp"), "count": 2, "test_fraction": 0.5})
    settings = PrepareConfig(views=("cloud",), cloud=CloudConfig(points=POINTS))
    prepare_locally(source, str(tmp_path / "other"), settings, isolate=False)
    everything = EvaluateConfig(categories=("chair", "lamp"))
    summary = evaluate_locally(run, everything, SCALE, str(tmp_path / "other"))
    assert (summary["counts"]["ok"], summary["counts"]["failed"]) == (1, 1)
    reasons = {row["category"]: row["reason"] for row in pq.read_table(run.evaluation("test").rows).to_pylist()}
    assert "category 'lamp' is unknown here; known: chair, mug" in reasons["lamp"]


def test_a_store_without_clouds_is_refused(run: RunDirectory, store: Path, tmp_path: Path) -> None:
    with pytest.raises(ShapesysError, match="category"):
        EvaluationPlan.open(run, EvaluateConfig(categories=("sofa",)), str(store))
    source = build_source("procedural", {"categories": ("mug",), "count": 2, "test_fraction": 0.5})
    prepare_locally(source, str(tmp_path / "s"), PrepareConfig(views=("meshes",)), isolate=False)
    with pytest.raises(ShapesysError, match="evaluation needs view 'cloud'"):
        EvaluationPlan.open(run, EvaluateConfig(categories=("mug",)), str(tmp_path / "s"))


def test_it_reconstructs_nothing(run: RunDirectory, tmp_path: Path) -> None:
    with pytest.raises(ShapesysError, match=f"no surfaces; use: shapesys predict {run.path} "):
        reconstruct(run, tmp_path / "a.ply")
