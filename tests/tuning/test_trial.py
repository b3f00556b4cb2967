from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tuning_support import METRIC, FormulaEngine, make_sweep

from shapesys.samples.filesystem import Folder
from shapesys.training.config import load_job
from shapesys.training.run_dir import read_json, write_json
from shapesys.tuning import trial as trial_module
from shapesys.tuning.ledger import Trial
from shapesys.tuning.sweep_dir import SweepDirectory, create_sweep
from shapesys.tuning.trial import run_trial, rungs_of, trial_job

TRIAL = Trial("004-s1", 4, 1, {"model.saliency_weight": 0.2})


@pytest.fixture
def directory(tmp_path: Path) -> SweepDirectory:
    return create_sweep(tmp_path, "sweep")


def test_a_trial_is_the_base_job_with_its_point_and_seed() -> None:
    sweep = make_sweep()
    job = trial_job(sweep, TRIAL)
    assert (job.model.saliency_weight, job.train.seed) == (0.2, 1)  # type: ignore[attr-defined]
    assert job.override({"model.saliency_weight": 1e-3, "train.seed": 0}) == sweep.base.override(
        {"model.saliency_weight": 1e-3}
    )


def test_a_trial_may_have_samples_of_its_own() -> None:
    sweep = make_sweep()
    one = replace(TRIAL, point={**TRIAL.point, "data.store": "stores/sigma-0.1"})
    assert trial_job(sweep, one).data.store == str(Path("stores/sigma-0.1").resolve())
    assert trial_job(sweep, TRIAL).data.store == sweep.base.data.store


def test_a_trial_is_measured_at_its_rungs(directory: SweepDirectory) -> None:
    engine = FormulaEngine()
    reports = list(run_trial(directory, make_sweep(), TRIAL, engine))
    assert [report.epoch for report in reports] == [1, 3, 9]
    assert [report.value for report in reports] == pytest.approx([201 + 1, 201 + 1 / 3, 201 + 1 / 9])
    assert reports[-1].metrics == {METRIC: pytest.approx(201 + 1 / 9)}
    run = directory.trial(TRIAL.id)
    assert load_job(run.config) == trial_job(make_sweep(), TRIAL)
    assert read_json(run.status)["state"] == "finished"


def test_without_early_stopping_only_the_end_is_measured() -> None:
    sweep = make_sweep(early_stopping="none")
    assert rungs_of(sweep, sweep.base) == (9,)


def test_a_trial_cut_off_says_again_what_it_said_and_goes_on(directory: SweepDirectory) -> None:
    first = FormulaEngine()
    reports = run_trial(directory, make_sweep(), TRIAL, first)
    before = [next(reports), next(reports)]
    reports.close()  # type: ignore[attr-defined]
    second = FormulaEngine()
    again = list(run_trial(directory, make_sweep(), TRIAL, second))
    assert again[:2] == before
    assert second.asked == [(TRIAL.id, 9)], "rungs that were measured are not trained again"


def test_a_trial_that_fails_keeps_its_own_error(directory: SweepDirectory) -> None:
    reports = run_trial(directory, make_sweep(), TRIAL, FormulaEngine(fail_at=3))
    next(reports)
    with pytest.raises(ZeroDivisionError):
        next(reports)
    status = read_json(directory.trial(TRIAL.id).status)
    assert (status["state"], status["error"]) == ("failed", "ZeroDivisionError: a trial of bad luck")


def test_a_trial_waits_for_the_process_that_had_it_and_then_gives_up(
    directory: SweepDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_module, "LOCK_SECONDS", 0.0)
    run = directory.trial(TRIAL.id)
    run.path.mkdir(parents=True)
    with Folder(str(run.path)).exclusive(), pytest.raises(Exception, match="another process is writing"):
        list(run_trial(directory, make_sweep(), TRIAL, FormulaEngine()))


def test_a_trial_knows_where_its_sweep_came_from(directory: SweepDirectory) -> None:
    write_json(directory.provenance, {"command": "shapesys tune issn"})
    list(run_trial(directory, make_sweep(), TRIAL, FormulaEngine()))
    assert read_json(directory.trial(TRIAL.id).provenance) == {"command": "shapesys tune issn"}
