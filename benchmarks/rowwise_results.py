"""The peer: results as one usually keeps them, a JSON line per shape and Python lists of dicts for everything else."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

Row = dict[str, Any]
STATUSES = ("ok", "empty", "failed", "missing")


class RowwiseResults:
    """Append rows, read them all back, count and average in loops."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lines = folder / "rows.jsonl"
        self._table = folder / "shapes.parquet"

    def add(self, rows: Iterable[Row]) -> None:
        with self._lines.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(row) + "\n" for row in rows))

    def done(self) -> dict[str, Row]:
        return {row["shape_id"]: row for row in map(json.loads, self._lines.open(encoding="utf-8"))}

    def finish(self, metrics: Sequence[str], expected: Sequence[Row]) -> dict[str, Any]:
        """Counts and means over all shapes and by category."""
        rows = sorted(self.done().values(), key=lambda row: row["shape_id"])
        pq.write_table(pa.Table.from_pylist(rows), self._table)
        seen = {row["shape_id"] for row in rows}
        every = [*rows, *({**row, "status": "missing"} for row in expected if row["shape_id"] not in seen)]
        groups: dict[str, list[Row]] = {}
        for row in every:
            groups.setdefault(row["category"], []).append(row)
        return {"overall": _group(every, metrics)} | {name: _group(groups[name], metrics) for name in sorted(groups)}


def _group(rows: Sequence[Row], metrics: Sequence[str]) -> Row:
    counts = {status: sum(row["status"] == status for row in rows) for status in STATUSES}
    return counts | {name: _mean(row.get(name) for row in rows) for name in metrics}


def _mean(values: Iterable[float | None]) -> tuple[float, float, float, float]:
    column = np.array([math.nan if value is None else value for value in values], np.float64)
    known = column[~np.isnan(column)]
    return float(known.mean()), float(known.min()), float(known.max()), float(np.median(known))
