"""One folder on any filesystem: local, in memory, S3 and whatever else fsspec speaks."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import fs as arrow_fs

from shapesys.errors import ShapesysError, missing_extra

Bytes = NDArray[np.uint8]

_CACHED = ("s3", "s3a", "gs", "gcs", "abfs")
_LOCK = ".lock"
_PART = ".part"
"""Ending of a local file that is still being written."""


@dataclass(frozen=True)
class Folder:
    """A folder named by a local path or a URL such as ``s3://bucket/store`` or ``memory://store``.

    Only the name travels by pickle; each process opens its own connection. Credentials and endpoints come from the
    environment, as fsspec documents for each protocol.
    """

    url: str

    def __post_init__(self) -> None:
        if "://" not in self.url:
            object.__setattr__(self, "url", str(Path(self.url).expanduser().resolve()))

    def __reduce__(self) -> tuple[type[Folder], tuple[str]]:
        return Folder, (self.url,)

    @property
    def is_local(self) -> bool:
        return "://" not in self.url

    @cached_property
    def _opened(self) -> tuple[arrow_fs.FileSystem, str]:
        """The pyarrow filesystem and this folder's path on it."""
        if self.is_local:
            return arrow_fs.LocalFileSystem(), self.url
        return _open_fsspec(self.url)

    @property
    def filesystem(self) -> arrow_fs.FileSystem:
        """The pyarrow filesystem that `path` is valid on, for readers that take one."""
        return self._opened[0]

    def path(self, name: str = "") -> str:
        """The path of a file of this folder, '/'-separated `name` relative to it, on `filesystem`."""
        root = self._opened[1]
        return f"{root}/{name}" if name else root

    def exists(self, name: str) -> bool:
        info = self.filesystem.get_file_info(self.path(name))
        return bool(info.type == arrow_fs.FileType.File)

    def names(self, below: str = "") -> dict[str, int]:
        """Relative name -> modification time in ns of every file below a subfolder, sorted by name."""
        selector = arrow_fs.FileSelector(self.path(below), recursive=True, allow_not_found=True)
        infos = [info for info in self.filesystem.get_file_info(selector) if info.type == arrow_fs.FileType.File]
        prefix = len(self.path().lstrip("/")) + 1
        found = {info.path.lstrip("/")[prefix:]: info.mtime_ns or 0 for info in infos}
        return dict(sorted(found.items()))

    def starting(self, start: str) -> list[str]:
        """Relative names of the files that start with `start`, ``subfolder/first letters``, sorted.

        Files beside them cost next to nothing: local ones are not looked at, and object stores do not list them.
        """
        below, _, first = start.rpartition("/")
        if self.is_local:
            return sorted(f"{below}/{name}" for name in _listed(self.path(below)) if name.startswith(first))
        handler = getattr(self.filesystem, "handler", None)
        if self.url.split("://", 1)[0] not in _CACHED or handler is None:
            return [name for name in self.names(below) if name.startswith(start)]
        length = len(self.path().lstrip("/")) + 1
        found = handler.fs.find(self.path(below), prefix=first)
        return sorted(name for name in (path.lstrip("/")[length:] for path in found) if name.startswith(start))

    def read(self, name: str) -> bytes:
        """A file's bytes.

        Raises:
            FileNotFoundError: there is no such file.
        """
        with self.filesystem.open_input_file(self.path(name)) as file:
            return bytes(file.read())

    def write(self, name: str, data: bytes | pa.Buffer) -> None:
        """Put a whole file, so that a reader sees all of it or nothing.

        Raises:
            ShapesysError: the disk is full, or the place cannot be written to.
        """
        try:
            if self.is_local:
                _write_local(Path(self.path(name)), data)
            else:
                self._write_remote(name, data)
        except OSError as error:
            raise self._write_error(name, error) from error

    def _write_remote(self, name: str, data: bytes | pa.Buffer) -> None:
        self.filesystem.create_dir(self.path(name).rpartition("/")[0], recursive=True)
        with self.filesystem.open_output_stream(self.path(name)) as stream:
            stream.write(data)

    def _write_error(self, name: str, error: OSError) -> ShapesysError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT) and self.is_local:
            free = shutil.disk_usage(_nearest_existing(Path(self.url))).free
            return ShapesysError(
                f"no space left to write {self.path(name)} ({free / 2**30:.2f} GiB free); free some space and run the "
                "same command again: what is prepared stays prepared"
            )
        return ShapesysError(f"cannot write {name} to {self.url}: {error.strerror or error}")

    def remove(self, name: str) -> None:
        """Delete a file; one that is already gone is fine."""
        try:
            self.filesystem.delete_file(self.path(name))
        except FileNotFoundError:
            return

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other writers out, where the filesystem is local and can lock; the lock dies with the process.

        Raises:
            ShapesysError: another process holds it.
        """
        if not self.is_local:
            yield
            return
        with Path(self.path(_LOCK)).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ShapesysError(f"another process is writing to {self.url}; wait for it, or end it") from None
            except OSError:
                # Some network filesystems cannot lock; there, as on object stores, one writer at a time is a promise.
                pass
            yield

    def view(self, name: str) -> Bytes | None:
        """A local file mapped into memory, as (bytes,) uint8; None where the filesystem cannot map."""
        return np.memmap(self.path(name), dtype=np.uint8, mode="r") if self.is_local else None


def leftover(name: str) -> bool:
    """Whether a file name is that of an interrupted write."""
    return name.endswith(_PART)


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - of many names, a Path for each would cost more than the listing
    except FileNotFoundError:
        return []


def _write_local(path: Path, data: bytes | pa.Buffer) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}{_PART}")
    try:
        part.write_bytes(memoryview(data))
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _nearest_existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _open_fsspec(url: str) -> tuple[arrow_fs.FileSystem, str]:
    import fsspec

    protocol = url.split("://", 1)[0]
    try:
        # Stores grow between listings, so that a cached one would be wrong.
        options: dict[str, Any] = {"use_listings_cache": False} if protocol in _CACHED else {}
        filesystem, path = fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        if protocol in ("s3", "s3a"):
            raise missing_extra("s3fs", "s3", f"reading {url}") from error
        raise ShapesysError(f"cannot open {url}: {error}") from error
    except ValueError as error:
        raise ShapesysError(f"cannot open {url}: {error}") from error
    return arrow_fs.PyFileSystem(arrow_fs.FSSpecHandler(filesystem)), str(path).rstrip("/")
