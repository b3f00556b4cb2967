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

from shapesys.tracking.location import MODEL_TRAINING_PAGE, runs_page  # noqa: E402
from shapesys.tracking.mlflow import MlflowTracker, legal_name, text  # noqa: E402
from shapesys.tracking.tracker import PENDING, DataSet, RunDescription  # noqa: E402
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
    assert "commit" not in found.data.tags, "shown once, as the source"
    assert found.data.tags["ended"] == "stopped early at epoch 8 of 30"
    assert json.loads(found.data.tags["mlflow.loggedArtifacts"]) == [{"path": "shapes_test.json", "type": "table"}]
    history = client.get_metric_history(run_id, "loss/total")
    assert sorted((point.step, point.value) for point in history) == [(s, 1.0 / (s + 1)) for s in range(2500)]
    assert found.data.metrics["chamfer/onet.chamfer_l1"] == 0.1
    assert "system/cpu_utilization_percentage" in found.data.metrics
    assert {item.path for item in client.list_artifacts(run_id)} == {"results", "shapes_test.json"}
    assert {item.path for item in client.list_artifacts(run_id, "results")} == {
        "results/config.json", "results/test"
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


def test_a_run_says_what_it_is_and_what_it_read(root: Path) -> None:
    run = create(root, "described")
    data = DataSet("store", "0123456789abcdef", "s3://bucket/store")
    described = replace(DESCRIPTION, name="described", note="trained on **mugs**", data=data)
    run_id = MlflowTracker(run).start(described)
    client = client_of(run)
    client.set_tag(run_id, "mlflow.note.content", "mine")
    MlflowTracker(run).start(described)
    found = client.get_run(run_id)
    assert found.data.tags["mlflow.note.content"] == "mine", "what a person wrote stays"
    (used,) = found.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest, used.dataset.source_type) == ("store", "0123456789ab", "s3")
    assert json.loads(used.dataset.source) == {"uri": "s3://bucket/store"}
    assert [(tag.key, tag.value) for tag in used.tags] == [("mlflow.data.context", "training")]


def test_a_note_is_shown(root: Path) -> None:
    run = create(root, "noted")
    run_id = MlflowTracker(run).start(replace(DESCRIPTION, note="trained on **mugs**"))
    assert client_of(run).get_run(run_id).data.tags["mlflow.note.content"] == "trained on **mugs**"


def test_folders_of_equal_content_are_kept_apart(root: Path) -> None:
    run = create(root, "folders")
    for folder in ("meshes", "truth"):
        (run.path / folder).mkdir()
        (run.path / folder / "mug.glb").write_text(folder)
    tracker = MlflowTracker(run)
    run_id = tracker.start(replace(DESCRIPTION, name="folders"))
    tracker.artifacts([run.path / "meshes", run.path / "truth"], "evaluation/test")
    uri = client_of(run).get_run(run_id).info.artifact_uri
    kept = [mlflow.artifacts.load_text(f"{uri}/evaluation/test/{folder}/mug.glb") for folder in ("meshes", "truth")]
    assert kept == ["meshes", "truth"]


def sweep_and_trial(root: Path, name: str) -> tuple[RunDirectory, RunDirectory]:
    sweep = create(root, name)
    write_json(sweep.definition, {})
    return sweep, create(sweep.path / "trials", "000-s0")


def parent_of(run: RunDirectory, run_id: str) -> str | None:
    found: str | None = (
        mlflow.MlflowClient(f"sqlite:///{run.root}/mlflow.db").get_run(run_id).data.tags.get("mlflow.parentRunId")
    )
    return found


def test_a_trial_lies_below_its_sweep(root: Path) -> None:
    sweep, trial = sweep_and_trial(root, "sweep")
    parent = MlflowTracker(sweep).start(replace(DESCRIPTION, name="sweep"))
    child = MlflowTracker(trial).start(replace(DESCRIPTION, name="000 seed 0", parent=parent))
    assert parent_of(trial, child) == parent


def test_a_network_lies_below_its_set(root: Path) -> None:
    whole = create(root, "fields")
    write_json(whole.set_file, {})
    network = create(whole.path, "mug")
    parent = MlflowTracker(whole).start(replace(DESCRIPTION, name="fields"))
    child = MlflowTracker(network).start(replace(DESCRIPTION, name="fields/mug", parent=PENDING))
    assert network.root == whole.root
    assert parent_of(network, child) == parent


@pytest.mark.parametrize("sweep_first", [True, False])
def test_a_trial_of_a_sweep_that_waits_for_its_server_joins_it_later(root: Path, sweep_first: bool) -> None:
    sweep, trial = sweep_and_trial(root, f"waiting-{sweep_first}")
    described = replace(DESCRIPTION, name="000 seed 0", parent=PENDING)
    if sweep_first:
        parent = MlflowTracker(sweep).start(replace(DESCRIPTION, name="sweep"))
        child = MlflowTracker(trial).start(described)
    else:
        child = MlflowTracker(trial).start(described)
        assert parent_of(trial, child) is None, "never the placeholder"
        parent = MlflowTracker(sweep).start(replace(DESCRIPTION, name="sweep"))
    assert parent_of(trial, child) == parent


def test_the_page_to_open_lists_the_runs(root: Path) -> None:
    run = create(root, "opened")
    assert runs_page(run) == MODEL_TRAINING_PAGE
    run_id = MlflowTracker(run).start(replace(DESCRIPTION, name="opened"))
    experiment = client_of(run).get_run(run_id).info.experiment_id
    assert runs_page(run).endswith(f"/#/experiments/{experiment}/runs?workflowType=machine_learning")


def test_lists_read_as_a_person_writes_them() -> None:
    assert text(["mug", "chair"]) == "mug, chair"
    assert text(0.5) == "0.5"


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
