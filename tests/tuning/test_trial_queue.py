from __future__ import annotations

from dataclasses import replace

from tuning_support import KNOB, make_sweep

from shapesys.tuning.ledger import Report, Trial, TrialRecord
from shapesys.tuning.trial_queue import TrialQueue


def drain(trials: TrialQueue) -> list[Trial]:
    """Every trial that is left, each ended at once."""
    found = []
    while (trial := trials.next()) is not None:
        found.append(trial)
        trials.report(trial.id, Report(9, float(next(iter(trial.point.values())))))
        trials.end(trial.id, "finished")
    return found


def test_every_point_of_a_grid_is_tried_with_every_seed() -> None:
    trials = TrialQueue(make_sweep(seeds=2), {})
    assert trials.total == 6
    found = drain(trials)
    assert [trial.id for trial in found] == ["000-s0", "000-s1", "001-s0", "001-s1", "002-s0", "002-s1"]
    assert [trial.point[KNOB] for trial in found] == [0.1, 0.1, 0.2, 0.2, 0.3, 0.3]
    assert [trial.seed for trial in found] == [0, 1] * 3
    assert trials.complete()


def test_the_budget_of_trials_counts_points() -> None:
    assert len(drain(TrialQueue(make_sweep(trials=2, seeds=2), {}))) == 4


def test_a_new_driver_goes_on_with_what_was_cut_off() -> None:
    sweep = make_sweep(seeds=2)
    first = TrialQueue(sweep, {})
    for _ in range(3):
        trial = first.next()
        assert trial is not None
        if trial.id != "000-s1":
            first.end(trial.id, "finished")
    assert not first.complete()
    second = TrialQueue(sweep, first.records)
    assert [trial.id for trial in drain(second)] == ["000-s1", "001-s1", "002-s0", "002-s1"]
    assert second.complete()
    assert drain(TrialQueue(sweep, second.records)) == []


def test_a_raised_budget_adds_points() -> None:
    few = TrialQueue(make_sweep(trials=1), {})
    drain(few)
    assert [trial.id for trial in drain(TrialQueue(make_sweep(trials=3), few.records))] == ["001-s0", "002-s0"]


def test_errored_trials_run_again_only_when_asked() -> None:
    done = TrialQueue(make_sweep(), {})
    drain(done)
    errored = done.records | {"001-s0": replace(done.records["001-s0"], ending="errored", error="no luck")}
    assert drain(TrialQueue(make_sweep(), errored)) == []
    again = TrialQueue(make_sweep(), errored, retry_errored=True)
    assert [trial.id for trial in drain(again)] == ["001-s0"]


def test_random_points_do_not_depend_on_when_the_driver_was_restarted() -> None:
    knobs = {KNOB: {"low": 1e-4, "high": 1e-2, "log": True}}
    sweep = make_sweep(knobs, strategy="random", trials=5)
    whole = drain(TrialQueue(sweep, {}))
    half = TrialQueue(make_sweep(knobs, strategy="random", trials=2), {})
    drain(half)
    assert [*half.records.values()][1].trial == whole[1]
    assert drain(TrialQueue(sweep, half.records)) == whole[2:]


def test_a_seed_that_no_call_has_begun_is_not_forgotten() -> None:
    begun = {"000-s0": TrialRecord(Trial("000-s0", 0, 0, {KNOB: 0.1}), ending="finished")}
    assert "000-s1" in [trial.id for trial in drain(TrialQueue(make_sweep(seeds=2), begun))]


def test_no_more_trials_are_announced_than_the_space_has_points() -> None:
    few = make_sweep({KNOB: {"choices": [0.1, 0.2]}}, strategy="random", trials=5, seeds=2)
    assert TrialQueue(few, {}).total == len(drain(TrialQueue(few, {}))) == 4


def test_what_was_cut_off_is_not_complete_although_nothing_is_left_to_hand_out() -> None:
    trials = TrialQueue(make_sweep(trials=1), {})
    assert trials.next() is not None
    assert not trials.open()
    assert not trials.complete()


def test_points_that_the_family_refuses_are_left_out_and_told() -> None:
    knobs = {"model.skip_at": {"choices": [1, 2, 40]}}
    for strategy in ("grid", "random", "optuna"):
        trials = TrialQueue(make_sweep(knobs, strategy), {})
        assert trials.total == 2
        assert sorted(trial.point["model.skip_at"] for trial in drain(trials)) == [1, 2]
        [why] = trials.refused.values()
        assert "skip_at must be None or in 1..5" in why
