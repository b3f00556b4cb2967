"""What a page shows of a table that is too long for a browser: a page stays affordable, and says what it left out."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

MOST_LISTED = 2_000
"""Shapes that a page lists; each costs a browser some thirty cells."""
MOST_REMARKS = 500
"""Failures and remarks that a page lists."""
MOST_POINTS = 5_000
"""Shapes that a scatter draws."""


@dataclass(frozen=True)
class Excerpt:
    """Some rows of many.

    Attributes:
        places: of the rows shown, in their own order.
        title: how many are shown, and which where those are not all.
    """

    places: list[int]
    title: str


def worst_of(cost: Sequence[float], by: str, where: str, most: int = MOST_LISTED) -> Excerpt:
    """All rows, or those that cost most.

    Args:
        cost: of every row, in what decides; infinite for one without a value.
        by: what decides.
        where: all rows can be found.
    """
    total = len(cost)
    if total <= most:
        return Excerpt(list(range(total)), "1 shape" if total == 1 else f"{total:,} shapes")
    places = heapq.nlargest(most, range(total), key=lambda at: cost[at])
    return Excerpt(
        sorted(places), f"{most:,} of {total:,} shapes: failures, then the worst in {by}; all are in {where}"
    )


def drawn_from(total: int, always: Collection[int], most: int = MOST_POINTS) -> list[int]:
    """All places, or as many as are affordable, drawn evenly at random: the same ones every time."""
    if total <= most:
        return list(range(total))
    drawn = np.random.default_rng(0).choice(total, most, replace=False).tolist()
    return sorted({*drawn[: most - len(always)], *always})
