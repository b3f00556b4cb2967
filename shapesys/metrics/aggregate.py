"""From one row per shape to the tables papers print: by category and overall, nothing dropped in silence."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

STATUSES = ("ok", "empty", "failed", "missing")

Row = Mapping[str, Any]
"""``shape_id``, ``category``, ``status`` (one of `STATUSES`) and one number per metric."""


@dataclass(frozen=True)
class Statistics:
    """Of one metric over some shapes; NaN where no shape has a value.

    Attributes:
        count: shapes with a value; ``undefined`` are those without one (NaN or absent), which no mean contains.
    """

    mean: float
    min: float
    max: float
    median: float
    count: int
    undefined: int


@dataclass(frozen=True)
class Group:
    """One category, or all shapes.

    Attributes:
        counts: shapes by status; an ``empty`` shape's constants are in the statistics, a ``failed`` one has none.
        metrics: statistics over shapes (micro).
    """

    counts: dict[str, int]
    metrics: dict[str, Statistics]


@dataclass(frozen=True)
class Summary:
    """All shapes of one evaluation.

    Attributes:
        categories: one group per category.
        overall: all shapes, every shape counting once (micro means).
        macro: per metric, the mean of the category means, each counting once (Occupancy Networks' tables).
    """

    categories: dict[str, Group]
    overall: Group
    macro: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain values; a mean without shapes is null, since JSON has no NaN."""
        plain: dict[str, Any] = _without_nan(asdict(self))
        return plain


def summarise(rows: Sequence[Row], metrics: Iterable[str], expected: Iterable[Row] = ()) -> Summary:
    """Aggregate per-shape rows.

    Args:
        rows: one per evaluated shape.
        metrics: the columns to aggregate.
        expected: ``shape_id`` and ``category`` of all shapes that should have a row; those without are counted
            as ``missing``.

    Raises:
        ValueError: a row has no category, an unknown status, or a shape id that another row has.
    """
    names = list(metrics)
    seen = _checked_ids(rows)
    absent = [{**row, "status": "missing"} for row in expected if row["shape_id"] not in seen]
    every = [*rows, *absent]
    by_category: dict[str, list[Row]] = {}
    for row in every:
        by_category.setdefault(str(row["category"]), []).append(row)
    categories = {name: _group(by_category[name], names) for name in sorted(by_category)}
    macro = {name: _macro([group.metrics[name] for group in categories.values()]) for name in names}
    return Summary(categories, _group(every, names), macro)


def statistics(values: Iterable[float | None]) -> Statistics:
    """Mean, extremes and median of the values that are numbers."""
    column = np.array([math.nan if value is None else value for value in values], np.float64)
    known = column[~np.isnan(column)]
    if not len(known):
        return Statistics(math.nan, math.nan, math.nan, math.nan, 0, len(column))
    mean, low, high, median = (float(f(known)) for f in (np.mean, np.min, np.max, np.median))
    return Statistics(mean, low, high, median, len(known), len(column) - len(known))


def _group(rows: Sequence[Row], metrics: Sequence[str]) -> Group:
    counts = {status: sum(row["status"] == status for row in rows) for status in STATUSES}
    return Group(counts, {name: statistics(row.get(name) for row in rows) for name in metrics})


def _macro(groups: Sequence[Statistics]) -> float:
    return statistics(group.mean for group in groups).mean


def _checked_ids(rows: Sequence[Row]) -> set[str]:
    seen: set[str] = set()
    for row in rows:
        shape = row.get("shape_id")
        if shape in seen:
            raise ValueError(f"shape '{shape}' has two rows; each shape enters a mean once")
        if row.get("status") not in STATUSES:
            raise ValueError(f"shape '{shape}' has status {row.get('status')!r}; accepted: {', '.join(STATUSES)}")
        if not row.get("category"):
            raise ValueError(f"shape '{shape}' has no category")
        seen.add(str(shape))
    return seen


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
