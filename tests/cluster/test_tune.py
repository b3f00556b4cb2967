"""Sweeps on Ray: real trials, a killed driver, errors of trials, and trials that are worker groups of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from shapesys.cli.main import cli
from shapesys.cli.sweep_run import run_sweep
from shapesys.cli.tune import resolve_sweep
from shapesys.errors import ShapesysError
from shapesys.samples.filesystem import Folder
from shapesys.training.run_dir import read_json
from shapesys.tuning.config import Sweep
from shapesys.tuning.ledger import Ledger, TrialRecord
from shapesys.tuning.space import Space
from shapesys.tuning.sweep_dir import SweepDirectory
from shapesys.tuning.trial import LocalEngine, run_trial

pytest.importorskip("ray")
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(420)]

KNOB = "train.learning_rate"
SMALL = {
    "model.hidden": 16, "model.latent_dim": 4, "model.layers": 3, "model.skip_at": 2, "model.dropout": 0.0,
    "train.epochs": 9, "train.points_per_shape": 128, "train.log_steps": 1, "train.gradient_clip": 0.0,
}  # fmt: skip
MEASURED = {
    "evaluate.split": "train", "evaluate.resolution": 16, "evaluate.samples": 200, "evaluate.saliency_points": 64,
    "evaluate.close_at_box": True,
}  # fmt: skip


def sweep_of(store: Path, rates: list[float], **typed: Any) -> Sweep:
    space = Space(name="rates", family="issn", strategy="grid", knobs={KNOB: {"choices": rates}})
    changes = {
        "data.store": str(store),
        **SMALL,
        **MEASURED,
        **{name.replace("__", "."): v for name, v in typed.items()},
    }
    sweep: Sweep = resolve_sweep(space, "issn", "tiny", changes)
    return sweep


def records_of(folder: Path) -> dict[str, TrialRecord]:
    return Ledger(SweepDirectory(folder).ledger).records()


def test_a_sweep_gives_what_its_trials_give_alone(ray_cluster: str, mugs: Path, tmp_path: Path) -> None:
    sweep = sweep_of(mugs, [1e-3, 1e-2], seeds=2, early_stopping="none")
    result = run_sweep(sweep, "sweep", tmp_path, tracker="jsonl")
    assert result["counts"] == {"finished": 4, "stopped": 0, "errored": 0, "waiting": 0}
    records = records_of(tmp_path / "sweep")
    assert sorted(records) == ["000-s0", "000-s1", "001-s0", "001-s1"]
    alone = SweepDirectory(tmp_path / "alone")
    for record in records.values():
        (report,) = run_trial(alone, sweep, record.trial, LocalEngine())
        assert record.value == pytest.approx(report.value, rel=1e-6)
        assert read_json(SweepDirectory(tmp_path / "sweep").trial(record.trial.id).status)["state"] == "finished"
    means = {number: [r.value for r in records.values() if r.trial.number == number] for number in (0, 1)}
    assert result["best"]["value"] == pytest.approx(min(sum(values) / 2 for values in means.values()))
    assert (tmp_path / "sweep" / "page.html").stat().st_size > 10_000

    before = (tmp_path / "sweep" / "trials.jsonl").read_bytes()
    again = run_sweep(sweep, "sweep", tmp_path, tracker="jsonl")
    assert again["best"] == result["best"]
    assert (tmp_path / "sweep" / "trials.jsonl").read_bytes() == before, "nothing is run twice"
    with pytest.raises(ShapesysError, match=r"tune\.seeds: 2 there, 3 now"):
        run_sweep(sweep_of(mugs, [1e-3, 1e-2], seeds=3, early_stopping="none"), "sweep", tmp_path, tracker="none")


def test_a_trial_that_errs_shows_its_own_error_and_others_go_on(ray_cluster: str, mugs: Path, tmp_path: Path) -> None:
    sweep = sweep_of(mugs, [1e-3, 1e30], early_stopping="none")
    result = run_sweep(sweep, "sweep", tmp_path, tracker="none")
    assert result["counts"] == {"finished": 1, "stopped": 0, "errored": 1, "waiting": 0}
    record = records_of(tmp_path / "sweep")["001-s0"]
    assert record.error.startswith("the gradient's norm is")
    assert "Lower train.learning_rate" in record.error

    assert run_sweep(sweep, "sweep", tmp_path, tracker="none")["counts"]["errored"] == 1
    begun = (tmp_path / "sweep" / "trials.jsonl").read_text().count('"event": "begin"')
    assert begun == 2, "errors are not tried again unasked"
    run_sweep(sweep, "sweep", tmp_path, tracker="none", retry_errored=True)
    assert (tmp_path / "sweep" / "trials.jsonl").read_text().count('"event": "begin"') == 3


def test_trials_that_fall_behind_end_early_also_beside_those_of_an_earlier_call(
    ray_cluster: str, mugs: Path, tmp_path: Path
) -> None:
    good, bad = 1e-2, 1e-7
    typed: dict[str, Any] = {"concurrent": 1, "rungs": 2, "model__saliency_weight": 0.0, "train__epochs": 27}
    first = sweep_of(mugs, [good, bad], trials=1, **typed)
    assert run_sweep(first, "sweep", tmp_path, tracker="none")["counts"]["finished"] == 1
    second = sweep_of(mugs, [good, bad], trials=2, **typed)
    counts = run_sweep(second, "sweep", tmp_path, tracker="none")["counts"]
    assert counts == {"finished": 1, "stopped": 1, "errored": 0, "waiting": 0}
    record = records_of(tmp_path / "sweep")["001-s0"]
    assert (record.ending, record.epoch) == ("stopped", 9)
    assert read_json(SweepDirectory(tmp_path / "sweep").trial("001-s0").status)["state"] == "stopped"


def command(store: Path, root: Path, rates: str, *words: object) -> list[str]:
    space = root / "rates.toml"
    space.write_text(f'strategy = "grid"\n[knobs]\n"{KNOB}" = {{ choices = [{rates}] }}\n', encoding="utf-8")
    settings = [
        f"--{path.replace('_', '-')}={value}" for path, value in (SMALL | MEASURED).items() if value is not True
    ]
    settings.append("--evaluate.close-at-box")
    where = ["--store", store, "--space", space, "--run", "sweep", "--runs-root", root, "--tracker", "none"]
    return [
        str(word) for word in (sys.executable, "-m", "shapesys.cli.main", "tune", "issn", *where, *settings, *words)
    ]


def on_its_own() -> dict[str, str]:
    """An environment in which a driver starts an instance for itself."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}


