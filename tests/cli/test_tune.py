"""`shapesys tune` from its words to what it hands to Ray Tune, which a stand-in takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_support import invoke

from shapesys.on_ray import tune as on_ray_tune
from shapesys.tuning.config import Sweep, load_sweep
from shapesys.tuning.ledger import Report
from shapesys.tuning.sweep_dir import SweepDirectory

LAMBDA = "model.saliency_weight"
RATE = "train.learning_rate"
GRID = ["--space", "lambda"]


@pytest.fixture
def words(store: Path, tmp_path: Path) -> list[object]:
    """A sweep on a split that the store has, without a tracker."""
    small = ["--train.epochs", 9, "--evaluate.split", "test", "--tracker", "none"]
    return ["tune", "issn", "--store", store, "--run", "sweep", "--runs-root", tmp_path / "runs", *small]


def data_of(*words: object) -> dict[str, Any]:
    result = invoke(*words, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def ids(found: dict[str, Any]) -> list[str]:
    return [trial["id"] for trial in found["first"]]


def test_a_dry_run_lists_a_grid_with_every_seed(words: list[object], tmp_path: Path) -> None:
    found = data_of(*words, *GRID, "--seeds", 2, "--dry-run")
    assert (found["strategy"], found["trials"], found["measured on"]) == ("grid", 6, "test")
    assert found["rungs (epochs)"] == [1, 3, 9]
    assert ids(found) == ["000-s0", "000-s1", "001-s0", "001-s1", "002-s0", "002-s1"]
    assert [trial["point"][LAMBDA] for trial in found["first"]] == [1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1e-4]
    assert [trial["seed"] for trial in found["first"]] == [0, 1] * 3
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("strategy", ["random", "optuna"])
def test_a_dry_run_lists_points_that_a_seed_decides(words: list[object], strategy: str) -> None:
    words = [*words, "--space", "default", "--strategy", strategy, "--trials", 3, "--dry-run"]
    found, again, other = data_of(*words), data_of(*words), data_of(*words, "--search-seed", 1)
    assert (found["strategy"], found["trials"], ids(found)) == (strategy, 3, ["000-s0", "001-s0", "002-s0"])
    assert found["first"] == again["first"]
    assert found["first"] != other["first"]
    assert len({trial["point"][RATE] for trial in found["first"]}) == 3


def test_a_dry_run_of_many_trials_shows_the_first(words: list[object]) -> None:
    words = [*words, "--space", "default", "--strategy", "random", "--trials", 40, "--dry-run"]
    assert len(ids(data_of(*words))) == 16
    shown = " ".join(invoke(*words).stdout.split())
    assert "the first 16 of 40 trials" in shown
    assert "nothing was trained" in shown


def test_a_dry_run_loads_no_ray(words: list[object]) -> None:
    line = [str(word) for word in [*words, *GRID, "--dry-run"]]
    code = f"import sys\nfrom shapesys.cli.main import run\nassert run({line!r}) == 0\n"
    code += "print(*sorted({'ray', 'mlflow'} & set(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "002-s0" in done.stdout
    assert done.stderr.split() == []


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--evaluate.split", "val"], "has no shape of split 'val' to measure trials on; it has train (4), test (2)"),
        (["--model.saliency-weight", 0.1], f"'{LAMBDA}' is a knob of space 'lambda'; leave it out"),
        (["--metric", "chamfer"], "metric 'chamfer' lacks its convention; choose one of: chamfer/"),
        (["--metric", "iou/uniform_bax"], "did you mean iou/uniform_box"),
    ],
)
def test_a_dry_run_refuses_what_a_sweep_would(words: list[object], flags: list[object], told: str) -> None:
    result = invoke(*words, *GRID, *flags, "--dry-run")
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())


class RayTune:
    """Stands in for Ray Tune: ends every trial as it is told, and notes the sweep and the trials of each call."""

    def __init__(self) -> None:
        self.outcomes: dict[str, float | str] = {}
        self.calls: list[list[dict[str, Any]]] = []
        self.sweep: Sweep | None = None

    def __call__(self, directory: Any, sweep: Sweep, trials: Any, observer: Any, **how: Any) -> None:
        self.sweep = sweep
        self.calls.append([])
        while trial := trials.next():
            self.calls[-1].append({"id": trial.id, "seed": trial.seed, "point": dict(trial.point)})
            observer.began(trial)
            outcome = self.outcomes[trial.id]
            if isinstance(outcome, float):
                report = Report(9, outcome, {sweep.tune.metric: outcome})
                trials.report(trial.id, report)
                observer.reported(trial, report)
            ending: Any = "errored" if isinstance(outcome, str) else "finished"
            trials.end(trial.id, ending)
            observer.ended(trial, ending, outcome if isinstance(outcome, str) else "")
        observer.tick()


@pytest.fixture
def ray_tune(monkeypatch: pytest.MonkeyPatch) -> RayTune:
    found = RayTune()
    found.outcomes = {"000-s0": 0.5, "001-s0": 0.7, "002-s0": 0.6}
    monkeypatch.setattr(on_ray_tune, "tune", found)
    return found


def test_a_sweep_runs_the_trials_that_its_dry_run_listed(words: list[object], ray_tune: RayTune) -> None:
    listed = data_of(*words, *GRID, "--dry-run")["first"]
    assert data_of(*words, *GRID)["counts"] == {"finished": 3, "stopped": 0, "errored": 0, "waiting": 0}
    assert ray_tune.calls == [listed]


@pytest.mark.parametrize(
    ("metric", "best"), [("iou/uniform_box", "001-s0"), ("chamfer/onet.chamfer_l1", "000-s0")], ids=["up", "down"]
)
def test_the_metric_decides_which_trial_is_best(
    words: list[object], ray_tune: RayTune, tmp_path: Path, metric: str, best: str
) -> None:
    found = data_of(*words, *GRID, "--metric", metric)
    assert (found["metric"], found["best"]["trial"]) == (metric, best)
    assert ray_tune.sweep is not None
    assert ray_tune.sweep.tune.metric == metric
    assert load_sweep(SweepDirectory(tmp_path / "runs" / "sweep")).tune.metric == metric


def test_errored_trials_run_again_when_asked(words: list[object], ray_tune: RayTune) -> None:
    ray_tune.outcomes["001-s0"] = "no luck"
    assert data_of(*words, *GRID)["counts"]["errored"] == 1
    ray_tune.outcomes["001-s0"] = 0.3
    assert data_of(*words, *GRID)["counts"]["errored"] == 1
    assert len(ray_tune.calls) == 1
    again = data_of(*words, *GRID, "--retry-errored")
    assert again["counts"] == {"finished": 3, "stopped": 0, "errored": 0, "waiting": 0}
    assert [trial["id"] for trial in ray_tune.calls[1]] == ["001-s0"]
    assert again["best"]["trial"] == "001-s0"


def test_a_sweep_in_which_every_trial_errs_fails(words: list[object], ray_tune: RayTune) -> None:
    ray_tune.outcomes = dict.fromkeys(ray_tune.outcomes, "no luck")
    result = invoke(*words, *GRID)
    assert result.exit_code == 1
    assert "trial 002-s0 failed: no luck" in result.stderr
    assert "3 errored, 0 waiting" in result.stdout
