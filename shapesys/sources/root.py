"""A read-only folder of files, local or behind any fsspec URL, listed once and read by relative path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from shapesys.errors import ShapeRejected, ShapesysError
from shapesys.geometry.formats.geometry import Fetch, Limits
from shapesys.geometry.io import beside, read_bytes, safe_relative

_JUNK = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini", "lost+found"})


@dataclass(frozen=True)
class Root:
    """Paths are relative, with forward slashes.

    Attributes:
        url: a local path, or a URL such as ``s3://bucket/meshes`` or ``memory://meshes``.
    """

    url: str

    @property
    def name(self) -> str:
        """The folder's own name."""
        return PurePosixPath(self.url.rstrip("/")).name if self._is_remote else Path(self.url).resolve().name

    @property
    def _is_remote(self) -> bool:
        return "://" in self.url

    def paths(self, skip: frozenset[str] = frozenset()) -> list[str]:
        """Every file below, sorted; a folder that offers none is listed itself, with a slash at its end.

        Hidden files, resource forks (``__MACOSX``, ``.DS_Store``, ``Thumbs.db``) and folders named in `skip` are
        passed over.

        Raises:
            ShapesysError: the folder does not exist or cannot be listed.
        """
        found = self._remote_paths(skip) if self._is_remote else list(self._local_paths(skip))
        return sorted(found)

    def read(self, path: str, limits: Limits) -> bytes:
        """The bytes of a file.

        Raises:
            ShapeRejected: missing, unreadable or over the size limit.
        """
        if not self._is_remote:
            return read_bytes(Path(self.url, path), limits)
        files, base = self._filesystem()
        try:
            limits.check("bytes", int(files.info(f"{base}/{path}")["size"] or 0))
            content: bytes = files.cat_file(f"{base}/{path}")
        except OSError as error:
            raise ShapeRejected("read", f"cannot open '{path}': {error}") from None
        return content

    def open(self, path: str) -> BinaryIO:
        """A file to read in pieces; the caller closes it.

        Raises:
            ShapeRejected: missing, unreadable or not a regular file.
        """
        try:
            if self._is_remote:
                files, base = self._filesystem()
                stream: BinaryIO = files.open(f"{base}/{path}", "rb")
                return stream
            if not Path(self.url, path).is_file():
                raise ShapeRejected("read", f"cannot open '{path}': not a regular file")
            return Path(self.url, path).open("rb")
        except OSError as error:
            raise ShapeRejected("read", f"cannot open '{path}': {error.strerror or error}") from None

    def fetch_beside(self, path: str, limits: Limits) -> Fetch:
        """Reads what the file at `path` refers to, in its own folder or below."""
        if not self._is_remote:
            return beside(Path(self.url, path), limits)
        folder = PurePosixPath(path).parent
        return lambda name: self.read(str(folder / safe_relative(name)), limits)

    def _local_paths(self, skip: frozenset[str]) -> Iterator[str]:
        if not Path(self.url).is_dir():
            raise ShapesysError(f"the data root '{self.url}' is not an existing folder")
        waiting: list[tuple[str, str]] = [(self.url, "")]
        seen: set[tuple[int, int]] = set()
        while waiting:
            folder, prefix = waiting.pop()
            try:
                status = Path(folder).stat()
                entries = [entry for entry in os.scandir(folder) if _wanted(entry.name, skip)]
            except OSError as error:
                raise ShapesysError(f"cannot list the folder '{folder}': {error.strerror}") from None
            # Links to folders are followed, a folder twice is not: a link may point upward.
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            if not entries and prefix:
                yield prefix
            for entry in entries:
                if entry.is_dir():
                    waiting.append((entry.path, f"{prefix}{entry.name}/"))
                else:
                    yield f"{prefix}{entry.name}"

    def _remote_paths(self, skip: frozenset[str]) -> list[str]:
        files, base = self._filesystem()
        try:
            found = [path.removeprefix(f"{base}/") for path in files.find(base)]
        except OSError as error:
            raise ShapesysError(f"cannot list the data root '{self.url}': {error}") from None
        if not found:
            raise ShapesysError(f"the data root '{self.url}' does not exist or holds no files")
        return [path for path in found if all(_wanted(part, skip) for part in path.split("/"))]

    def _filesystem(self) -> tuple[Any, str]:
        import fsspec

        try:
            files, base = fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise ShapesysError(f"cannot open the data root '{self.url}': {error}") from None
        return files, base.rstrip("/")


def _wanted(name: str, skip: frozenset[str]) -> bool:
    return not name.startswith(".") and name not in _JUNK and name not in skip
