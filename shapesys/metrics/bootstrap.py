"""How sure a mean is: bootstrap intervals of the means of many columns at once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 10_000
_MOST_DRAWN = 4_000_000
"""Draws held in memory at a time."""


class MeanIntervals(NamedTuple):
    """Percentile intervals of column means; NaN for a column with fewer than two numbers.

    Attributes:
        low: (m,) lower ends.
        high: (m,) upper ends.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]


def mean_intervals(
    values: ArrayLike, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> MeanIntervals:
    """Bootstrap intervals of the mean of each column; rows are drawn with replacement, the same ones for all columns.

    For a paired comparison the rows are shapes and a column holds the differences of one metric.

    Args:
        values: (n,) or (n, m); NaN where a row has no value in a column, which then leaves it out of that mean.
        confidence: share of the resampled means inside the interval.
        resamples: how many times the rows are drawn.
        seed: of the draws; equal seeds give equal intervals.

    Raises:
        ValueError: `confidence` is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; give a share between 0 and 1")
    columns = np.asarray(values, np.float64)
    columns = columns[:, None] if columns.ndim == 1 else columns
    present = np.isfinite(columns)
    centre = _means(np.ones((1, len(columns))), columns, present)[0]
    # Around the columns' means: a large offset would cost the digits of a small spread.
    spread = np.where(present, columns - centre, 0.0)
    means = np.concatenate([_means(drawn, spread, present) for drawn in _draws(len(columns), resamples, seed)])
    tail = 50 * (1 - confidence)
    enough = present.sum(axis=0) > 1
    low, high = np.nanpercentile(np.where(enough, means, 0.0), [tail, 100 - tail], axis=0)
    return MeanIntervals(np.where(enough, low + centre, math.nan), np.where(enough, high + centre, math.nan))


def _draws(count: int, resamples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """How often each of `count` rows is drawn, (resamples, count) in stretches that fit in memory."""
    rng = np.random.default_rng(seed)
    stretch = max(1, _MOST_DRAWN // max(count, 1))
    sizes = [min(stretch, resamples - start) for start in range(0, resamples, stretch)]
    return (_counts(rng, count, size) for size in sizes)


def _counts(rng: np.random.Generator, count: int, size: int) -> NDArray[np.float64]:
    drawn = rng.integers(count, size=(size, count)) if count else np.empty((size, 0), int)
    drawn += count * np.arange(size)[:, None]
    return np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count).astype(np.float64)


def _means(
    counts: NDArray[np.float64], columns: NDArray[np.float64], present: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(resamples, m) means of the rows that were drawn and have a value; NaN where none has."""
    number = counts @ present.astype(np.float64)
    total = counts @ np.where(present, columns, 0.0)
    return np.divide(total, number, out=np.full(total.shape, math.nan), where=number > 0)
