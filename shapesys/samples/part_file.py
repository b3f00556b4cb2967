"""Random access to one shape's row in one Parquet file of a store."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shapesys.errors import ShapesysError, first_line
from shapesys.samples.filesystem import Folder
from shapesys.samples.parts import COMMIT_VIEW, Part

_PAGE_OVERHEAD = 56
"""Header and run-length coded list levels of one page take 31 to 50 bytes, up to 60 million values; two pages take 62
or more."""

_IN_PLACE: dict[str, np.dtype[Any]] = {"FLOAT": np.dtype("<f4"), "INT32": np.dtype("<i4")}


def damaged(folder: Folder, name: str, error: Exception) -> ShapesysError:
    """The error for a file that is missing or no Parquet file; names the commit record that promised it."""
    part = Part.of_file(name)
    commit = f"remove {folder.path(part.file(COMMIT_VIEW))} and " if part else ""
    return ShapesysError(
        f"the store is damaged: {folder.path(name)} cannot be read ({first_line(error)}); {commit}prepare again"
    )


class PartFile:
    """One open file: its footer is read once, its columns on demand.

    Raises:
        ShapesysError: the file is missing or no Parquet file; names the commit record that promised it.
    """

    def __init__(self, folder: Folder, name: str) -> None:
        path = self._name = folder.path(name)
        try:
            self._bytes = folder.view(name)
            source = pa.memory_map(path) if folder.is_local else folder.filesystem.open_input_file(path)
            self._file = pq.ParquetFile(source)
        except (OSError, ValueError) as error:
            raise damaged(folder, name, error) from error
        self._leaves = {_top_level(self._schema.column(i).path): i for i in range(len(self._schema))}
        self._ranges: dict[tuple[int, str], tuple[int, np.dtype[Any], int] | None] = {}

    @property
    def _schema(self) -> Any:
        return self._file.metadata.schema

    @cached_property
    def row_groups(self) -> dict[str, int]:
        """Shape id -> row group, from the footer's statistics."""
        metadata, column = self._file.metadata, self._leaves["shape_id"]
        groups = range(metadata.num_row_groups)
        return {metadata.row_group(group).column(column).statistics.min: group for group in groups}

    def table(self, shape_id: str) -> pa.Table:
        """The shape's row."""
        table: pa.Table = self._file.read_row_group(self.row_groups[shape_id], use_threads=False)
        return table.replace_schema_metadata(None)

    def values(self, shape_id: str, column: str) -> NDArray[Any]:
        """The flat values of the shape's list column, or the bytes of a binary one, as an array; a view into the
        mapped file where its encoding allows.

        Raises:
            ShapesysError: the file was written before there was such a column.
        """
        if column not in self._leaves:
            raise ShapesysError(
                f"column '{column}' is not in {self._name}, which an older version prepared; prepare another --store"
            )
        group = self.row_groups[shape_id]
        found = self._in_place(group, column)
        if found is None or self._bytes is None:
            return self._decoded(group, column)
        start, dtype, count = found
        return self._bytes[start : start + count * dtype.itemsize].view(dtype)

    def _decoded(self, group: int, column: str) -> NDArray[Any]:
        chunked = self._file.read_row_group(group, columns=[column], use_threads=False).column(0)
        if pa.types.is_binary(chunked.type):
            return np.frombuffer(chunked[0].as_py(), np.uint8)
        return np.asarray(chunked.combine_chunks().flatten().to_numpy(zero_copy_only=False))

    def _in_place(self, group: int, column: str) -> tuple[int, np.dtype[Any], int] | None:
        key = (group, column)
        if key not in self._ranges:
            self._ranges[key] = _plain_values(self._file.metadata.row_group(group).column(self._leaves[column]))
        return self._ranges[key]


def _top_level(path: str) -> str:
    return path.split(".", 1)[0]


def _plain_values(chunk: Any) -> tuple[int, np.dtype[Any], int] | None:
    """Offset, dtype and count of a column chunk's values, if they lie in one uncompressed plain page.

    Such a page is a header, list levels, then the values: they are the chunk's last bytes.
    """
    dtype = _IN_PLACE.get(chunk.physical_type)
    if dtype is None or chunk.compression != "UNCOMPRESSED" or set(chunk.encodings) - {"PLAIN", "RLE"}:
        return None
    size, count = chunk.total_compressed_size, chunk.num_values
    overhead = size - count * dtype.itemsize
    # An empty list counts as one value that takes no bytes.
    if count < 2 or chunk.has_dictionary_page or not 0 < overhead < _PAGE_OVERHEAD:
        return None
    return chunk.data_page_offset + overhead, dtype, count
