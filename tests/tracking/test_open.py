"""The choice of tracker, and the tracker that needs nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from shapesys.errors import ShapesysError, UsageError
from shapesys.tracking import location
from shapesys.tracking import open as opening
from shapesys.tracking.jsonl import JsonLinesTracker
from shapesys.tracking.open import open_tracker
from shapesys.tracking.tracker import NoTracker, RunDescription
from shapesys.training.run_dir import RunDirectory, create, write_json


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return create(tmp_path, "chairs")


def test_json_lines_hold_every_event(run: RunDirectory) -> None:
    tracker = open_tracker(run, "jsonl")
    tracker.start(RunDescription("chairs", "issn", params={"lambda": 0.3}))
    tracker.metrics({"loss": 0.25}, 3)
    tracker.artifacts([run.path / "config.json"], "settings")
    tracker.table(run.path / "evaluation/test/shapes.parquet", "test")
    tracker.tags({"ended": "every epoch done"})
    tracker.finish("finished")
    lines = [json.loads(line) for line in (run.path / "tracking.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["start", "metrics", "artifacts", "table", "tags", "finish"]
    assert lines[0]["params"] == {"lambda": 0.3}
    assert lines[1]["values"] == {"loss": 0.25}
    assert lines[2]["paths"] == ["config.json"]
    assert lines[4]["tags"] == {"ended": "every epoch done"}


def test_without_mlflow_auto_means_json_lines(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "find_spec", lambda name: None)
    assert isinstance(open_tracker(run), JsonLinesTracker)
    with pytest.raises(ShapesysError, match=r"pip install 'shapesys\[mlflow\]'"):
        open_tracker(run, "mlflow")


def test_none_writes_nothing_and_unknown_kinds_are_named(run: RunDirectory) -> None:
    tracker = open_tracker(run, "none")
    assert isinstance(tracker, NoTracker)
    tracker.start(RunDescription("chairs", "issn"))
    tracker.metrics({"loss": 1.0}, 0)
    tracker.tags({"ended": "early"})
    tracker.finish("finished")
    assert list(run.path.iterdir()) == []
    with pytest.raises(UsageError, match="did you mean mlflow"):
        open_tracker(run, "mlflw")


def test_opening_a_tracker_loads_no_mlflow(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from shapesys.tracking.open import open_tracker;"
        "from shapesys.training.run_dir import RunDirectory;"
        f"open_tracker(RunDirectory(Path({str(tmp_path)!r})), 'auto'); assert 'mlflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_environment_wins_over_the_file_beside_the_runs(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert location.tracking_uri(run) == f"sqlite:///{run.path.parent}/mlflow.db"
    assert "mlflow ui --backend-store-uri sqlite:///" in location.open_command(run)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@host:5000/x")
    assert location.embedded_artifacts(run) is None
    assert location.open_command(run) == "https://host:5000/x"


def test_trials_of_a_sweep_share_the_store_of_ordinary_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run, trial = create(tmp_path, "chairs"), create(tmp_path / "sweep" / "trials", "003")
    write_json(tmp_path / "sweep" / "sweep.json", {})
    assert location.tracking_uri(trial) == location.tracking_uri(run)
    assert location.embedded_artifacts(trial) == location.embedded_artifacts(run)


def test_an_id_of_another_store_is_not_taken_for_ours(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://here")
    write_json(run.tracking, {"run_id": "abc", "uri": "http://here"})
    assert location.tracked_id(run) == "abc"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    assert location.tracked_id(run) is None
