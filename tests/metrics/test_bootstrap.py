"""Bootstrap intervals against what is known exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shapesys.metrics.bootstrap import mean_intervals


def test_two_values_give_the_binomial_distribution() -> None:
    # Of two draws from {0, 1} the mean is 0, 1/2, 1 with probability 1/4, 1/2, 1/4.
    for confidence, expected in ((0.95, (0.0, 1.0)), (0.4, (0.5, 0.5))):
        low, high = mean_intervals([0.0, 1.0], confidence)
        assert (low[0], high[0]) == expected


def test_a_constant_has_no_width() -> None:
    low, high = mean_intervals(np.full(30, 0.1))
    assert low[0] == high[0] == pytest.approx(0.1, abs=1e-15)


def test_large_samples_give_the_normal_interval() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(5.0, 2.0, 2000)
    error = 1.959964 * values.std() / math.sqrt(len(values))
    low, high = mean_intervals(values)
    assert low[0] == pytest.approx(values.mean() - error, abs=0.05 * error)
    assert high[0] == pytest.approx(values.mean() + error, abs=0.05 * error)


def test_intervals_hold_the_true_mean_as_often_as_they_say() -> None:
    samples = np.random.default_rng(2).normal(0.0, 1.0, (60, 1500))
    low, high = mean_intervals(samples, 0.9, resamples=2000)
    covered = np.mean((low <= 0) & (high >= 0))
    # The percentile interval is narrower than Student's by sqrt(59/60) and the tails of t: 0.888 here.
    assert covered == pytest.approx(0.888, abs=0.03)


def test_rows_without_a_value_are_left_out_of_their_column_alone() -> None:
    values = np.random.default_rng(3).normal(size=(40, 2))
    holed = values.copy()
    holed[::4, 1] = math.nan
    low, high = mean_intervals(holed)
    whole = mean_intervals(values)
    assert (low[0], high[0]) == pytest.approx((whole.low[0], whole.high[0]), abs=1e-12)
    alone = mean_intervals(holed[~np.isnan(holed[:, 1]), 1])
    assert (low[1], high[1]) == pytest.approx((alone.low[0], alone.high[0]), abs=1e-12)


def test_a_large_offset_keeps_the_digits() -> None:
    values = np.random.default_rng(4).normal(0, 1e-6, 50)
    plain, moved = mean_intervals(values), mean_intervals(values + 1e6)
    assert moved.high[0] - moved.low[0] == pytest.approx(plain.high[0] - plain.low[0], rel=1e-2)


def test_the_seed_decides() -> None:
    values = np.random.default_rng(5).normal(size=20)
    first, again, other = (mean_intervals(values, seed=seed) for seed in (7, 7, 8))
    assert first.low[0] == again.low[0]
    assert first.low[0] != other.low[0]


@pytest.mark.parametrize("values", [[], [1.0], [1.0, math.nan], np.full((3, 1), math.nan)])
def test_fewer_than_two_values_give_no_interval(values: object) -> None:
    low, high = mean_intervals(np.asarray(values, float))
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_confidence_is_a_share() -> None:
    with pytest.raises(ValueError, match="confidence is 95"):
        mean_intervals([1.0, 2.0], 95)
