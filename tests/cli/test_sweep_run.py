"""The driver's side of a sweep, with a stand-in for Ray Tune and a tracker that notes what it hears."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from shapesys.cli import sweep_run, sweep_tracking
from shapesys.cli.tune import resolve_sweep
from shapesys.errors import ShapesysError, UsageError
from shapesys.on_ray import tune as on_ray_tune
from shapesys.tracking.tracker import RunDescription
from shapesys.training.run_dir import RunDirectory, read_json
from shapesys.tuning.config import Sweep
from shapesys.tuning.ledger import Ledger, Report, Trial
from shapesys.tuning.space import Knob, Space
from shapesys.tuning.sweep_dir import SweepDirectory

METRIC = "chamfer/onet.chamfer_l1"
KNOB = "train.learning_rate"
Work = Callable[["Told"], None]


class Told:
    """A sweep's trials, its observer, and its folder."""

    def __init__(self, directory: SweepDirectory, trials: Any, observer: Any) -> None:
        self.directory, self.trials, self.observer = directory, trials, observer

    def begin(self) -> Trial:
        trial: Trial = self.trials.next()
        self.observer.began(trial)
        self.directory.trial(trial.id).update_status(state="running")
        return trial

    def learn(self, trial: Trial, steps: range) -> None:
        """Three steps an epoch."""
        with self.directory.trial(trial.id).history.open("a") as file:
            for step in steps:
                record = {"step": step, "epoch": step / 3, "total_steps": 27, "loss": {"total": 1.0}}
                file.write(json.dumps(record) + "\n")

    def report(self, trial: Trial, epoch: int, value: float) -> None:
        report = Report(epoch, value, {METRIC: value})
        self.trials.report(trial.id, report)
        self.observer.reported(trial, report)

    def end(self, trial: Trial, ending: Any = "finished", error: str = "") -> None:
        self.trials.end(trial.id, ending)
        self.observer.ended(trial, ending, error)


class Noted:
    """A tracked run: what it was told, over all drivers."""

    def __init__(self) -> None:
        self.description: Any = None
        self.status = ""
        self.values: list[tuple[str, float, int]] = []
        self.tagged: dict[str, str] = {}
        self.files: list[str] = []

    def start(self, description: RunDescription, resume: str | None = None) -> str:
        self.description, self.status = description, "running"
        return "an id"

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        self.values += [(name, value, step) for name, value in values.items()]

    def artifacts(self, paths: Sequence[Path], folder: str = "") -> None:
        self.files += [path.name for path in paths]

    def table(self, rows: Path, name: str) -> None:
        self.files.append(name)

    def tags(self, values: Mapping[str, str]) -> None:
        self.tagged |= values

    def finish(self, status: str) -> None:
        self.status = status

    def steps(self, name: str) -> list[int]:
        return [step for found, _, step in self.values if found == name]


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> dict[str, Noted]:
    """Tracked runs by the names of their folders."""
    runs: dict[str, Noted] = {}

    def open_tracker(run: RunDirectory, kind: str) -> Noted:
        run.tracking.write_text("{}")
        return runs.setdefault(run.name, Noted())

    monkeypatch.setattr(sweep_tracking, "open_tracker", open_tracker)
    return runs


@pytest.fixture
def sweep(store: Path) -> Sweep:
    return sweep_of(store, hours=1.0)


def sweep_of(store: Path, **changes: Any) -> Sweep:
    space = Space(name="rates", family="issn", strategy="grid", knobs={KNOB: Knob(choices=(0.1, 0.2))})
    small = {"train.epochs": 9, "data.store": str(store), "evaluate.split": "test"}
    found: Sweep = resolve_sweep(space, "issn", "tiny", small | changes)
    return found


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, sweep: Sweep, tmp_path: Path) -> Any:
    """A function that runs the sweep, or goes on with it, with `work` in place of Ray Tune."""

    def of(work: Work, changed: Sweep = sweep) -> dict[str, Any]:
        def tune(directory: Any, sweep: Any, trials: Any, observer: Any, **how: Any) -> None:
            work(Told(directory, trials, observer))

        monkeypatch.setattr(on_ray_tune, "tune", tune)
        return sweep_run.run_sweep(changed, "sweep", tmp_path)

    return of


def states(tmp_path: Path) -> dict[str, str]:
    sweep = SweepDirectory(tmp_path / "sweep")
    return {name: read_json(sweep.trial(name).status)["state"] for name in Ledger(sweep.ledger).records()}


def both(told: Told) -> None:
    for value in (0.5, 0.4):
        trial = told.begin()
        told.learn(trial, range(1, 28))
        told.report(trial, 3, 2 * value)
        told.report(trial, 9, value)
        told.end(trial)


