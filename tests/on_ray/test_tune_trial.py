from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shapesys.errors import ShapesysError
from shapesys.training.run_dir import RunDirectory
from shapesys.tuning.ledger import Report

pytest.importorskip("ray")

from shapesys.on_ray import tune_trial
from shapesys.tuning.sweep_dir import SweepDirectory

TRIAL = {"trial": {"id": "000-s0", "number": 0, "seed": 0, "point": {}}}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SweepDirectory:
    """A sweep's folder on a node that runs one trial in this process."""
    (tmp_path / "sweep.json").write_text("{}")
    scale = SimpleNamespace(num_workers=1)
    monkeypatch.setattr(tune_trial, "load_sweep", lambda place: SimpleNamespace(base=SimpleNamespace(scale=scale)))
    monkeypatch.setattr(tune_trial.torch, "set_num_threads", lambda threads: None)
    return SweepDirectory(tmp_path)


def test_a_trial_s_own_error_is_not_worth_a_retry(place: SweepDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_trial(*_: Any) -> Any:
        place.trial("000-s0").update_status(state="failed", error="no luck")
        raise ShapesysError("no luck")

    monkeypatch.setattr(tune_trial, "run_trial", run_trial)
    tune_trial.run_in_tune(TRIAL, str(place.path))


def test_a_trial_that_another_process_holds_is(place: SweepDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_trial(*_: Any) -> Any:
        raise ShapesysError("another process is writing to it")

    place.trial("000-s0").update_status(state="running")
    monkeypatch.setattr(tune_trial, "run_trial", run_trial)
    with pytest.raises(ShapesysError, match="another process"):
        tune_trial.run_in_tune(TRIAL, str(place.path))


def test_rungs_are_reported_as_they_come(place: SweepDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(tune_trial, "run_trial", lambda *_: iter([Report(3, 0.5), Report(9, 0.25)]))
    monkeypatch.setattr(tune_trial.ray_tune, "report", told.append)
    tune_trial.run_in_tune(TRIAL, str(place.path))
    assert [(report["epoch"], report["objective"]) for report in told] == [(3, 0.5), (9, 0.25)]


def test_a_group_measures_with_the_gpus_it_trains_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    scale = SimpleNamespace(num_workers=2, cpus_per_worker=0.5)
    monkeypatch.setattr("shapesys.training.config.load_job", lambda path: SimpleNamespace(scale=scale))
    monkeypatch.setattr(tune_trial.evaluate, "evaluate", lambda run, settings, actors: asked.append(actors))
    for gpus in (0.0, 1.0):
        tune_trial.GroupEngine(gpus).evaluate(RunDirectory(tmp_path), None)  # type: ignore[arg-type]
    assert [(actors.num_actors, actors.gpus_per_actor) for actors in asked] == [(2, 0.0), (2, 1.0)]
