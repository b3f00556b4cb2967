"""From one row per shape to the tables papers print: by category and overall, nothing dropped in silence."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

STATUSES = ("ok", "empty", "failed", "missing")

Row = Mapping[str, Any]
"""``shape_id``, ``category``, ``status`` (one of `STATUSES`) and one number per metric."""
Numbers = NDArray[np.float64]


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
    table = _table(rows, ("shape_id", "category", "status"))
    for name in names:
        table = table.append_column(name, pa.array((row.get(name) for row in rows), pa.float64()))
    return summarise_table(table, names, _table(list(expected), ("shape_id", "category")))


def summarise_table(table: pa.Table, metrics: Iterable[str], expected: pa.Table | None = None) -> Summary:
    """The same from columns, at a small cost per shape.

    Args:
        table: ``shape_id``, ``category`` and ``status`` as text, and metrics as float64; null is no value.
        metrics: the columns to aggregate; one that the table lacks has no value anywhere.
        expected: ``shape_id`` and ``category`` of all shapes that should have a row.

    Raises:
        ValueError: as `summarise`.
    """
    _check(table)
    absent = _absent(table, expected)
    category = pa.chunked_array([*table["category"].chunks, *absent.chunks], pa.string())
    status = np.concatenate([_codes(table["status"], STATUSES), np.full(len(absent), STATUSES.index("missing"))])
    order, bounds = _grouped(category)
    columns = {name: _numbers(table, name, len(absent)) for name in metrics}
    categories = {
        name: _group(status[order[span]], {metric: values[order[span]] for metric, values in columns.items()})
        for name, span in bounds.items()
    }
    macro = {name: _macro([group.metrics[name] for group in categories.values()]) for name in columns}
    return Summary(categories, _group(status, columns), macro)


def statistics(values: Iterable[float | None]) -> Statistics:
    """Mean, extremes and median of the values that are numbers."""
    return _statistics(np.array([math.nan if value is None else value for value in values], np.float64))


def _statistics(column: Numbers) -> Statistics:
    known = column[~np.isnan(column)]
    if not len(known):
        return Statistics(math.nan, math.nan, math.nan, math.nan, 0, len(column))
    mean, low, high, median = (float(f(known)) for f in (np.mean, np.min, np.max, np.median))
    return Statistics(mean, low, high, median, len(known), len(column) - len(known))


def _group(status: NDArray[np.int64], columns: Mapping[str, Numbers]) -> Group:
    counts = np.bincount(status, minlength=len(STATUSES)).tolist()
    return Group(
        dict(zip(STATUSES, counts, strict=True)), {name: _statistics(values) for name, values in columns.items()}
    )


def _macro(groups: Sequence[Statistics]) -> float:
    return statistics(group.mean for group in groups).mean


def _absent(table: pa.Table, expected: pa.Table | None) -> pa.ChunkedArray:
    """Categories of the expected shapes that have no row."""
    if expected is None:
        return pa.chunked_array([], pa.string())
    seen = pc.is_in(expected["shape_id"], value_set=table["shape_id"])
    return expected["category"].filter(pc.invert(seen))


def _grouped(category: pa.ChunkedArray) -> tuple[NDArray[np.int64], dict[str, slice]]:
    """Rows ordered by category, each category's in their own order, and where each lies among them."""
    names = sorted(pc.unique(category).to_pylist())
    codes = _codes(category, names)
    ends = np.cumsum(np.bincount(codes, minlength=len(names))).tolist()
    spans = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
    return np.argsort(codes, kind="stable"), dict(zip(names, spans, strict=True))


def _codes(column: pa.ChunkedArray, names: Sequence[str]) -> NDArray[np.int64]:
    """The position of every value among names."""
    found = pc.index_in(column, value_set=pa.array(names, pa.string()))
    return np.asarray(found.to_numpy(), np.int64)


def _numbers(table: pa.Table, name: str, absent: int) -> Numbers:
    """A metric of every row, then NaN for every absent shape."""
    known = name in table.column_names
    values = table[name].cast(pa.float64()).to_numpy() if known else np.full(len(table), math.nan)
    return np.concatenate([values, np.full(absent, math.nan)])


def _table(rows: Sequence[Row], names: Sequence[str]) -> pa.Table:
    """Text columns of rows."""
    columns = [
        pa.array((None if row.get(name) is None else str(row[name]) for row in rows), pa.string()) for name in names
    ]
    return pa.table(columns, list(names))


def _check(table: pa.Table) -> None:
    ids, status, category = (table[name] for name in ("shape_id", "status", "category"))
    if pc.count_distinct(ids, mode="all").as_py() < len(table):
        counts = pc.value_counts(ids)
        twice = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")[0]
        raise ValueError(f"shape '{twice}' has two rows; each shape enters a mean once")
    unknown = pc.invert(pc.is_in(status, value_set=pa.array(STATUSES)))
    if pc.any(unknown).as_py():
        shape, found = ids.filter(unknown)[0], status.filter(unknown)[0].as_py()
        raise ValueError(f"shape '{shape}' has status {found!r}; accepted: {', '.join(STATUSES)}")
    nowhere = pc.equal(pc.fill_null(category, ""), "")
    if pc.any(nowhere).as_py():
        raise ValueError(f"shape '{ids.filter(nowhere)[0]}' has no category")


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
