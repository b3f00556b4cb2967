"""Families that learn nothing: a run is its settings, made at once, and all that reads runs reads it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from shapesys.errors import ShapesysError, UsageError
from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.evaluation.plan import evaluate_locally
from shapesys.families.poisson import library
from shapesys.families.poisson.config import PoissonConfig
from shapesys.families.poisson.library import Solution
from shapesys.fields.analytic import Sphere
from shapesys.fields.extraction import extract
from shapesys.geometry.mesh import Floats
from shapesys.geometry.normalise import Framing
from shapesys.samples.store import Store
from shapesys.training import checkpoint, loop
from shapesys.training.config import TrainJob, claim, resolve
from shapesys.training.context import LocalContext
from shapesys.training.network_set import finished_result, plan_set
from shapesys.training.run_dir import RunDirectory, create, read_json

CPU = torch.device("cpu")


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return create(tmp_path, "baseline")


def job_of(store: str, **changes: Any) -> TrainJob:
    return resolve("poisson", "tiny", {"data.store": store} | {key.replace("__", "."): v for key, v in changes.items()})


def settled(run: RunDirectory, job: TrainJob) -> loop.TrainResult:
    claim(run, job)
    return loop.train(job, run, LocalContext(CPU))


def test_a_run_is_one_checkpoint_that_holds_the_settings(saliency_store: str, run: RunDirectory) -> None:
    job = job_of(saliency_store, model__depth=7)
    result = settled(run, job)
    assert (result.steps, result.epochs, result.final) == (0, 0, {})
    [folder] = run.checkpoints.iterdir()
    assert result.checkpoint == str(folder)
    objective, restored, ids = checkpoint.restore(checkpoint.Checkpoint(folder))
    assert (restored, ids) == (job, [])
    assert objective.config == PoissonConfig(depth=7)
    assert list(objective.parameters()) == []
    assert checkpoint.Checkpoint(folder).optimiser_state() == {}
    assert not run.history.exists()


def test_the_same_command_finds_it_done(saliency_store: str, run: RunDirectory) -> None:
    job = job_of(saliency_store)
    first = settled(run, job)
    assert finished_result(run) is None
    run.update_status(state="finished", error=None)
    assert finished_result(run) == {"steps": 0, "epochs": 0, "final": {}, "checkpoint": first.checkpoint}
    digest = checkpoint.newest_of(run).digest()
    assert settled(run, job) == first
    assert checkpoint.newest_of(run).digest() == digest
    with pytest.raises(ShapesysError, match=r"exists with other settings:\n  model.depth: 6 there, 8 now"):
        settled(run, job_of(saliency_store, model__depth=8))


def test_a_trained_run_without_a_history_is_not_done(run: RunDirectory) -> None:
    run.update_status(state="finished")
    (run.checkpoints / "step_00000012").mkdir(parents=True)
    assert finished_result(run) is None


def test_no_shape_to_train_on_is_needed(saliency_store: str, run: RunDirectory) -> None:
    assert settled(run, job_of(saliency_store, data__split="nowhere")).steps == 0


def test_a_store_that_it_cannot_be_shown_is_refused(
    saliency_store: str, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ShapesysError, match="no sample store at"):
        settled(run, job_of(str(run.path / "nowhere")))
    with pytest.raises(UsageError, match="unknown category 'chairs'; did you mean chair"):
        settled(run, job_of(saliency_store, data__categories=("chairs",)))
    monkeypatch.setattr(Store, "views", ("meshes", "sdf"))
    with pytest.raises(UsageError, match="has no view 'cloud'"):
        settled(run, job_of(saliency_store))
    assert not run.checkpoints.exists()


def test_a_store_in_another_frame_is_refused_later(
    saliency_store: str, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(saliency_store)
    settled(run, job)
    monkeypatch.setattr(Store, "framing", Framing(name="unit_cube"))
    with pytest.raises(UsageError, match="in the frame unit_sphere, but those of .* are in unit_cube"):
        settled(run, job)


def test_one_run_serves_every_category(saliency_store: str, run: RunDirectory) -> None:
    with pytest.raises(UsageError, match="--each-category with 'poisson', which learns nothing"):
        plan_set(job_of(saliency_store), run)


def test_it_is_evaluated_as_any_run(saliency_store: str, run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    ball = extract(Sphere(0.8), 24).mesh

    def solve(points: Floats, normals: Floats, config: PoissonConfig) -> Solution:
        asked.append(len(points))
        return Solution(ball, np.ones(len(ball.vertices), np.float32))

    monkeypatch.setattr(library, "screened_poisson", solve)
    settled(run, job_of(saliency_store))
    settings = EvaluateConfig(split="test", samples=1000, inference={"points": 40})
    evaluate_locally(run, settings, EvaluateScale())
    rows = read_rows(run)
    assert [row["status"] for row in rows] == ["ok"] * 4
    assert asked == [40] * 4
    for row in rows:
        assert row["fact/points"] == 40
        assert row["cost/points_evaluated"] == 0
        assert math.isnan(row["cost/query_saving"])
        assert 0 < row["chamfer/onet.chamfer_l1"] < 1
        kept = run.evaluation("test").prediction_mesh(row["shape_id"])
        assert kept.is_file()
    assert read_json(run.evaluation("test").summary)["overall"]["counts"]["ok"] == 4


def read_rows(run: RunDirectory) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(run.evaluation("test").rows).to_pylist()
    return rows
