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
    """Bootstrap intervals of the mean of each column, whose rows are drawn with replacement.

    For a paired comparison the rows are shapes and a column holds the differences of one metric.

    Args:
        values: (n,) or (n, m); NaN where a row has no value in a column, which then draws from the others alone.
        confidence: share of the resampled means inside the interval.
        resamples: how many times the rows are drawn.
        seed: of the draws; columns with values in the same rows share them.

    Raises:
        ValueError: `confidence` is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; give a share between 0 and 1")
    columns = np.asarray(values, np.float64)
    columns = columns[:, None] if columns.ndim == 1 else columns
    ends = np.full((2, columns.shape[1]), math.nan)
    tail = 50 * (1 - confidence)
    for rows, members in _alike(np.isfinite(columns)):
        if rows.sum() > 1:
            means = _resampled_means(columns[rows][:, members], resamples, seed)
            ends[:, members] = np.percentile(means, [tail, 100 - tail], axis=0)
    return MeanIntervals(*ends)


def _alike(present: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.bool_], list[int]]]:
    """The rows that have values, and the columns that have theirs in just those rows."""
    groups: dict[bytes, list[int]] = {}
    for at, column in enumerate(present.T):
        groups.setdefault(column.tobytes(), []).append(at)
    return ((present[:, members[0]], members) for members in groups.values())


def _resampled_means(columns: NDArray[np.float64], resamples: int, seed: int) -> NDArray[np.float64]:
    """(resamples, m) means of the columns over rows drawn with replacement."""
    centre = columns.mean(axis=0)
    # Around the columns' means: a large offset would cost the digits of a small spread.
    spread = columns - centre
    rng = np.random.default_rng(seed)
    count = len(columns)
    stretch = max(1, _MOST_DRAWN // count)
    sizes = [min(stretch, resamples - start) for start in range(0, resamples, stretch)]
    return centre + np.concatenate([_times_drawn(rng, count, size) @ spread for size in sizes]) / count


def _times_drawn(rng: np.random.Generator, count: int, size: int) -> NDArray[np.float64]:
    """(size, count) how often each row comes up in each of `size` resamples."""
    drawn = rng.integers(count, size=(size, count)) + count * np.arange(size)[:, None]
    return np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count).astype(np.float64)
