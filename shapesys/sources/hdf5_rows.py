"""Clouds in the rows of HDF5 files, 2,048 clouds a file: opened read-only, one row read at a time, closed again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import ShapeRejected, missing_extra
from shapesys.geometry.formats.geometry import Limits
from shapesys.geometry.formats.text import whole_numbers
from shapesys.sources.base import ShapeRef, Skipped, digest_of
from shapesys.sources.cloud_files import CloudSource, listed, locate
from shapesys.sources.root import Root

Rows = dict[str, NDArray[np.generic]]

MOST_CLOUDS = 10_000_000
"""Of one file. Rows that were never written take no space in it: a few kilobytes may claim any number."""


class Hdf5Source(CloudSource):
    """A source of clouds whose locator is ``{"files": [path], "row": number}``.

    Attributes:
        columns: name of a data set -> the shape of one row after the number of points, e.g. ``{"data": (3,)}``.
        optional: names among `columns` that a file may lack.
    """

    columns: dict[str, tuple[int, ...]]
    optional: frozenset[str] = frozenset()

    def digest(self, ref: ShapeRef) -> str:
        """SHA-256 over the file's name, the category and the row."""
        rows = self._row(ref)
        described = (part for name, row in rows.items() for part in (name, str(row.dtype), row.tobytes()))
        return digest_of(ref.locator["files"][0], ref.category, *described)

    def _row(self, ref: ShapeRef) -> Rows:
        """One row of each column that the file has.

        Raises:
            ShapeRejected: the file or the row cannot be read, or it holds something else than expected.
        """
        number = int(ref.locator["row"])
        with opened(self.root, ref.locator["files"][0]) as file:
            names = [name for name in self.columns if name in file or name not in self.optional]
            return {name: _row(file, name, number, self.columns[name], self.settings.limits) for name in names}


@contextmanager
def opened(root: Root, path: str) -> Iterator[Any]:
    """An `h5py.File`, read-only; nothing stays open, so that the source can travel to another process.

    Raises:
        ShapesysError: h5py is not installed.
        ShapeRejected: the file, or what is asked of it, cannot be read.
    """
    try:
        import h5py
    except ImportError:
        raise missing_extra("h5py", "hdf5", "reading HDF5 files") from None
    with root.open(path) as stream:
        try:
            with h5py.File(stream, "r") as file:
                yield file
        except ShapeRejected:
            raise
        except Exception as error:
            raise ShapeRejected("read", f"malformed HDF5 '{path}': {error}") from None


def dataset(file: Any, name: str) -> Any:
    """A data set whose numbers lie in this file; HDF5 can refer to any other file of the machine.

    Raises:
        ShapeRejected: missing, elsewhere, or no numbers.
    """
    import h5py

    if name not in file:
        raise ShapeRejected("read", f"no data set '{name}' in the HDF5 file (it has {', '.join(file) or 'none'})")
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise ShapeRejected("read", f"data set '{name}' is a link; only data of the file itself are read")
    found = file[name]
    if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "fiu":
        raise ShapeRejected("read", f"'{name}' of the HDF5 file is no data set of numbers")
    if found.is_virtual or found.external is not None:
        raise ShapeRejected("read", f"data set '{name}' lies in other files; only data of the file itself are read")
    return found


def rows_by_category(root: Root, path: str, names: Sequence[str]) -> tuple[list[tuple[int, str]], list[Skipped]]:
    """(row, category) for every cloud of a file, where label k means name k; reads no points.

    A file that cannot be read and a label without a name are skipped.
    """
    try:
        labels = _class_labels(root, path)
    except ShapeRejected as problem:
        return [], [Skipped(path, problem.stage, problem.reason)]
    rows = [(row, names[label]) for row, label in enumerate(labels) if 0 <= label < len(names)]
    wrong = [(row, label) for row, label in enumerate(labels) if not 0 <= label < len(names)]
    return rows, [
        Skipped(f"{path}:{row}", "census", f"class label {label}, but there are {len(names)} class names")
        for row, label in wrong
    ]


def absent_files(root: Root, paths: list[str], lists: Iterable[str]) -> list[Skipped]:
    """Files that lists of these names mention, in whatever folder, and the root lacks."""
    present = {path.rpartition("/")[2] for path in paths}
    return [
        Skipped(entry.rpartition("/")[2], "census", f"in {name}, not on disk")
        for name in lists
        if (path := locate(paths, name)) is not None
        for entry in listed(root.read(path, Limits()))
        if entry.rpartition("/")[2] not in present
    ]


def _class_labels(root: Root, path: str) -> NDArray[np.int64]:
    """(n,) class label of every cloud of a file, from its data set ``label`` (n, 1) or (n,).

    Raises:
        ShapeRejected: unreadable, or not as many labels as clouds.
    """
    with opened(root, path) as file:
        clouds, labels = dataset(file, "data"), dataset(file, "label")
        count = labels.shape[0] if labels.shape in ((labels.size,), (labels.size, 1)) else -1
        if labels.size > MOST_CLOUDS:
            raise ShapeRejected("read", f"'{path}' claims {labels.size} class labels, more than {MOST_CLOUDS}")
        if not clouds.ndim or count != clouds.shape[0]:
            raise ShapeRejected("read", f"'{path}': labels of shape {labels.shape} for clouds of shape {clouds.shape}")
        return whole_numbers(np.asarray(labels[()], dtype=np.float64).reshape(-1), "class label")


def _row(file: Any, name: str, number: int, tail: tuple[int, ...], limits: Limits) -> NDArray[np.generic]:
    found = dataset(file, name)
    if found.ndim != 2 + len(tail) or found.shape[2:] != tail:
        expected = ", ".join(("clouds", "points", *map(str, tail)))
        raise ShapeRejected("read", f"data set '{name}' has shape {found.shape}; expected ({expected})")
    if number >= found.shape[0]:
        raise ShapeRejected("read", f"row {number} of data set '{name}' with {found.shape[0]} rows")
    limits.check("vertices", found.shape[1])
    return np.asarray(found[number])
