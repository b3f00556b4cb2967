"""Results on disk: rows as they come, then the table and the summary.

evaluation/<split>/
  settings.json     what the numbers depend on: checkpoint and settings
  parts/            rows in Parquet, written as shapes finish; rows.jsonl holds the youngest
  shapes.parquet    all rows as one table, once all shapes have one
  summary.json      counts, statistics by category and overall, conventions; numbers of the whole set, where they are
                    no statistics of columns, as `shapesys.evaluation.whole_set` describes them
  conventions.json  what each metric means
  seconds.json      time spent, by all calls together
  meshes/, truth/   reconstruction and ground truth as GLB, of a run that predicts surfaces
  scans/            points as PLY in place of the ground truth, of shapes of which only a scan is known
  clouds/           points with predicted and true labels as PLY, of a run that predicts labels
  pictures/         images with outlines as PNG, of a run that predicts superpixels
  curves/           how numbers went while shapes were optimised at test time as NPZ, where they were
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shapesys.evaluation.row_log import FLUSH_ROWS, FLUSH_SECONDS, IDENTITY, NO_METRICS, Row, RowLog
from shapesys.metrics.aggregate import Summary, summarise_table
from shapesys.metrics.record import MetricRecord
from shapesys.training.checkpoint import Checkpoint
from shapesys.training.run_dir import EvaluationDirectory, read_json, write_json

SUMMARY_SCHEMA = 1
SECONDS_EVERY = 5.0
"""How often the time spent is written down, in seconds: a killed call's time counts up to then."""
_OF_ONE_SHAPE = ("value", "floor", "unit")
_DEFINED_BY_SHAPE = ("plane", "widest_gap", "not_applicable", "reason", "scored_as")


@dataclass
class Results:
    """The results of one split: begin, add rows as they come, then finish.

    Attributes:
        started: when the call that these results belong to began, on the clock of `time.perf_counter`.
        flush_rows, flush_seconds: rows that make a part of the table, and seconds after which fewer do.
    """

    directory: EvaluationDirectory
    started: float = field(default_factory=time.perf_counter)
    flush_rows: int = FLUSH_ROWS
    flush_seconds: float = FLUSH_SECONDS
    _earlier: float = 0.0
    _seconds: float = 0.0
    _saved: float = 0.0

    @cached_property
    def _log(self) -> RowLog:
        return RowLog(self.directory.path, self.directory.rows, self.flush_rows, self.flush_seconds)

    @property
    def _settings(self) -> Path:
        return self.directory.settings

    @property
    def _records(self) -> Path:
        return self.directory.path / "conventions.json"

    @property
    def _clock(self) -> Path:
        return self.directory.path / "seconds.json"

    def begin(
        self, checkpoint: Checkpoint, store_digest: str, settings: Mapping[str, Any], retry_failed: bool = False
    ) -> pa.Table:
        """Find the rows already there for the same checkpoint, data and settings.

        Results of others move to ``evaluation/replaced/``, and come back when their settings do.

        Args:
            settings: what the numbers depend on, as plain data: `EvaluateConfig.applying_to`.
            retry_failed: count failed shapes as not done; their rows stay until others replace them.

        Returns:
            ``shape_id`` and ``status`` of every shape that is done.
        """
        facts = {"step": checkpoint.step, "checkpoint": checkpoint.digest()}
        key = {**facts, "store": store_digest, "settings": dict(settings)}
        if self._settings.exists() and read_json(self._settings) != key:
            self._set_aside(read_json(self._settings))
        if not self._settings.exists():
            self._take_back(key)
        done = self._log.open()
        self._earlier = self._seconds = self._seconds_so_far()
        return self._without_failed(done) if retry_failed else done

    def _without_failed(self, done: pa.Table) -> pa.Table:
        failed = pc.equal(done["status"], "failed")
        if pc.any(failed).as_py():
            # From now on, parts hold new outcomes only, so that no shape has a row in two of them.
            self._log.compact()
        return done.filter(pc.invert(failed))

    def _seconds_so_far(self) -> float:
        """Seconds of earlier calls; older versions wrote them in the summary alone."""
        for path in (self._clock, self.directory.summary):
            if path.exists():
                return float(read_json(path).get("seconds", 0.0))
        return 0.0

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
        """Write finished rows, and once the meaning of their metrics.

        Raises:
            ShapesysError: they cannot be written, e.g. because the disk is full.
        """
        if records and not self._records.exists():
            # Before the rows: once the last of them is written, no later call has records to write.
            write_json(self._records, {record.name: _meaning(record) for record in records})
        self._log.add(rows)
        self._seconds = self._earlier + time.perf_counter() - self.started
        if self._seconds - self._saved >= SECONDS_EVERY:
            self._save_seconds()

    def _save_seconds(self) -> None:
        write_json(self._clock, {"seconds": self._seconds})
        self._saved = self._seconds

    def finish(
        self,
        expected: pa.Table,
        facts: Mapping[str, Any],
        whole_set: Callable[[pa.Table, Summary], Mapping[str, Any]] = lambda table, summary: {},
    ) -> dict[str, Any]:
        """Write the table and the summary, and return the summary.

        Its ``seconds`` are those from the beginning of each call to its last row, all calls together.

        Args:
            expected: shape_id, category and split of every shape that should have a row.
            facts: more to record in the summary.
            whole_set: makes what the summary holds beside statistics, from the table and these.
        """
        self._save_seconds()
        table = self._log.compact()
        metrics = [name for name in table.column_names if _is_metric(name)]
        statistics = summarise_table(table, metrics, expected)
        summary = {
            "schema": SUMMARY_SCHEMA,
            "split": self.directory.path.name,
            "conventions": read_json(self._records) if self._records.exists() else {},
            **statistics.to_json(),
            **whole_set(table, statistics),
            **facts,
            "seconds": self._seconds,
        }
        summary["counts"] = summary["overall"]["counts"]
        write_json(self.directory.summary, summary)
        return summary


def _is_metric(column: str) -> bool:
    return column not in IDENTITY and not column.startswith(NO_METRICS)


def _meaning(record: MetricRecord) -> dict[str, Any]:
    """A record without what belongs to one shape: whichever finishes first, the meaning is the same."""
    plain = {name: value for name, value in record.to_json().items() if name not in _OF_ONE_SHAPE}
    plain["definition"] = {k: v for k, v in plain["definition"].items() if k not in _DEFINED_BY_SHAPE}
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in plain.items()}
