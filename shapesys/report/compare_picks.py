"""Which shapes of a comparison are worth looking at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from shapesys.geometry.mesh import Floats
from shapesys.report.compare import SplitComparison
from shapesys.report.select import can_be_drawn

MOST_COLUMNS = 8
"""Columns shown side by side; more would be too small to see, and too much to load."""


@dataclass(frozen=True)
class Pick:
    """A shape to show and why: ``kind`` is ``worst``, ``failed`` or ``differ``."""

    at: int
    kind: str
    why: str


def pick_shapes(split: SplitComparison, worst: int) -> list[Pick]:
    """The worst of each column, those on which the columns differ most, those that failed in some; each shape once.

    Shapes that one column alone has, or of which nothing to draw was kept, are passed over.
    """
    if split.chosen is None or split.ranking is None:
        return []
    values = split.table.of(split.chosen.name)[:MOST_COLUMNS]
    values = np.where(np.isfinite(values).sum(axis=0) > 1, values, np.nan)
    cost = -values if split.chosen.better > 0 else values
    # Numbers of different definitions have no difference.
    apart = [] if split.ranking.differing else _largest(split, _range(values), worst)
    reasons: dict[int, list[str]] = {}
    for row, column in zip(cost, split.columns, strict=False):
        for at in _largest(split, row, worst):
            reasons.setdefault(at, []).append(column.name)
    worst_of = {at: f"worst of {', '.join(names)}" for at, names in reasons.items()}
    picks = {at: Pick(at, "differ", "; ".join(filter(None, ("differ most", worst_of.get(at))))) for at in apart}
    for at in islice(_failed_in_some(split), worst):
        picks.setdefault(at, Pick(at, "failed", "failed in some"))
    for at, why in worst_of.items():
        picks.setdefault(at, Pick(at, "worst", why))
    return list(picks.values())


def _drawable(split: SplitComparison, at: int) -> bool:
    """Whether any of the columns shown kept something; asked of few shapes, since each costs looks into folders."""
    evaluations = [column.evaluations(split.split)[0] for column in split.columns[:MOST_COLUMNS]]
    return any(can_be_drawn(evaluation, split.table.shapes[at]) for evaluation in evaluations)


def _range(values: Floats) -> Floats:
    """(shapes,) the largest minus the smallest of a shape's values; NaN where they are equal or there are none."""
    low, high = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
    return np.where(high > low, high - low, np.nan)


def _largest(split: SplitComparison, values: Floats, count: int) -> list[int]:
    order = np.argsort(-np.where(np.isfinite(values), values, -np.inf), kind="stable")
    able = (int(at) for at in order[: np.isfinite(values).sum()] if _drawable(split, int(at)))
    return list(islice(able, count))


def _failed_in_some(split: SplitComparison) -> Iterator[int]:
    shown = split.statuses[:MOST_COLUMNS]
    for at, shape in enumerate(split.table.shapes):
        if {"failed", "ok"} <= {statuses.get(shape, "") for statuses in shown} and _drawable(split, at):
            yield at
