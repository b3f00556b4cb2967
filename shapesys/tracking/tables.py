"""Tables of shapes and of trials in the form that MLflow's interface shows."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

_FIRST = ("shape_id", "status")
_BESIDE = ("category", "split", "reason")
_DIGITS = 6


def table_json(rows: Path) -> str:
    """A Parquet table as the JSON that MLflow reads as a table: columns, and rows as lists.

    MLflow shows the first columns until asked for more: what tells shapes apart comes first, then their metrics. Of a
    dot in a column's name it makes a path into nested values, and shows nothing: a middle dot stands there. Numbers are
    rounded to what a person reads; the Parquet file has all digits.
    """
    table = pq.read_table(rows)
    # Counts are there to be summed: one column for every part of every category.
    names = [name for name in table.column_names if not name.startswith("count/")]
    table = table.select(sorted(names, key=_place))
    columns = [_plain(column) for column in table.to_pydict().values()]
    data = [list(row) for row in zip(*columns, strict=True)]
    names = [name.replace(".", "·") for name in table.column_names]
    return json.dumps({"columns": names, "data": data}, default=str)


def _place(column: str) -> int:
    """Earlier columns have smaller places; equal ones keep their order."""
    if column in _FIRST:
        return 0
    if column.endswith(("/floor", "@floor")):
        return 2
    if column.startswith(("cost/", "fact/")):
        return 3
    return 4 if column in _BESIDE else 1


def _plain(column: list[Any]) -> list[Any]:
    return [_shown(value) if isinstance(value, float) else value for value in column]


def _shown(value: float) -> float | None:
    """NaN and infinity are no JSON; a table shows them as missing."""
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
