"""What sources that read mesh files share: settings, reading, digests and safe ids."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from shapesys.config.base import Config, setting
from shapesys.errors import ShapeRejected, unknown_name
from shapesys.geometry.formats.geometry import Limits
from shapesys.geometry.io import parse_geometry, parse_mesh
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.validation import clean
from shapesys.sources.base import ShapeRef, Source, digest_of
from shapesys.sources.root import Root

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class FileSettings(Config):
    """Settings of every source that reads mesh files."""

    root: str = setting(help="folder of the data set: a local path or an fsspec URL")
    categories: tuple[str, ...] = setting((), help="only these categories; all when empty")
    val_fraction: float = setting(0.0, ge=0.0, lt=1.0, help="share held out for validation, where no split is given")
    test_fraction: float = setting(0.2, ge=0.0, lt=1.0, help="share held out for testing, where no split is given")
    split_seed: int = setting(0, help="changes which shapes the fractions hold out")
    max_megabytes: int = setting(1024, ge=1, help="larger files are rejected unread")
    max_faces: int = setting(20_000_000, ge=1, help="meshes with more faces or vertices are rejected")

    @property
    def limits(self) -> Limits:
        return Limits(self.max_megabytes << 20, self.max_faces, self.max_faces)


class FileSource(Source):
    """A source whose locator is ``{"files": [paths relative to the root]}``: one mesh, or the parts of one shape."""

    def __init__(self, settings: FileSettings) -> None:
        self.settings = settings
        self.root = Root(settings.root)

    def load(self, ref: ShapeRef) -> Mesh:
        """The shape, cleaned; several files become one mesh whose face labels number the files in order.

        Parts are cleaned one by one, so parts that touch stay apart.

        Raises:
            ShapeRejected: it or one of its parts cannot be read or is unusable.
        """
        files = ref.locator["files"]
        if len(files) == 1 and not ref.locator.get("parts"):
            return self._mesh(files[0])
        return join_parts([self._part(path) for path in files])

    def digest(self, ref: ShapeRef) -> str:
        """SHA-256 over names and bytes of the shape's files, and of the buffers that glTF text refers to."""
        return digest_of(*(part for path in ref.locator["files"] for part in (path, *self._bytes(path))))

    def _mesh(self, path: str) -> Mesh:
        limits = self.settings.limits
        return clean(parse_mesh(self.root.read(path, limits), path, limits, self.root.fetch_beside(path, limits))).mesh

    def _part(self, path: str) -> Mesh:
        try:
            return self._mesh(path)
        except ShapeRejected as problem:
            raise ShapeRejected(problem.stage, f"part '{path}': {problem.reason}") from None

    def _bytes(self, path: str) -> list[bytes]:
        limits = self.settings.limits
        contents = [self.root.read(path, limits)]
        if path.lower().endswith(".gltf"):
            fetch = self.root.fetch_beside(path, limits)

            def remember(name: str) -> bytes:
                contents.append(fetch(name))
                return contents[-1]

            try:
                parse_geometry(contents[0], path, limits, remember)
            except ShapeRejected:
                return contents
        return contents

    def _only_wanted(self, known: set[str]) -> set[str]:
        """The categories asked for.

        Raises:
            UsageError: one that the root does not have.
        """
        return only_wanted(self.settings.categories, known)


def only_wanted(asked: Iterable[str], known: set[str]) -> set[str]:
    """The categories asked for, or all known ones where none is.

    Raises:
        UsageError: one that is not known.
    """
    wanted = set(asked)
    for name in sorted(wanted - known):
        raise unknown_name("category", name, known)
    return wanted or known


def join_parts(parts: list[Mesh]) -> Mesh:
    """One mesh from part meshes in one frame; face_labels (F,) int32 number the parts in order."""
    offsets = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    labels = np.repeat(np.arange(len(parts), dtype=np.int32), [len(part.faces) for part in parts])
    return Mesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + offset for part, offset in zip(parts, offsets, strict=True)]),
        face_labels=labels,
    )


def safe(name: str) -> str:
    """A name for ids and file names: runs of other characters than letters, digits and ``._-`` become ``_``."""
    cleaned = _UNSAFE.sub("_", name).lstrip(".")
    return cleaned or "_"
