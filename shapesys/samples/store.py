"""The sample store: shapes, their samples by view, and what had to be rejected, in Parquet files.

    manifest.json                                  settings, their digest, bucket count, source
    shapes/part-<bucket>-<key>.parquet             one row per shape; this file commits the part
    rejected/part-<bucket>-<key>.parquet           what is missing and why
    <view>/part-<bucket>-<key>.parquet             one row group per shape
    <view>/chunk=000/part-<bucket>-<key>.parquet   the same for chunked views

A `Store` is a snapshot of what was committed when it was opened.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shapesys.errors import ShapesysError, UsageError, unknown_name
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.normalise import Framing
from shapesys.samples.filesystem import Folder
from shapesys.samples.manifest import Manifest
from shapesys.samples.part_file import PartFile, damaged
from shapesys.samples.parts import COMMIT_VIEW, Part, bucket_of
from shapesys.samples.views import VIEWS, View

Arrays = dict[str, NDArray[Any]]

_SHAPE_COLUMNS = tuple(VIEWS[COMMIT_VIEW].schema.names)
_CHOSEN_BY = frozenset({"shape_id", "category", "split"})
_OPEN_FILES = 1024
"""Part files a process keeps open: footers and mappings, no data."""
_READ_AHEAD = 64
_FILES_AT_ONCE = 2048


class Store:
    """Reads a sample store. Travels by pickle as its URL and opens again where it arrives."""

    def __init__(self, folder: Folder, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self._shape_tables: dict[tuple[str, ...], pa.Table] = {}
        self._file = lru_cache(maxsize=_OPEN_FILES)(lambda name: PartFile(folder, name))

    @classmethod
    def open(cls, url: str) -> Store:
        """The store at a local path or an fsspec URL.

        Raises:
            ShapesysError: there is no store, or its schema is of another version.
        """
        folder = Folder(str(url))
        return cls(folder, Manifest.load(folder))

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Store.open, (self.url,)

    @property
    def url(self) -> str:
        return self.folder.url

    @property
    def views(self) -> tuple[str, ...]:
        """Names of the views of samples that it holds."""
        return self.manifest.views

    @property
    def clouds_are_ordered(self) -> bool:
        """Whether the points of the `cloud` view are in the order of farthest point sampling."""
        return self.manifest.settings.get("cloud", {}).get("order", "fps") == "fps"

    @property
    def framing(self) -> Framing:
        """How its shapes got their frames."""
        return Framing.of_settings(self.manifest.settings)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The committed part of every bucket that has one.

        Between the commit of a part and the removal of the one it replaces, both are there: the younger file counts.
        """
        found: dict[int, tuple[int, Part]] = {}
        for name, modified in self.folder.names(COMMIT_VIEW).items():
            part = Part.of_file(name)
            if part is not None:
                found[part.bucket] = max(found.get(part.bucket, (0, part)), (modified, part))
        return tuple(part for _, (_, part) in sorted(found.items()))

    def digest(self) -> str:
        """Digest of everything the store holds: the same exactly when shapes, samples and rejections are the same."""
        listed = [self.manifest.settings_digest, *(part.file(COMMIT_VIEW) for part in self.parts)]
        return hashlib.sha256("\n".join(listed).encode()).hexdigest()

    def shapes(
        self,
        split: str | None = None,
        categories: Collection[str] = (),
        views: str | Collection[str] = (),
        columns: Collection[str] = _SHAPE_COLUMNS,
    ) -> pa.Table:
        """Rows of the `shapes` view sorted by id: of one split, of some categories (all if empty), in all these views.

        Args:
            columns: those that are needed beside id, category and split; all where not given.

        Raises:
            UsageError: a category or view that the store does not hold.
        """
        table = self._shapes(frozenset(columns))
        if split is not None:
            table = table.filter(pc.field("split") == split)
        if categories:
            self._check_categories(categories)
            table = table.filter(pc.field("category").isin(list(categories)))
        for view in (views,) if isinstance(views, str) else views:
            # Typed, since an empty list has no type of its own and matches no column.
            table = table.filter(~pc.field("shape_id").isin(pa.array(self._lacking(view), pa.string())))
        return table

    def shape_ids(
        self, split: str | None = None, categories: Collection[str] = (), views: str | Collection[str] = ()
    ) -> list[str]:
        """The ids of the same rows, sorted."""
        ids: list[str] = self.shapes(split, categories, views, ())["shape_id"].to_pylist()
        return ids

    def categories(self) -> list[str]:
        """Categories with at least one prepared shape, sorted."""
        return sorted(pc.unique(self.shapes(columns=())["category"]).to_pylist())

    def rejected(self) -> pa.Table:
        """Rows of the `rejected` view, sorted by id."""
        return self._all_rejected

    def require(self, view: str, columns: Sequence[str] = ()) -> None:
        """Make sure that the store has a view with these columns.

        Raises:
            UsageError: it has not; says what it has.
        """
        self._columns(view, columns)

    def chunk_count(self, view: str) -> int:
        """Number of chunks that each shape's samples are cut into; 1 for views that are not chunked."""
        return self._chunking(view)[0]

    def chunk_size(self, view: str) -> int:
        """Samples per chunk, the same for every shape and chunk of a chunked view."""
        return self._chunking(view)[1]

    def read_chunk(
        self, view: str, chunk: int, shape_ids: Sequence[str], columns: Sequence[str] | None = None
    ) -> Arrays:
        """One chunk of several shapes, stacked: column -> (B, n, ...) array that owns its memory.

        Raises:
            UsageError: the store has no such view, chunk or column.
            ShapesysError: a shape is not in the view.
        """
        count = self.chunk_count(view)
        if not 0 <= chunk < count:
            raise UsageError(f"view '{view}' has no chunk {chunk}; the store {self.url} holds 0 to {count - 1}")
        return self._stack(view, chunk if VIEWS[view].chunked else None, shape_ids, columns)

    def read(self, view: str, shape_ids: Sequence[str], columns: Sequence[str] | None = None) -> Arrays:
        """The samples of several shapes from a view that is not chunked, stacked: column -> (B, n, ...).

        Raises:
            UsageError: the store has no such view or column, or the view is chunked.
            ShapesysError: a shape is not in the view, or the shapes' arrays differ in length.
        """
        if self._view(view).chunked:
            raise UsageError(f"view '{view}' is cut into chunks; read one with read_chunk")
        return self._stack(view, None, shape_ids, columns)

    def mesh(self, shape_id: str) -> Mesh:
        """The cleaned, normalised surface of a shape.

        Raises:
            UsageError: the store holds no meshes.
            ShapesysError: it does not hold this one.
        """
        arrays = {name: values[0] for name, values in self.read("meshes", [shape_id]).items()}
        labels = arrays["face_labels"]
        return Mesh(arrays["vertices"], arrays["faces"], face_labels=labels if len(labels) else None)

    def describe(self) -> str:
        """What the store holds, for messages: '36 shapes (train 30, test 6) of chair, table; views cloud, sdf'."""
        shapes = self.shapes(columns=())
        splits = shapes["split"].value_counts().to_pylist()
        by_split = ", ".join(f"{entry['values']} {entry['counts']}" for entry in splits)
        categories = ", ".join(self.categories()) or "no category"
        return f"{len(shapes)} shapes ({by_split}) of {categories}; views {', '.join(self.views)}"

    def part_of(self, shape_id: str) -> Part:
        """The part that holds a prepared shape.

        Raises:
            UsageError: the store does not hold it; names the nearest ids, or why it was rejected.
        """
        part = self._home(shape_id)
        if part is None or shape_id not in read_table(self.folder, part, COMMIT_VIEW)["shape_id"].to_pylist():
            raise self._unknown_shape(shape_id)
        return part

    def _home(self, shape_id: str) -> Part | None:
        """The part of a shape's bucket, whether it holds the shape or not: no file has to be read for it."""
        return self._by_bucket.get(bucket_of(shape_id, self.manifest.buckets))

    def _samples(self, shape_id: str, view: str, chunk: int | None) -> PartFile:
        """The open file that holds a shape's samples."""
        part = self._home(shape_id)
        file = self._file(part.file(view, chunk)) if part else None
        if file is None or shape_id not in file.row_groups:
            self.part_of(shape_id)
            raise self._missing_samples(shape_id, view)
        return file

    def _stack(self, view: str, chunk: int | None, shape_ids: Sequence[str], columns: Sequence[str] | None) -> Arrays:
        declared = self._columns(view, columns)
        held = [(shape_id, self._samples(shape_id, view, chunk)) for shape_id in shape_ids]
        return {
            name: _stacked(name, trailing, shape_ids, [file.values(shape_id, name) for shape_id, file in held])
            for name, trailing in declared.items()
        }

    def _columns(self, view: str, columns: Sequence[str] | None) -> dict[str, tuple[int, ...]]:
        """Column -> trailing shape of its arrays."""
        declared = {column.name: _trailing(column.shape) for column in self._view(view).columns if column.shape}
        unknown = [name for name in columns or () if name not in declared]
        if unknown:
            raise unknown_name(f"column of view '{view}'", unknown[0], declared)
        return {name: declared[name] for name in columns} if columns is not None else declared

    def _view(self, name: str) -> View:
        if name not in self.views:
            raise UsageError(
                f"the store {self.url} has no view '{name}', only {', '.join(self.views)}; "
                "prepare another store with this view among --views"
            )
        return VIEWS[name]

    def _chunking(self, view: str) -> tuple[int, int]:
        if not self._view(view).chunked:
            return 1, 0
        chunking = self.manifest.chunks.get(view)
        if chunking is None:
            raise ShapesysError(f"the manifest of {self.url} does not say how view '{view}' is cut into chunks")
        return chunking

    def _shapes(self, columns: frozenset[str]) -> pa.Table:
        """Some columns of all shapes, and those that shapes are chosen by."""
        wanted = tuple(name for name in _SHAPE_COLUMNS if name in columns | _CHOSEN_BY)
        if wanted not in self._shape_tables:
            self._shape_tables[wanted] = self._table(COMMIT_VIEW, wanted)
        return self._shape_tables[wanted]

    @cached_property
    def _all_rejected(self) -> pa.Table:
        return self._table("rejected")

    @cached_property
    def _by_bucket(self) -> dict[int, Part]:
        return {part.bucket: part for part in self.parts}

    def _table(self, view: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Rows of a small view of all parts, sorted by id."""
        paths = [self.folder.path(part.file(view)) for part in self.parts]
        # In groups, since a dataset keeps the footer of every file that it has read.
        groups = [paths[first : first + _FILES_AT_ONCE] for first in range(0, len(paths), _FILES_AT_ONCE)]
        tables = [self._read_files(group, VIEWS[view].schema, columns) for group in groups or [[]]]
        return pa.concat_tables(tables).sort_by("shape_id").combine_chunks()

    def _read_files(self, paths: Sequence[str], schema: pa.Schema, columns: Sequence[str] | None) -> pa.Table:
        files = ds.FileSystemDataset.from_paths(
            paths, schema=schema, format=ds.ParquetFileFormat(), filesystem=self.folder.filesystem
        )
        # Read ahead, since small files take longer to open than to read.
        return files.to_table(columns and list(columns), fragment_readahead=_READ_AHEAD).combine_chunks()

    def _lacking(self, view: str) -> list[str]:
        """Ids of shapes for which a view could not be made."""
        self._view(view)
        rows = self.rejected().select(["shape_id", "views"]).to_pylist()
        return [row["shape_id"] for row in rows if view in row["views"]]

    def _check_categories(self, categories: Collection[str]) -> None:
        known = self.categories()
        for category in categories:
            if category not in known:
                raise unknown_name("category", category, known)

    def _unknown_shape(self, shape_id: str) -> ShapesysError:
        reasons = self._rejections(shape_id)
        if reasons:
            return ShapesysError(f"the store {self.url} has no samples of '{shape_id}': it was rejected ({reasons})")
        return unknown_name("shape", shape_id, self.shape_ids())

    def _missing_samples(self, shape_id: str, view: str) -> ShapesysError:
        why = self._rejections(shape_id)
        return ShapesysError(f"shape '{shape_id}' has no '{view}' samples in {self.url}" + (f" ({why})" if why else ""))

    def _rejections(self, shape_id: str) -> str:
        rows = self.rejected().filter(pc.field("shape_id") == shape_id).to_pylist()
        return "; ".join(f"{row['stage']}: {row['reason']}" for row in rows)


def read_table(folder: Folder, part: Part, view: str) -> pa.Table:
    """All rows of one part's file of a small view.

    Raises:
        ShapesysError: the file is missing or damaged.
    """
    name = part.file(view)
    try:
        with folder.filesystem.open_input_file(folder.path(name)) as file:
            table = pq.ParquetFile(file).read(use_threads=False)
    except (OSError, ValueError) as error:
        raise damaged(folder, name, error) from error
    return table.replace_schema_metadata(None).cast(VIEWS[view].schema)


def _trailing(shape: str) -> tuple[int, ...]:
    """'(n, 3) or empty' -> (3,): what follows the first, varying axis."""
    axes = shape[shape.index("(") + 1 : shape.index(")")].split(",")[1:]
    return tuple(int(axis) for axis in axes if axis.strip())


def _stacked(name: str, trailing: tuple[int, ...], ids: Sequence[str], values: list[NDArray[Any]]) -> NDArray[Any]:
    for shape_id, value in zip(ids, values, strict=True):
        if len(value) != len(values[0]):
            raise ShapesysError(
                f"column '{name}' has {len(values[0])} values for '{ids[0]}' and {len(value)} for '{shape_id}'; "
                "such shapes are read one at a time, or without this column"
            )
    width = int(np.prod(trailing, dtype=int))
    length = len(values[0]) // width if values else 0
    stacked = np.empty((len(values), length * width), dtype=values[0].dtype if values else np.float32)
    for shape_id, row, value in zip(ids, stacked, values, strict=True):
        row[:] = value
        # Only finite numbers are ever stored; a sum notices others at a hundredth of the cost of reading.
        if row.dtype.kind == "f" and not np.isfinite(row.sum()):
            raise ShapesysError(
                f"the store is damaged: column '{name}' of shape '{shape_id}' holds numbers that are not finite; "
                "restore the store from a copy, or remove it and prepare again"
            )
    return stacked.reshape(len(values), length, *trailing)
