"""Calls made in the background reach the tracker in the order they were made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shapesys.cli.background import BackgroundTracker
from shapesys.errors import UsageError
from shapesys.tracking.jsonl import JsonLinesTracker
from shapesys.tracking.tracker import RunDescription
from shapesys.training.run_dir import create


def test_calls_arrive_in_order_before_finish_returns(tmp_path: Path) -> None:
    run = create(tmp_path, "chairs")
    tracker = BackgroundTracker(JsonLinesTracker(run))
    tracker.start(RunDescription("chairs", "issn"))
    tracker.metrics({"loss": 0.5}, 1)
    tracker.artifacts([run.path])
    tracker.table(run.path / "shapes.parquet", "test")
    tracker.tags({"ended": "stopped early at epoch 8 of 30"})
    tracker.finish("finished")
    lines = [json.loads(line) for line in (run.path / "tracking.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["start", "metrics", "artifacts", "table", "tags", "finish"]
    assert lines[4]["tags"] == {"ended": "stopped early at epoch 8 of 30"}


def test_what_an_earlier_call_raised_is_raised_by_finish(tmp_path: Path) -> None:
    tracker = BackgroundTracker(JsonLinesTracker(create(tmp_path, "chairs")))
    with pytest.raises(UsageError, match="unknown run status"):
        tracker.finish("finishd")