def test_the_tracker_hears_of_the_sweep_and_of_each_trial(run: Any, noted: dict[str, Noted], store: Path) -> None:
    result = run(both)
    assert (result["state"], result["reason"], result["counts"]["waiting"]) == ("finished", None, 0)
    parent, child = noted["sweep"], noted["001-s0"]
    assert (parent.status, child.status) == ("finished", "finished")
    assert parent.values == [("objective", 0.5, 1), ("objective", 0.4, 2)], "the best so far"
    assert parent.tagged["best"] == "001-s0"
    assert parent.tagged["ended"] == "all trials ended"
    assert {"page.html", "trials", "trials.jsonl"} <= set(parent.files)
    assert f"`{store}`" in parent.description.note
    assert "point 001 of sweep *sweep*, seed 0: train.learning_rate = 0.2" in child.description.note.lower()
    for run_noted in (parent, child):
        assert run_noted.description.data.name == store.name
        assert len(run_noted.description.data.digest) >= 12
    assert child.description.parent == "an id"
    assert child.steps("objective") == [9, 27], "at the step of the rung, however far training is by then"
    assert [name for name, _, _ in child.values if name.endswith("onet.chamfer_l1")] == [
        "test/chamfer.onet.chamfer_l1"
    ] * 2


def test_a_budget_that_ends_with_the_last_trials_running_leaves_the_sweep_open(
    run: Any, noted: dict[str, Noted], tmp_path: Path
) -> None:
    def cut_off(told: Told) -> None:
        told.end(told.begin(), "errored", "no luck")
        told.learn(told.begin(), range(1, 10))

    result = run(cut_off)
    assert result["state"] == "interrupted"
    assert result["reason"] == "the time budget of 1 h ended it; raise --hours to go on"
    assert result["counts"] == {"finished": 0, "stopped": 0, "errored": 1, "waiting": 1}
    assert states(tmp_path) == {"000-s0": "failed", "001-s0": "interrupted"}
    assert [noted[name].status for name in ("sweep", "000-s0", "001-s0")] == ["interrupted", "failed", "interrupted"]
    assert noted["000-s0"].tagged["ended"] == "no luck"
    assert noted["001-s0"].steps("loss/total") == list(range(1, 10)), "up to its last step"


def test_a_budget_that_is_used_up_is_no_failure_of_the_sweep(run: Any, noted: dict[str, Noted], tmp_path: Path) -> None:
    run(lambda told: told.begin())
    status = SweepDirectory(tmp_path / "sweep").status
    SweepDirectory(tmp_path / "sweep").update_status(seconds=4000.0)
    before = status.read_text()
    with pytest.raises(ShapesysError, match="sweep 'sweep' has used its 1 hours; raise --hours to go on"):
        run(both)
    assert status.read_text() == before
    assert noted["sweep"].status == "interrupted"


def test_what_a_killed_driver_left_open_is_closed(run: Any, noted: dict[str, Noted], tmp_path: Path) -> None:
    """It dies between two calls of its tracker and its ledger: nobody can tell the runs, and status.json, so."""

    def die(told: Told) -> None:
        told.learn(first := told.begin(), range(1, 28))
        told.report(first, 9, 0.5)
        told.observer._ledger.end = killed
        with pytest.raises(MemoryError):
            told.end(first)
        told.begin()
        told.observer._end = told.observer._let_go = lambda *_: None
        raise MemoryError

    def killed(*_: Any) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        run(die)
    assert [noted[name].status for name in ("sweep", "000-s0", "001-s0")] == ["running", "finished", "running"]

    def go_on(told: Told) -> None:
        first = told.begin()
        assert first.id == "000-s0"
        told.report(first, 9, 0.5)
        told.end(first)

    run(go_on)
    assert [noted[name].status for name in ("sweep", "000-s0", "001-s0")] == ["interrupted", "finished", "interrupted"]
    assert noted["000-s0"].steps("loss/total") == list(range(1, 28)), "once"
    assert noted["000-s0"].steps("objective") == [27], "once"
    assert states(tmp_path) == {"000-s0": "running", "001-s0": "interrupted"}


def test_a_trial_that_ray_starts_twice_is_one_tracked_run(run: Any, noted: dict[str, Noted]) -> None:
    def restart(told: Told) -> None:
        trial = told.begin()
        told.learn(trial, range(1, 10))
        told.observer.tick()
        told.observer.began(trial)
        told.learn(trial, range(10, 28))
        told.report(trial, 9, 0.5)
        told.end(trial)

    run(restart)
    assert noted["000-s0"].steps("loss/total") == list(range(1, 28))


def test_a_trial_whose_process_never_started_is_an_error_of_its_own(run: Any, noted: dict[str, Noted]) -> None:
    def never(told: Told) -> None:
        told.end(told.trials.next(), "errored", "a worker process died")
        both_left = told.begin()
        told.report(both_left, 9, 0.4)
        told.end(both_left)

    assert run(never)["counts"] == {"finished": 1, "stopped": 0, "errored": 1, "waiting": 0}
    assert noted["000-s0"].status == "failed"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"strategy": "grid"}, "space 'width' has no grid, because model.dropout can be anything in a range"),
        ({"gpus_per_trial": 0.5, "scale.num_workers": 2}, "--gpus-per-trial is for trials of one worker"),
    ],
)
def test_what_would_fail_later_is_refused_at_once(store: Path, changes: dict[str, Any], words: str) -> None:
    space = Space(name="width", family="issn", knobs={"model.dropout": Knob(low=0.0, high=0.5)})
    with pytest.raises(UsageError, match=words):
        resolve_sweep(space, "issn", "tiny", {"data.store": str(store), "evaluate.split": "test"} | changes)
