"""Rows of an evaluation on disk, as they come: anyone may read them with any Parquet reader while it runs.

    shapes.parquet             the table: every row when an evaluation finished, sorted by shape id
    parts/part-00000.parquet   rows that came since, the same columns in every part
    rows.jsonl                 rows that came since the last part, one a line

A row is in a file before it counts as done. Files of Parquet appear whole or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import math
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shapesys.errors import ShapesysError

IDENTITY = ("shape_id", "category", "split", "status", "reason")
"""Columns of text, first in every file; all others are numbers."""
COUNT = "count/"
NO_METRICS = ("cost/", "fact/", COUNT)
"""How columns begin that are no scores: what was spent, what inference told, what is there to be summed."""
PREDICTED_CLASS, PROBABILITY = "fact/predicted_class", "fact/probability"
COMPONENTS, AREA_SHARE = "fact/components", "fact/largest_area_share"
LOSS_FLOOR = "fact/loss_floor"
FLUSH_ROWS = 10_000
FLUSH_SECONDS = 30.0

Row = dict[str, Any]
_log = logging.getLogger(__name__)


class RowLog:
    """The rows of one folder. One process writes; a row of a shape replaces earlier ones of the same shape.

    Args:
        folder: where the files are; made if missing.
        table: the file that `compact` writes.
        flush_rows, flush_seconds: rows that make a part, and seconds after which fewer do.
    """

    def __init__(
        self, folder: Path, table: Path, flush_rows: int = FLUSH_ROWS, flush_seconds: float = FLUSH_SECONDS
    ) -> None:
        self._table = table
        self._parts = folder / "parts"
        self._tail = folder / "rows.jsonl"
        self._flush_rows = flush_rows
        self._flush_seconds = flush_seconds
        self._rows: list[Row] = []
        self._oldest = math.inf
        self._columns: list[str] = []
        self._next = 0

    def open(self) -> pa.Table:
        """Take up what is there: rows left in the tail become a part, and a damaged file is put aside.

        Returns:
            ``shape_id`` and ``status`` of every shape that has a row.
        """
        self._parts.mkdir(parents=True, exist_ok=True)
        for leftover in self._parts.glob(".*.part"):
            leftover.unlink()
        taken = [_number(path) for path in self._parts.glob("part-*")]
        self._next = max(taken, default=-1) + 1
        self._widen([name for path in (self._table, *self.parts()) for name in _names_or_aside(path)])
        self._rows = _read_lines(self._tail)
        self._forget_rows_of_the_last_part()
        self.flush()
        return _last_of_each(self._read(["shape_id", "status"]))

    def parts(self) -> list[Path]:
        """The parts in the order they were written."""
        return sorted(self._parts.glob("part-*.parquet"), key=_number)

    def add(self, rows: Iterable[Row]) -> None:
        """Write finished rows.

        Raises:
            ShapesysError: they cannot be written, e.g. because the disk is full.
        """
        rows = [row | {"reason": _writable(row["reason"])} for row in rows]
        with _explained(self._tail), self._tail.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(row) + "\n" for row in rows))
        self._rows += rows
        self._oldest = min(self._oldest, time.monotonic())
        if len(self._rows) >= self._flush_rows or time.monotonic() - self._oldest >= self._flush_seconds:
            self.flush()

    def flush(self) -> None:
        """Make a part of the rows that are in none yet."""
        if self._rows:
            self._widen(name for row in self._rows for name in row)
            _write(self._parts / f"part-{self._next:05d}.parquet", _table_of(self._rows, self._columns))
            self._next += 1
        self._rows, self._oldest = [], math.inf
        self._tail.unlink(missing_ok=True)

    def compact(self) -> pa.Table:
        """Put all rows into the table, remove the parts, and return the table."""
        self.flush()
        table = self._sorted()
        _write(self._table, table)
        for part in self.parts():
            part.unlink()
        return table

    def _sorted(self) -> pa.Table:
        """All rows that count, by shape id; column by column, so that there is never a second copy of everything."""
        table = _last_of_each(self._read())
        order = pc.sort_indices(table["shape_id"])
        columns: dict[str, pa.ChunkedArray] = {}
        for name in [*IDENTITY, *self._columns]:
            columns[name] = table[name].combine_chunks().take(order)
            table = table.drop_columns([name])
        return pa.table(columns)

    def _read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Rows of the table, then of the parts; the same columns everywhere."""
        files = [path for path in (self._table, *self.parts()) if path.exists()]
        schema = _schema(self._columns)
        wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
        tables = [_conformed(pq.read_table(path, columns=columns, partitioning=None), wanted) for path in files]
        return pa.concat_tables([wanted.empty_table(), *tables])

    def _widen(self, names: Iterable[str]) -> None:
        """Give earlier parts the columns that turned up since, so that all parts have the same ones."""
        wanted = {*self._columns, *names} - set(IDENTITY)
        if wanted == set(self._columns):
            return
        self._columns = sorted(wanted)
        for part in self.parts():
            if set(pq.read_schema(part).names) != {*IDENTITY, *wanted}:
                _write(part, _conformed(pq.read_table(part, partitioning=None), _schema(self._columns)))

    def _forget_rows_of_the_last_part(self) -> None:
        """A crash between the writing of a part and the removal of the tail leaves rows in both."""
        parts = self.parts()
        if parts and self._rows:
            written = set(pq.read_table(parts[-1], columns=["shape_id"], partitioning=None)["shape_id"].to_pylist())
            self._rows = [row for row in self._rows if row["shape_id"] not in written]


