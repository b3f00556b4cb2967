"""Writing a bucket: view files first, the commit record last, what it replaces removed after that.

A kill at any moment leaves the old part, the new part, or both committed; never half of one. A part depends only on
the shapes it holds, so that a store built in one go and one built with interruptions are the same, byte for byte.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from shapesys.samples.filesystem import Folder, leftover
from shapesys.samples.manifest import Manifest
from shapesys.samples.part_file import PartFile
from shapesys.samples.parts import COMMIT_VIEW, Part, encode, part_key, row_table
from shapesys.samples.store import Store, read_table
from shapesys.samples.views import VIEWS

Row = dict[str, Any]


@dataclass(frozen=True)
class Outcome(ABC):
    """What became of one shape.

    Attributes:
        id, digest: of the shape.
        shape: its row of `shapes`, None where it was rejected as a whole.
        rejection: its row of `rejected`, None where nothing is missing.
    """

    id: str
    digest: str
    shape: Row | None
    rejection: Row | None

    @abstractmethod
    def table(self, view: str, chunk: int | None) -> pa.Table | None:
        """Its samples as a one-row table; None where the view lacks them."""


@dataclass(frozen=True)
class Fresh(Outcome):
    """A shape prepared in this run; `samples` maps a view to its rows, one per chunk."""

    samples: dict[str, list[Row]] = field(default_factory=dict)

    def table(self, view: str, chunk: int | None) -> pa.Table | None:
        rows = self.samples.get(view)
        return row_table(VIEWS[view], {"shape_id": self.id} | rows[chunk or 0]) if rows else None


@dataclass(frozen=True)
class Kept(Outcome):
    """A shape of an earlier run; its samples are copied from the part that holds them."""

    files: PartFiles

    def table(self, view: str, chunk: int | None) -> pa.Table | None:
        if self.shape is None:
            return None
        file = self.files.open(view, chunk)
        return file.table(self.id) if self.id in file.row_groups else None


class PartFiles:
    """The files of one committed part, opened as needed."""

    def __init__(self, folder: Folder, part: Part) -> None:
        self._folder = folder
        self._part = part
        self._open: tuple[str, PartFile] | None = None

    def open(self, view: str, chunk: int | None) -> PartFile:
        """One file; only the latest stays open, since parts are copied file by file."""
        name = self._part.file(view, chunk)
        if self._open is None or self._open[0] != name:
            self._open = (name, PartFile(self._folder, name))
        return self._open[1]


def kept_outcomes(folder: Folder, part: Part) -> list[Kept]:
    """All shapes of a committed part."""
    files = PartFiles(folder, part)
    shapes = {row["shape_id"]: row for row in read_table(folder, part, COMMIT_VIEW).to_pylist()}
    rejections = {row["shape_id"]: row for row in read_table(folder, part, "rejected").to_pylist()}
    found = []
    for shape_id in shapes.keys() | rejections.keys():
        shape, rejection = shapes.get(shape_id), rejections.get(shape_id)
        digest = (shape or rejection or {})["digest"]
        found.append(Kept(shape_id, digest, shape, rejection, files))
    return found


def committed_parts(folder: Folder, bucket: int) -> list[Part]:
    """Every part of a bucket that has a commit record; two where a clean-up was interrupted."""
    return _parts_starting(folder, f"part-{bucket:05d}-")


def all_committed_parts(folder: Folder) -> dict[int, list[Part]]:
    """Bucket -> its committed parts, of those that have any."""
    found: defaultdict[int, list[Part]] = defaultdict(list)
    for part in _parts_starting(folder, "part-"):
        found[part.bucket].append(part)
    return found


def _parts_starting(folder: Folder, start: str) -> list[Part]:
    parts = (Part.of_file(name) for name in folder.starting(f"{COMMIT_VIEW}/{start}"))
    return sorted(part for part in parts if part is not None)


def commit(folder: Folder, manifest: Manifest, bucket: int, outcomes: Sequence[Outcome]) -> Part:
    """Write a bucket's part, holding exactly these shapes, and remove the parts it replaces.

    Raises:
        ShapesysError: the store cannot be written to, e.g. because the disk is full.
    """
    ordered = sorted(outcomes, key=lambda outcome: outcome.id)
    part = Part(bucket, part_key(_entry(outcome) for outcome in ordered))
    replaced = [old for old in committed_parts(folder, bucket) if old != part]
    for view, chunk in sample_files(manifest):
        tables = (outcome.table(view, chunk) for outcome in ordered)
        folder.write(part.file(view, chunk), encode(VIEWS[view], _present(tables)))
    for view, rows in (
        ("rejected", [outcome.rejection for outcome in ordered]),
        (COMMIT_VIEW, [outcome.shape for outcome in ordered]),
    ):
        folder.write(part.file(view), encode(VIEWS[view], [_small_table(view, rows)]))
    for old in replaced:
        remove_part(folder, manifest, old)
    return part


def sample_files(manifest: Manifest) -> Iterator[tuple[str, int | None]]:
    """(view, chunk) of every samples file of a part."""
    for view in manifest.views:
        if VIEWS[view].chunked:
            yield from ((view, chunk) for chunk in range(manifest.chunks[view][0]))
        else:
            yield view, None


def remove_part(folder: Folder, manifest: Manifest, part: Part) -> None:
    """Remove a part, its commit record first, so that what is left is never taken for a whole part."""
    folder.remove(part.file(COMMIT_VIEW))
    folder.remove(part.file("rejected"))
    for view, chunk in sample_files(manifest):
        folder.remove(part.file(view, chunk))


def sweep(store: Store) -> list[str]:
    """Remove files that no committed part owns: leftovers of killed runs. Returns their names.

    No other process may be preparing the same store.
    """
    owners = {None, *store.parts}
    orphans = [name for name in store.folder.names() if leftover(name) or Part.of_file(name) not in owners]
    # Commit records first: what they name must not outlive them as a whole part that lacks files.
    for name in sorted(orphans, key=lambda name: not name.startswith(f"{COMMIT_VIEW}/")):
        store.folder.remove(name)
    return orphans


def _entry(outcome: Outcome) -> tuple[str, ...]:
    rejection = outcome.rejection
    lost = "" if rejection is None else f"{','.join(rejection['views']) or 'all'}:{rejection['stage']}"
    return outcome.id, outcome.digest, lost


def _present(tables: Iterable[pa.Table | None]) -> Iterator[pa.Table]:
    return (table for table in tables if table is not None)


def _small_table(view: str, rows: Sequence[Row | None]) -> pa.Table:
    tables = [row_table(VIEWS[view], row) for row in rows if row is not None]
    return pa.concat_tables([VIEWS[view].schema.empty_table(), *tables]).combine_chunks()
