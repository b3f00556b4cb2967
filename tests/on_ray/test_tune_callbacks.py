"""What a sweep hears of Ray Tune's trials, told by stand-ins for them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shapesys.tuning.ledger import Report, Trial
from shapesys.tuning.sweep_dir import SweepDirectory

pytest.importorskip("ray")

from shapesys.on_ray.tune_callbacks import Said, Watch

TRIAL = Trial("003-s1", 3, 1, {"model.hidden": 16})


class Told:
    """A queue and an observer that note what they hear."""

    def __init__(self) -> None:
        self.queued: list[tuple[Any, ...]] = []
        self.heard: list[tuple[Any, ...]] = []
        self.said: list[Said] = []

    def end(self, *ended: Any) -> None:
        self.queued.append(ended)

    def report(self, *reported: Any) -> None:
        self.queued.append(reported)

    def ended(self, *ended: Any) -> None:
        self.heard.append(ended)

    def reported(self, *reported: Any) -> None:
        self.heard.append(reported)

    def pass_on(self) -> list[tuple[Any, ...]]:
        for said in self.said:
            said(self)  # type: ignore[arg-type]
        return self.heard


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def watch(told: Told, tmp_path: Path) -> Watch:
    return Watch(SweepDirectory(tmp_path), told, told.said.append)  # type: ignore[arg-type]


def of_ray(error: Any = None) -> Any:
    return SimpleNamespace(config={"trial": vars(TRIAL)}, get_error=lambda: error)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (None, "no reason known"),
        (ValueError("the folder is gone"), "the folder is gone"),
        ("ray.exceptions.RayTaskError(ShapesysError)\n  File a.py\nshapesys.errors.ShapesysError: no b\n", "no b"),
        ("ray.exceptions.ActorDiedError: pid 4", "a worker process died: out of memory, or killed from outside"),
    ],
)
def test_an_error_of_ray_s_ends_the_trial_with_its_cause(watch: Watch, told: Told, error: Any, said: str) -> None:
    watch.on_trial_error(1, [], of_ray(error))
    assert told.queued == [("003-s1", "errored")]
    assert told.heard == [], "the observer hears in its own thread"
    assert told.pass_on() == [(TRIAL, "errored", said)]


@pytest.mark.parametrize(
    ("status", "ending"),
    [
        ({"state": "failed", "error": "no luck"}, [(TRIAL, "errored", "no luck")]),
        ({"state": "finished"}, [(TRIAL, "finished", "")]),
        ({"state": "running"}, []),
        ({}, []),
    ],
)
def test_a_trial_ends_by_its_status_and_one_that_runs_was_cut_off(
    watch: Watch, told: Told, tmp_path: Path, status: dict[str, str], ending: list[Any]
) -> None:
    if status:
        SweepDirectory(tmp_path).trial(TRIAL.id).update_status(**status)
    watch.on_trial_complete(1, [], of_ray())
    assert told.pass_on() == ending
    assert told.queued == [(trial.id, how) for trial, how, _ in ending]


def test_a_trial_that_the_scheduler_ended_was_stopped(watch: Watch, told: Told, tmp_path: Path) -> None:
    SweepDirectory(tmp_path).trial(TRIAL.id).update_status(state="running")
    watch.stopping(of_ray())
    watch.on_trial_complete(1, [], of_ray())
    assert told.pass_on() == [(TRIAL, "stopped", "")]


def test_only_whole_reports_are_passed_on(watch: Watch, told: Told) -> None:
    """Ray closes a trial with a result of its own, which has no rung in it."""
    whole = {"epoch": 3, "value": 0.5, "metrics": {"iou": 0.25}, "seconds": 2.0}
    for result in ({"done": True}, whole | {"objective": 0.5}):
        watch.on_trial_result(1, [], of_ray(), result)
    report = Report(**whole)  # type: ignore[arg-type]
    assert told.queued == [("003-s1", report)]
    assert told.pass_on() == [(TRIAL, report)]
