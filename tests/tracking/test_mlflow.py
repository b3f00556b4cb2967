"""Runs in a real MLflow store: one SQLite database serves the whole file."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

mlflow = pytest.importorskip("mlflow")

from shapesys.tracking.mlflow import MlflowTracker, legal_name  # noqa: E402
from shapesys.tracking.tracker import RunDescription  # noqa: E402
from shapesys.training.run_dir import RunDirectory, create, read_json, write_json  # noqa: E402

DESCRIPTION = RunDescription(
    "chairs", "issn", params={"model.latent_dim": 64}, tags={"commit": "c0ffee", "data_digest": "d1"}
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(autouse=True)
def default_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def client_of(run: RunDirectory) -> Any:
    return mlflow.MlflowClient(f"sqlite:///{run.path.parent}/mlflow.db")


def test_a_run_round_trips(root: Path) -> None:
    run = create(root, "chairs")
    write_json(run.config, {"family": "issn"})
    rows = run.evaluation("test").rows
    rows.parent.mkdir(parents=True)
    pq.write_table(pa.table({"shape_id": ["a", "b"], "iou@onet": [0.5, float("nan")]}), rows)

    tracker = MlflowTracker(run)
    run_id = tracker.start(DESCRIPTION)
    for step in range(2500):
        tracker.metrics({"loss/total": 1.0 / (step + 1), "chamfer@onet.chamfer_l1": 0.1}, step)
    tracker.artifacts([run.config, rows.parent], "results")
    tracker.table(rows, "shapes_test")
    tracker.tags({"ended": "stopped early at epoch 8 of 30"})
    tracker.finish("finished")

    client = client_of(run)
    found = client.get_run(run_id)
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "chairs"
    assert found.data.params == {"model.latent_dim": "64"}
    assert found.data.tags["mlflow.source.git.commit"] == "c0ffee"
    assert found.data.tags["ended"] == "stopped early at epoch 8 of 30"
    assert json.loads(found.data.tags["mlflow.loggedArtifacts"]) == [{"path": "shapes_test.json", "type": "table"}]
    history = client.get_metric_history(run_id, "loss/total")
    assert sorted((point.step, point.value) for point in history) == [(s, 1.0 / (s + 1)) for s in range(2500)]
    assert found.data.metrics["chamfer/onet.chamfer_l1"] == 0.1
    assert "system/cpu_utilization_percentage" in found.data.metrics
    assert {item.path for item in client.list_artifacts(run_id)} == {"results", "shapes_test.json"}
    assert {item.path for item in client.list_artifacts(run_id, "results")} == {
        "results/config.json", "results/shapes.parquet"
    }  # fmt: skip
    assert str(root) in found.info.artifact_uri
    table = json.loads(mlflow.artifacts.load_text(f"{found.info.artifact_uri}/shapes_test.json"))
    assert table == {"columns": ["shape_id", "iou@onet"], "data": [["a", 0.5], ["b", None]]}


def test_resume_opens_the_same_run_and_changes_no_param(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = create(root, "resumed")
    first = MlflowTracker(run)
    run_id = first.start(DESCRIPTION)
    first.metrics({"loss": 1.0}, 1)
    first.finish("interrupted")
    client = client_of(run)
    assert client.get_run(run_id).info.status == "KILLED"

    second = MlflowTracker(run)
    changed = RunDescription("resumed", "issn", params={"model.latent_dim": 99, "new": 1})
    assert second.start(changed, resume=read_json(run.tracking)["run_id"]) == run_id
    assert client.get_run(run_id).info.status == "RUNNING"
    second.metrics({"loss": 0.5}, 2)
    second.finish("finished")
    found = client.get_run(run_id)
    assert found.info.status == "FINISHED"
    assert found.data.params == {"model.latent_dim": "64", "new": "1"}
    assert [point.value for point in client.get_metric_history(run_id, "loss")] == [1.0, 0.5]
    assert caplog.records == []


def test_evaluation_in_mid_training_does_not_end_the_run(root: Path) -> None:
    run = create(root, "training")
    run_id = MlflowTracker(run).start(DESCRIPTION)
    evaluation = MlflowTracker(run)
    evaluation.start(RunDescription("training", "issn", attach=True))
    evaluation.finish("finished")
    assert client_of(run).get_run(run_id).info.status == "RUNNING"


def test_evaluation_attaches_and_leaves_the_status_of_training(root: Path) -> None:
    run = create(root, "evaluated")
    training = MlflowTracker(run)
    run_id = training.start(DESCRIPTION)
    training.finish("failed")
    evaluation = MlflowTracker(run)
    assert evaluation.start(RunDescription("evaluated", "issn", attach=True)) == run_id
    evaluation.metrics({"test/iou": 0.75}, 0)
    evaluation.finish("finished")
    found = client_of(run).get_run(run_id)
    assert found.data.metrics["test/iou"] == 0.75
    assert found.info.status == "FAILED"


def test_what_a_lost_server_missed_is_replayed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = create(root, "offline")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    lost = MlflowTracker(run)
    assert lost.start(replace(DESCRIPTION, name="offline")) == "pending"
    lost.metrics({"loss": 0.5}, 4)
    lost.finish("finished")
    assert (run.path / "tracking_spool.jsonl").exists()
    assert not run.tracking.exists()

    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    evaluation = MlflowTracker(run)
    run_id = evaluation.start(RunDescription("offline", "issn", attach=True))
    evaluation.finish("finished")
    assert not (run.path / "tracking_spool.jsonl").exists()
    client = client_of(run)
    experiment = client.get_experiment_by_name("issn").experiment_id
    named = client.search_runs([experiment], "attributes.run_name = 'offline'")
    assert [found.info.run_id for found in named] == [run_id]
    assert named[0].info.status == "FINISHED"
    assert named[0].data.metrics["loss"] == 0.5


def test_a_run_deleted_in_mlflow_starts_anew(root: Path) -> None:
    run = create(root, "deleted")
    run_id = MlflowTracker(run).start(DESCRIPTION)
    client_of(run).delete_run(run_id)
    again = MlflowTracker(run).start(DESCRIPTION)
    assert again not in (run_id, "pending")


def test_names_become_legal() -> None:
    assert legal_name("chamfer@onet.chamfer_l1") == "chamfer/onet.chamfer_l1"
    assert legal_name("f-score > 0.01 (strict)") == "f-score _ 0.01 _strict_"
    assert legal_name("../a//b") == "a/b"


@pytest.mark.slow
def test_processes_that_start_together_share_one_new_database(tmp_path: Path) -> None:
    code = (
        "import sys; from shapesys.training.run_dir import create; from shapesys.tracking.mlflow import MlflowTracker;"
        "from shapesys.tracking.tracker import RunDescription;"
        f"t = MlflowTracker(create({str(tmp_path)!r}, sys.argv[1]));"
        "assert t.start(RunDescription(sys.argv[1], 'issn')) != 'pending'; t.finish('finished')"
    )
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    started = [
        subprocess.Popen([sys.executable, "-c", code, name], env=environment, stderr=subprocess.PIPE)
        for name in ("a", "b", "c")
    ]
    outputs = [process.communicate()[1].decode() for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], outputs
    assert all("alembic" not in text and "INFO" not in text for text in outputs), outputs


def test_mlflow_keeps_quiet() -> None:
    assert logging.getLogger("alembic").getEffectiveLevel() >= logging.WARNING
