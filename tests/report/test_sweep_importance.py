"""Importance of knobs: the one that decides leads, and too little evidence gives a reason instead of numbers."""

from __future__ import annotations

import subprocess
import sys

import pytest
from sweep_support import FSCORE, MIXED, by_id, grid_records, make_record, make_sweep, mixed_records

from shapesys.report.sweep_importance import FEWEST, Importance, importance
from shapesys.report.sweep_points import points_of
from shapesys.tuning.config import Sweep
from shapesys.tuning.ledger import TrialRecord


def importance_of(sweep: Sweep, records: dict[str, TrialRecord]) -> Importance:
    return importance(sweep, points_of(sweep, records))


def test_the_knob_that_decides_leads() -> None:
    found = importance_of(make_sweep(MIXED), mixed_records(200))
    assert next(iter(found.shares)) == "train.learning_rate"
    assert set(found.shares) == set(MIXED)
    assert sum(found.shares.values()) == pytest.approx(1)
    assert found.shares["model.latent_dim"] < 0.2
    assert "PED-ANOVA" in found.note


def two_knobs(count: int, sign: float) -> dict[str, TrialRecord]:
    """Only the first choice matters; good results are low for sign = 1 and high for sign = -1."""
    points = [{"model.hidden": (128, 256, 512)[at % 3], "model.layers": 3 + at % 4} for at in range(count)]
    values = [sign * (1.0 + (point["model.hidden"] != 256) + 0.01 * (at % 5)) for at, point in enumerate(points)]
    return by_id(*(make_record(at, [9, 9, value], point=points[at]) for at, value in enumerate(values)))


TWO = {"model.hidden": {"choices": [128, 256, 512]}, "model.layers": {"choices": [3, 4, 5, 6]}}


@pytest.mark.parametrize(("metric", "sign"), [("chamfer/onet.chamfer_l1", 1.0), (FSCORE, -1.0)])
def test_better_means_what_the_metric_says(metric: str, sign: float) -> None:
    found = importance_of(make_sweep(TWO, metric=metric), two_knobs(48, sign))
    assert found.shares["model.hidden"] > 0.8


def test_few_points_one_knob_or_equal_results_give_a_reason() -> None:
    few = importance_of(make_sweep(TWO), two_knobs(FEWEST - 1, 1.0))
    assert (few.shares, few.note) == ({}, "9 of at least 10 points have finished; with fewer this would be noise.")
    assert importance_of(make_sweep(TWO), two_knobs(FEWEST, 1.0)).shares
    assert "one knob" in importance_of(make_sweep(seeds=3), grid_records()).note
    same = by_id(*(make_record(at, [3, 2, 1.0], point={"model.hidden": 128, "model.layers": 3}) for at in range(12)))
    assert "no knob mattered" in importance_of(make_sweep(TWO), same).note


def test_trials_that_ended_early_say_nothing() -> None:
    stopped = by_id(*(make_record(at, [1.0 + at], "stopped", point={"model.hidden": 128}) for at in range(40)))
    assert importance_of(make_sweep(TWO), stopped).note.startswith("0 of at least")


def test_without_optuna_the_note_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    found = importance_of(make_sweep(TWO), two_knobs(48, 1.0))
    assert found.shares == {}
    assert "pip install 'shapesys[tune]'" in found.note


def test_scikit_learn_is_not_needed() -> None:
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "from sweep_support import MIXED, make_sweep, mixed_records\n"
        "from shapesys.report.sweep_importance import importance\n"
        "from shapesys.report.sweep_points import points_of\n"
        "sweep = make_sweep(MIXED)\n"
        "print(len(importance(sweep, points_of(sweep, mixed_records())).shares))"
    )
    path = str(next(entry for entry in sys.path if entry.endswith("report")))
    script = f"import sys; sys.path.insert(0, {path!r})\n{code}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.strip() == "4", done.stderr
    # Nothing of optuna's own reporting reaches the terminal.
    assert "study" not in done.stderr
