"""Results on disk: rows as they come, then the table and the summary.

evaluation/<split>/
  settings.json     what the numbers depend on: checkpoint and settings
  rows.jsonl        one line per finished shape, written as it finishes
  shapes.parquet    the same rows as a table, once all shapes have one
  summary.json      counts, statistics by category and overall, conventions
  meshes/, truth/   reconstruction and ground truth as GLB
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shapesys.evaluation.config import EvaluateConfig
from shapesys.metrics.aggregate import summarise
from shapesys.metrics.record import MetricRecord
from shapesys.training.checkpoint import Checkpoint
from shapesys.training.run_dir import EvaluationDirectory, read_json, write_json

SUMMARY_SCHEMA = 1
_OF_ONE_SHAPE = ("value", "floor", "unit")
_DEFINED_BY_SHAPE = ("plane", "widest_gap", "not_applicable", "reason", "scored_as")
_IDENTITY = ("shape_id", "category", "split", "status", "reason")
Row = dict[str, Any]


@dataclass(frozen=True)
class Results:
    """The results of one split: append rows, then finish."""

    directory: EvaluationDirectory

    @property
    def _rows(self) -> Path:
        return self.directory.path / "rows.jsonl"

    @property
    def _settings(self) -> Path:
        return self.directory.settings

    @property
    def _records(self) -> Path:
        return self.directory.path / "conventions.json"

    def begin(self, checkpoint: Checkpoint, store_digest: str, settings: EvaluateConfig) -> dict[str, Row]:
        """Rows already there for the same checkpoint, data and settings.

        Results of others move to ``evaluation/replaced/``, and come back when their settings do.
        """
        key = {"step": checkpoint.step, "store": store_digest, "settings": settings.model_dump(mode="json")}
        if self._settings.exists() and read_json(self._settings) != key:
            self._set_aside(read_json(self._settings))
        if not self._settings.exists():
            self._take_back(key)
        return {row["shape_id"]: row for row in self._read_rows()}

    def _set_aside(self, key: Any) -> None:
        target = self._place_of(key)
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        self.directory.path.rename(target)

    def _take_back(self, key: Any) -> None:
        kept = self._place_of(key)
        shutil.rmtree(self.directory.path, ignore_errors=True)
        if kept.is_dir():
            kept.rename(self.directory.path)
        write_json(self._settings, key)

    def _place_of(self, key: Any) -> Path:
        """Where the results of these settings wait while others are in use."""
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]
        return self.directory.path.parent / "replaced" / f"{self.directory.path.name}-{digest}"

    def add(self, rows: Iterable[Row], records: Sequence[MetricRecord] = ()) -> None:
        """Write finished rows, and once the meaning of their metrics."""
        with self._rows.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(row) + "\n" for row in rows))
        if records and not self._records.exists():
            write_json(self._records, {record.name: _meaning(record) for record in records})

    def finish(self, expected: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> dict[str, Any]:
        """Write the table and the summary, and return the summary.

        Args:
            expected: shape_id, category and split of every shape that should have a row.
            facts: more to record in the summary, e.g. seconds.
        """
        rows = sorted({row["shape_id"]: row for row in self._read_rows()}.values(), key=lambda row: row["shape_id"])
        columns = sorted({name for row in rows for name in row} - set(_IDENTITY))
        table = pa.Table.from_pylist([{name: row.get(name) for name in (*_IDENTITY, *columns)} for row in rows])
        part = self.directory.rows.with_suffix(".part")
        pq.write_table(table, part)
        part.replace(self.directory.rows)
        metrics = [name for name in columns if not name.startswith(("cost/", "fact/"))]
        summary = {
            "schema": SUMMARY_SCHEMA,
            "split": self.directory.path.name,
            "conventions": read_json(self._records) if self._records.exists() else {},
            **summarise(rows, metrics, expected).to_json(),
            **facts,
        }
        summary["counts"] = summary["overall"]["counts"]
        write_json(self.directory.summary, summary)
        return summary

    def _read_rows(self) -> list[Row]:
        """Complete lines only; a line cut short by a crash is as if it had not been written."""
        if not self._rows.exists():
            return []
        lines = self._rows.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        if len(whole) < len(lines):
            self._rows.write_text("".join(whole), encoding="utf-8")
        return [json.loads(line) for line in whole]


def _meaning(record: MetricRecord) -> dict[str, Any]:
    """A record without what belongs to one shape: whichever finishes first, the meaning is the same."""
    plain = {name: value for name, value in record.to_json().items() if name not in _OF_ONE_SHAPE}
    plain["definition"] = {k: v for k, v in plain["definition"].items() if k not in _DEFINED_BY_SHAPE}
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in plain.items()}
