"""The buffered tracker against a store that comes and goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shapesys.errors import UsageError
from shapesys.tracking.buffered import BufferedTracker, Refused
from shapesys.tracking.spool import Spool
from shapesys.tracking.tracker import PENDING, RunDescription
from shapesys.training.run_dir import RunDirectory, create

DESCRIPTION = RunDescription("chairs", "issn", params={"model.latent_dim": 64})


class MemoryStore:
    """Takes operations while `up`, and refuses those named in `refuses`."""

    name = "memory"

    def __init__(self, up: bool = True, refuses: str = "") -> None:
        self.up, self.refuses = up, refuses
        self.run_id: str | None = None
        self.taken: list[dict[str, Any]] = []

    def apply(self, operation: dict[str, Any]) -> None:
        if not self.up:
            raise ConnectionError("no route")
        if operation["op"] == self.refuses:
            raise Refused("never")
        self.run_id = "run-1"
        self.taken.append(json.loads(json.dumps(operation)))

    def metrics(self) -> list[tuple[str, float, int]]:
        batches = [operation["metrics"] for operation in self.taken if operation["op"] == "metrics"]
        return [(n, v, s) for batch in batches for n, v, s, _ in batch if not n.startswith("system/")]


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return create(tmp_path, "chairs")


def test_metrics_travel_in_batches(run: RunDirectory) -> None:
    store = MemoryStore()
    tracker = BufferedTracker(run, store, flush_count=100, flush_seconds=1e9)
    assert tracker.start(DESCRIPTION) == "run-1"
    for step in range(250):
        tracker.metrics({"loss": step / 2}, step)
    tracker.finish("finished")
    assert store.metrics() == [("loss", step / 2, step) for step in range(250)]
    assert sum(operation["op"] == "metrics" for operation in store.taken) == 3
    assert store.taken[-1]["status"] == "finished"


def test_the_machine_is_read_for_runs_that_have_it_to_themselves(run: RunDirectory) -> None:
    for description, expected in (
        (DESCRIPTION, True), (replace(DESCRIPTION, attach=True), False), (replace(DESCRIPTION, parent="p"), False)
    ):  # fmt: skip
        store = MemoryStore()
        tracker = BufferedTracker(run, store)
        tracker.start(description)
        tracker.metrics({"loss": 1.0}, 0)
        tracker.finish("finished")
        names = [name for operation in store.taken[1:-1] for name, *_ in operation["metrics"]]
        assert any(name.startswith("system/") for name in names) == expected


def test_an_absent_store_costs_nothing_and_is_caught_up_in_order(
    run: RunDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore(up=False)
    tracker = BufferedTracker(run, store, flush_count=1, retry_seconds=1e9)
    assert tracker.start(DESCRIPTION) == PENDING
    tracker.metrics({"loss": 1.0}, 0)
    store.up = True
    tracker.metrics({"loss": 0.5}, 1)
    assert store.taken == [], "no retry before the pause is over"
    tracker.finish("finished")
    assert [operation["op"] for operation in store.taken] == ["start", "metrics", "metrics", "finish"]
    assert store.metrics() == [("loss", 1.0, 0), ("loss", 0.5, 1)]
    assert not (run.path / "tracking_spool.jsonl").exists()
    assert sum("cannot be reached" in record.message for record in caplog.records) == 1


def test_the_next_process_replays_what_an_earlier_one_left(run: RunDirectory) -> None:
    lost = BufferedTracker(run, MemoryStore(up=False), flush_count=1)
    lost.start(DESCRIPTION)
    lost.metrics({"loss": 3.0}, 7)
    lost.finish("interrupted")
    store = MemoryStore()
    BufferedTracker(run, store).start(DESCRIPTION, resume="run-1")
    assert [operation["op"] for operation in store.taken] == ["start", "metrics", "finish", "start"]
    assert store.metrics() == [("loss", 3.0, 7)]


def test_a_refused_operation_does_not_hold_up_the_others(run: RunDirectory, caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore(refuses="artifacts")
    tracker = BufferedTracker(run, store)
    tracker.start(DESCRIPTION)
    tracker.artifacts([run.path])
    tracker.finish("failed")
    assert [operation["op"] for operation in store.taken] == ["start", "finish"]
    assert "refused 'artifacts'" in caplog.text


def test_a_status_that_is_none_of_the_three_is_refused(run: RunDirectory) -> None:
    with pytest.raises(UsageError, match="finished"):
        BufferedTracker(run, MemoryStore()).finish("finishd")


def test_the_spool_keeps_what_was_not_taken_and_survives_half_a_line(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.jsonl")
    for number in range(4):
        spool.append({"number": number})
    with spool.path.open("a") as stream:
        stream.write('{"number": 4, "cut')
    taken: list[int] = []
    assert not spool.replay(_take(taken, until=2))
    assert spool.replay(_take(taken, until=9))
    assert taken == [0, 1, 2, 3]
    assert not spool


def _take(taken: list[int], until: int) -> Callable[[dict[str, Any]], bool]:
    def take(operation: dict[str, Any]) -> bool:
        if operation["number"] >= until:
            return False
        taken.append(operation["number"])
        return True

    return take
