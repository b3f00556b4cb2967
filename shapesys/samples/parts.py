"""The files of a store: their names, and one Parquet row group per shape with the same bytes on every run.

A bucket's shapes share one part per view (and chunk). The part's key is a digest of the ids, content digests and
outcomes it holds, so equal names mean equal content. The file below ``shapes/`` is written last: it commits the part.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shapesys.samples.views import View

COMMIT_VIEW = "shapes"

_NAME = re.compile(r"(?P<folder>.+)/part-(?P<bucket>\d{5,})-(?P<key>[0-9a-f]{16})\.parquet")


@dataclass(frozen=True, order=True)
class Part:
    """The files that one bucket was committed with."""

    bucket: int
    key: str

    def file(self, view: str, chunk: int | None = None) -> str:
        """Path of one of its files within the store."""
        folder = view if chunk is None else f"{view}/chunk={chunk:03d}"
        return f"{folder}/part-{self.bucket:05d}-{self.key}.parquet"

    @classmethod
    def of_file(cls, name: str) -> Part | None:
        """The part that a file of the store belongs to; None for other files."""
        match = _NAME.fullmatch(name)
        return cls(int(match["bucket"]), match["key"]) if match else None


def part_key(entries: Iterable[tuple[str, ...]]) -> str:
    """Digest of what a part holds: (id, content digest, outcome) per shape."""
    listed = "\n".join("\t".join(entry) for entry in sorted(entries))
    return hashlib.sha256(listed.encode()).hexdigest()[:16]


def bucket_of(shape_id: str, buckets: int) -> int:
    """The bucket that a shape lives in, the same on every machine."""
    return int.from_bytes(hashlib.sha256(shape_id.encode()).digest()[:8], "little") % buckets


def bucket_count(shapes: int) -> int:
    """Buckets for a new store: about 64 of them, so that all workers have work, until 32 shapes share one."""
    per_bucket = min(max(shapes // 64, 1), 32)
    return max(-(-shapes // per_bucket), 1)


def row_table(view: View, row: dict[str, Any]) -> pa.Table:
    """One row as a table of the view's schema; arrays become flat lists in C order.

    Raises:
        KeyError: a declared column is missing from the row.
    """
    columns = [_one_value(row[column.name], column.type) for column in view.columns]
    return pa.Table.from_arrays(columns, schema=view.schema)


def _one_value(value: Any, type_: pa.DataType) -> pa.Array:
    if isinstance(value, np.ndarray) and pa.types.is_list(type_):
        flat = pa.array(np.ascontiguousarray(value).ravel(), type=type_.value_type)
        return pa.ListArray.from_arrays(pa.array([0, len(flat)], pa.int32()), flat, type=type_)
    return pa.array([value], type=type_)


def encode(view: View, tables: Iterable[pa.Table]) -> pa.Buffer:
    """Parquet bytes with one row group per table.

    Uncompressed and without dictionaries: float samples do not shrink (8 % with zstd), and a reader can then copy a
    column straight out of the mapped file.
    """
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        view.schema,
        compression="none",
        use_dictionary=False,
        write_statistics=["shape_id"],
        data_page_size=2**30,
    ) as writer:
        for table in tables:
            writer.write_table(table)
    return sink.getvalue()
