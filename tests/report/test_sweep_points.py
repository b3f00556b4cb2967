"""Which point of a sweep is best, and when points may be told apart."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from sweep_support import FSCORE, by_id, grid_records, make_record, make_sweep, write_sweep

from shapesys.report.sweep_load import load_sweep_report
from shapesys.report.sweep_points import best_point, better, first_line, points_of, ranked, score
from shapesys.report.sweep_sections import seeds_sentence
from shapesys.tuning.ledger import TrialRecord


def order(sweep_options: dict[str, object], *records: TrialRecord) -> list[int]:
    sweep = make_sweep(**sweep_options)  # type: ignore[arg-type]
    return [point.number for point in ranked(sweep, points_of(sweep, by_id(*records)))]


def test_the_lowest_mean_wins_and_the_highest_where_higher_is_better() -> None:
    records = [make_record(0, [0.3, 0.2, 0.5]), make_record(1, [0.9, 0.9, 0.4])]
    assert order({}, *records) == [1, 0]
    assert order({"metric": FSCORE}, *records) == [0, 1]
    assert (better(make_sweep()), better(make_sweep(metric=FSCORE))) == (-1, 1)


def test_trials_that_ended_early_are_never_ranked() -> None:
    early = [make_record(at, [0.001], ending) for at, ending in enumerate(("stopped", "errored", None))]
    assert order({}, *early, make_record(9, [0.3, 0.2, 0.1])) == [9]
    assert best_point(make_sweep(), by_id(*early)) is None
    assert best_point(make_sweep(), {}) is None


def test_the_last_rung_counts_and_not_the_best_one() -> None:
    assert order({}, make_record(0, [0.1, 0.01, 0.3]), make_record(1, [0.5, 0.4, 0.2])) == [1, 0]


def test_a_point_with_all_seeds_stands_before_a_better_one_without() -> None:
    whole = [make_record(0, [3, 2, 1.0], seed=seed) for seed in range(2)]
    partial = [make_record(1, [3, 2, 0.1]), make_record(1, [0.1], None, seed=1)]
    assert order({"seeds": 2}, *partial, *whole) == [0, 1]
    best = best_point(make_sweep(seeds=2), by_id(*partial))
    assert best is not None
    assert (best.number, best.complete, best.scores) == (1, False, [0.1])


def test_means_and_spread_over_seeds() -> None:
    best = best_point(make_sweep(seeds=3), grid_records())
    assert best is not None
    assert best.name == "003"
    assert best.mean == pytest.approx(0.012, abs=1e-5)
    assert best.spread == pytest.approx(0.001, rel=0.02)
    assert best.seconds == 9 * 60.0


def test_a_point_of_one_trial_has_its_name() -> None:
    best = best_point(make_sweep(), by_id(make_record(7, [3, 2, 1.0])))
    assert best is not None
    assert (best.name, best.spread) == ("007-s0", None)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_no_result(value: float) -> None:
    assert score(make_record(0, [1.0, 1.0, value])) is None
    assert order({}, make_record(0, [1.0, 1.0, value]), make_record(1, [3, 2, 9.0])) == [1]


def test_equal_means_stand_in_the_order_of_their_numbers() -> None:
    assert order({}, *(make_record(number, [3, 2, 1.0]) for number in (4, 2, 3))) == [2, 3, 4]


def test_the_first_line_of_an_error_is_the_first_that_says_something() -> None:
    assert first_line("\n  \n  out of memory \nmore") == "out of memory"
    assert first_line("") == ""


@pytest.mark.parametrize(("gap", "verdict"), [(0.5, "more than seeds do"), (0.05, "may be chance")])
def test_the_sentence_weighs_the_gap_against_the_seeds(tmp_path: Path, gap: float, verdict: str) -> None:
    points = [make_record(number, [3, 2, 1 + gap * number + 0.1 * seed], seed=seed)
              for number in range(2) for seed in range(3)]  # fmt: skip
    report = load_sweep_report(write_sweep(tmp_path, make_sweep(seeds=3), by_id(*points)))
    sentence = seeds_sentence(report)
    assert verdict in sentence
    assert f"000 and 001 differ by {gap:.3f}" in sentence
    assert "3 seeds is 0.100" in sentence


def test_without_two_points_of_several_seeds_there_is_no_verdict(tmp_path: Path) -> None:
    one = by_id(*(make_record(0, [3, 2, 1.0 + seed], seed=seed) for seed in range(2)))
    report = load_sweep_report(write_sweep(tmp_path, make_sweep(seeds=2), one))
    assert "nothing can be compared" in seeds_sentence(report)
    single = load_sweep_report(write_sweep(tmp_path, make_sweep(), by_id(make_record(0, [3, 2, 1.0])), "single"))
    assert seeds_sentence(single) == ""