def _writable(reason: str) -> str:
    """Text as UTF-8 takes it: an error may quote the name of a file that is none."""
    return reason.encode("utf-8", "backslashreplace").decode()


def _number(part: Path) -> int:
    return int(part.name.split(".")[0].removeprefix("part-"))


def _schema(columns: Sequence[str]) -> pa.Schema:
    return pa.schema(
        [*(pa.field(name, pa.string()) for name in IDENTITY), *(pa.field(name, pa.float64()) for name in columns)]
    )


def _table_of(rows: Sequence[Row], columns: Sequence[str]) -> pa.Table:
    """The last row of every shape; a value that a row lacks is null."""
    last = list({row["shape_id"]: row for row in rows}.values())
    schema = _schema(columns)
    return pa.table([pa.array([row.get(name) for row in last], kind) for name, kind in _kinds(schema)], schema=schema)


def _kinds(schema: pa.Schema) -> list[tuple[str, pa.DataType]]:
    return list(zip(schema.names, schema.types, strict=True))


def _conformed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The same rows with these columns, null where the table has none."""
    held = set(table.column_names)
    columns = [table[name].cast(kind) if name in held else pa.nulls(len(table), kind) for name, kind in _kinds(schema)]
    return pa.table(columns, schema=schema)


def _last_of_each(table: pa.Table) -> pa.Table:
    """Without the rows that a later row of the same shape replaces."""
    codes = pc.dictionary_encode(table["shape_id"].combine_chunks()).indices.to_numpy(zero_copy_only=False)
    last = np.zeros(codes.max(initial=-1) + 1, np.int64)
    last[codes] = np.arange(len(codes))
    return table if len(last) == len(codes) else table.take(np.sort(last))


def _names_or_aside(path: Path) -> list[str]:
    """A file's columns; one that no reader understands is renamed, and its shapes count as not done."""
    if not path.exists():
        return []
    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowInvalid, OSError) as error:
        if getattr(error, "errno", None):
            # The disk or the network would not give it; what is in it is not lost.
            raise ShapesysError(
                f"cannot read {path}: {error}; its rows stay there, run the same command again"
            ) from error
        aside = path.with_name(f"{path.name}.damaged")
        path.replace(aside)
        _log.warning("%s is damaged (%s); it is kept as %s and its shapes are evaluated again", path, error, aside.name)
        return []


def _read_lines(path: Path) -> list[Row]:
    """Whole rows only; a line that a crash cut short is as if it had not been written."""
    if not path.exists():
        return []
    rows = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            with contextlib.suppress(ValueError):
                rows.append(json.loads(line))
    return [row for row in rows if isinstance(row, dict) and row.keys() >= set(IDENTITY)]


def _write(path: Path, table: pa.Table) -> None:
    """A Parquet file that a reader sees whole or not at all, even after a power cut."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with _explained(path), contextlib.ExitStack() as stack:
        stack.callback(part.unlink, missing_ok=True)
        with part.open("wb") as file:
            pq.write_table(table, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise ShapesysError(f"cannot write {path}: {error.strerror or error}") from error
        free = shutil.disk_usage(path.parent).free
        raise ShapesysError(
            f"no space left to write {path} ({free / 2**30:.2f} GiB free); free some space and run the same command "
            "again: finished shapes stay finished"
        ) from error