def test_a_killed_driver_goes_on_where_it_was(mugs: Path, tmp_path: Path) -> None:
    words = command(mugs, tmp_path, "0.001, 0.002, 0.003", "--early-stopping", "none", "--concurrent", 1)
    ledger = tmp_path / "sweep" / "trials.jsonl"
    with subprocess.Popen(words, env=on_its_own(), stderr=subprocess.DEVNULL, start_new_session=True) as driver:
        end = time.monotonic() + 200
        while not (ledger.exists() and '"end"' in ledger.read_text()):
            assert driver.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < end
            time.sleep(0.2)
        for process in [*psutil.Process(driver.pid).children(recursive=True), psutil.Process(driver.pid)]:
            process.send_signal(signal.SIGKILL)
    ended = [key for key, record in records_of(tmp_path / "sweep").items() if record.ending]
    assert 1 <= len(ended) < 3
    stamps = {key: (tmp_path / "sweep" / "trials" / key / "rungs.json").stat().st_mtime_ns for key in ended}
    done = subprocess.run(
        [*words, "--json"], env=on_its_own(), capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"] == {"finished": 3, "stopped": 0, "errored": 0, "waiting": 0}
    assert {key: (tmp_path / "sweep" / "trials" / key / "rungs.json").stat().st_mtime_ns for key in ended} == stamps


def test_a_budget_cuts_off_what_runs_and_a_larger_one_goes_on(ray_cluster: str, mugs: Path, tmp_path: Path) -> None:
    """One of two trials cannot end before its budget does: another process, this one, holds its directory."""
    typed: dict[str, Any] = {"early_stopping": "none", "concurrent": 2}
    short = sweep_of(mugs, [1e-3, 1e-2], hours=12 / 3600, **typed)
    held = SweepDirectory(tmp_path / "sweep").trial("001-s0")
    held.path.mkdir(parents=True)
    with Folder(str(held.path)).exclusive():
        result = run_sweep(short, "sweep", tmp_path, tracker="none")
    assert result["state"] == "interrupted"
    assert result["reason"].startswith("the time budget of 0.00333333 h ended it; raise --hours")
    assert result["counts"]["errored"] == result["counts"]["stopped"] == 0
    cut_off = records_of(tmp_path / "sweep").get("001-s0")
    # On a slow machine, no worker has started by then.
    assert cut_off is None or (cut_off.ending, cut_off.error, cut_off.reports) == (None, "", ())
    with pytest.raises(ShapesysError, match=r"has used its 0\.00333333 hours; raise --hours to go on"):
        run_sweep(short, "sweep", tmp_path, tracker="none")

    ended = [key for key, record in records_of(tmp_path / "sweep").items() if record.ending]
    ledger = SweepDirectory(tmp_path / "sweep").ledger
    events = ledger.read_text() if ledger.exists() else ""
    result = run_sweep(sweep_of(mugs, [1e-3, 1e-2], hours=1, **typed), "sweep", tmp_path, tracker="none")
    assert (result["state"], result["reason"]) == ("finished", None)
    assert result["counts"] == {"finished": 2, "stopped": 0, "errored": 0, "waiting": 0}
    later = ledger.read_text().removeprefix(events)
    begun = {json.loads(line)["id"] for line in later.splitlines()}
    assert begun == {"000-s0", "001-s0"} - set(ended), "what had ended is not run again"


def test_every_trial_is_a_child_of_the_sweep_s_run_in_mlflow(
    ray_cluster: str, mugs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna")
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    words = command(
        mugs, tmp_path, "1e-7, 0.01, 1e38", "--strategy", "optuna", "--trials", 3, "--concurrent", 1,
        "--rungs", 2, "--train.epochs", 27, "--model.saliency-weight", 0, "--tracker", "mlflow", "--json",
    )  # fmt: skip
    done = CliRunner().invoke(cli, words[words.index("tune") :])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["counts"] == {"finished": 1, "stopped": 1, "errored": 1, "waiting": 0}
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    runs = client.search_runs([found.experiment_id for found in client.search_experiments()])
    (parent,) = (run for run in runs if run.info.run_name == "sweep")
    assert parent.info.status == "FINISHED"
    children = {run.info.run_name: run for run in runs if run is not parent}
    assert {run.data.tags["mlflow.parentRunId"] for run in children.values()} == {parent.info.run_id}
    statuses = {"finished": "FINISHED", "stopped": "KILLED", "errored": "FAILED"}
    assert {name: run.info.status for name, run in children.items()} == {
        f"{record.trial.number:03d} seed {record.trial.seed}": statuses[record.ending or ""]
        for record in records_of(tmp_path / "sweep").values()
    }
    (failed,) = (run for run in children.values() if run.info.status == "FAILED")
    assert failed.data.params[KNOB] == "1e+38"
    assert failed.data.tags["ended"].startswith("the gradient's norm is")


@pytest.mark.slow
def test_trials_of_two_workers_fit_on_two_cpus_and_may_end_early(ray_cluster: str, mugs: Path, tmp_path: Path) -> None:
    """Where trials held CPUs while their workers wait for some, or kept them when ended, this would never end."""
    two = {"scale__num_workers": 2, "scale__device": "cpu"}
    typed: dict[str, Any] = {"rungs": 2, "model__saliency_weight": 0.0, "train__epochs": 27}
    result = run_sweep(sweep_of(mugs, [1e-2, 1e-7], **two, **typed), "sweep", tmp_path, tracker="none")
    assert result["counts"] == {"finished": 1, "stopped": 1, "errored": 0, "waiting": 0}
