"""Runs tracked by the tracking server of cluster/mlflow, over HTTP with a password."""

from __future__ import annotations

import base64
import json
import logging
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

mlflow = pytest.importorskip("mlflow")
pytest.importorskip("flask_wtf", reason="the server asks for passwords with mlflow[auth]")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

from tracking_server import BUCKET, Server, tracking_server  # noqa: E402

from shapesys.tracking.mlflow import MlflowTracker  # noqa: E402
from shapesys.tracking.tracker import RunDescription  # noqa: E402
from shapesys.training.run_dir import RunDirectory, create, read_json, write_json  # noqa: E402

DESCRIPTION = RunDescription("chairs", "issn", params={"model.latent_dim": 64}, tags={"commit": "c0ffee"})
ALICE = ("alice", "correct horse battery")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with tracking_server(folder) as running:
        yield running
    assert not list(folder.glob("*.ini")), "the file with the address of the users' table outlived the server"


@pytest.fixture(scope="module")
def alice(server: Server) -> tuple[str, str]:
    """An ordinary user, and an experiment that somebody else made."""
    with pytest.MonkeyPatch.context() as patch:
        login(patch, server, (server.admin, server.password))
        post(server, "/api/2.0/mlflow/users/create", {"username": ALICE[0], "password": ALICE[1]})
        mlflow.MlflowClient(server.uri).create_experiment(DESCRIPTION.experiment)
    return ALICE


def post(server: Server, path: str, body: dict[str, str]) -> None:
    """What the README does with curl."""
    credentials = base64.b64encode(f"{server.admin}:{server.password}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.uri}{path}", json.dumps(body).encode(), headers, method="POST")
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


def login(patch: pytest.MonkeyPatch, server: Server, user: tuple[str, str]) -> None:
    patch.setenv("MLFLOW_TRACKING_URI", server.uri)
    patch.setenv("MLFLOW_TRACKING_USERNAME", user[0])
    patch.setenv("MLFLOW_TRACKING_PASSWORD", user[1])


def evaluated(root: Path, name: str) -> RunDirectory:
    run = create(root, name)
    write_json(run.config, {"family": "issn"})
    rows = run.evaluation("test").rows
    rows.parent.mkdir(parents=True)
    pq.write_table(pa.table({"shape_id": ["a", "b"], "iou@onet": [0.5, 0.75]}), rows)
    return run


def test_a_run_round_trips(
    server: Server, alice: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login(monkeypatch, server, alice)
    run = evaluated(tmp_path, "chairs")
    tracker = MlflowTracker(run)
    run_id = tracker.start(DESCRIPTION)
    for step in range(50):
        tracker.metrics({"loss/total": 1.0 / (step + 1)}, step)
    tracker.artifacts([run.config])
    tracker.table(run.evaluation("test").rows, "shapes_test")
    tracker.finish("finished")

    client = mlflow.MlflowClient(server.uri)
    found = client.get_run(run_id)
    assert found.info.status == "FINISHED"
    assert found.data.params == {"model.latent_dim": "64"}
    history = client.get_metric_history(run_id, "loss/total")
    assert sorted((point.step, point.value) for point in history) == [(s, 1.0 / (s + 1)) for s in range(50)]
    assert json.loads(mlflow.artifacts.load_text(f"runs:/{run_id}/config.json")) == {"family": "issn"}
    table = json.loads(mlflow.artifacts.load_text(f"runs:/{run_id}/shapes_test.json"))
    assert table == {"columns": ["shape_id", "iou@onet"], "data": [["a", 0.5], ["b", 0.75]]}
    kept = [entry["Key"] for entry in server.s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert [key for key in kept if run_id in key and key.endswith("shapes_test.json")]
    assert not (run.path / "tracking_spool.jsonl").exists()
    written = [path for path in run.path.rglob("*") if path.is_file()]
    assert run.tracking in written
    assert [path for path in written if alice[1].encode() in path.read_bytes()] == []


def test_a_wrong_password_costs_one_line_and_nothing_is_lost(
    server: Server,
    alice: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    login(monkeypatch, server, (alice[0], "wrong password"))
    run = evaluated(tmp_path, "locked_out")
    tracker = MlflowTracker(run)
    assert tracker.start(DESCRIPTION) == "pending"
    tracker.metrics({"loss/total": 0.25}, 1)
    tracker.artifacts([run.config])
    tracker.finish("finished")
    (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    text = warning.getMessage()
    assert server.uri in text
    assert "the run goes on" in text
    assert "authenticat" in text.lower() or "401" in text
    assert "\n" not in text
    assert "wrong password" not in text

    login(monkeypatch, server, alice)
    later = MlflowTracker(run)
    later.start(RunDescription("locked_out", "issn", attach=True))
    later.finish("finished")
    found = mlflow.MlflowClient(server.uri).get_run(read_json(run.tracking)["run_id"])
    assert found.data.metrics["loss/total"] == 0.25
    assert found.info.status == "FINISHED"


@pytest.mark.parametrize(("headers", "status"), [({}, 401), ({"Host": "evil.example"}, 403)])
def test_strangers_are_turned_away(server: Server, headers: dict[str, str], status: int) -> None:
    asked = urllib.request.Request(f"{server.uri}/api/2.0/mlflow/experiments/search?max_results=1", headers=headers)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked, timeout=10)
    assert refused.value.code == status


def test_the_server_listens_on_the_loopback_address_and_hides_its_secrets(server: Server) -> None:
    psutil = pytest.importorskip("psutil")
    leader = psutil.Process(server.process.pid)
    processes = [leader, *leader.children(recursive=True)]
    listening = [link.laddr for process in processes for link in process.net_connections() if link.status == "LISTEN"]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert len(processes) <= 5, [process.cmdline() for process in processes]
    words = " ".join(word for process in processes for word in process.cmdline())
    secret = [server.environment[name] for name in server.environment if name.endswith(("PASSWORD", "SECRET_KEY"))]
    assert len(secret) >= 3
    assert not [value for value in secret if value in words or value in server.log.read_text()]
    (settings,) = server.log.parent.glob("mlflow-auth-*.ini")
    assert settings.stat().st_mode & 0o077 == 0
