"""Per-shape tables in the form that MLflow's interface shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

_FIRST = ("shape_id", "status")
_BESIDE = ("category", "split", "reason")


def table_json(rows: Path) -> str:
    """A Parquet table as the JSON that MLflow reads as a table: columns, and rows as lists.

    MLflow shows the first five columns until asked for more: what tells shapes apart comes first, then their metrics.
    """
    table = pq.read_table(rows)
    table = table.select(sorted(table.column_names, key=_place))
    columns = [_plain(column) for column in table.to_pydict().values()]
    data = [list(row) for row in zip(*columns, strict=True)]
    return json.dumps({"columns": table.column_names, "data": data}, default=str)


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
    """NaN and infinity are no JSON; a table shows them as missing."""
    return [None if isinstance(value, float) and value - value != 0 else value for value in column]
