"""What a source of shapes promises: a cheap census first, then one shape at a time.

A source is built from its `Config` alone and travels to worker processes by pickle, so it holds no open files.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from shapesys.config.base import Config
from shapesys.errors import ShapesysError
from shapesys.geometry.cloud import Cloud
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.sampled_solid import SampledSolid
from shapesys.geometry.scan import Scan
from shapesys.sources.image import AnnotatedImage
from shapesys.sources.shape_image import ShapeImage

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

Loaded = Mesh | Cloud | Scan | SampledSolid | AnnotatedImage
"""What a source may give: a surface, bare points, a scan with the shape it shows, samples of a solid, or an image."""

Plane = tuple[float, float, float, float]
"""(nx, ny, nz, d): the points with n·x = d, n a unit vector, in the frame of the source's files."""


@dataclass(frozen=True)
class ShapeRef:
    """One shape, not yet read.

    Attributes:
        id: unique within the store, ``<category>/<name>``, made of letters, digits and ``._-`` around one slash.
        category: class name, equal to the first part of the id.
        split: one of `SPLITS`.
        source: registered name of the source that lists it.
        locator: plain JSON data that `Source.load` needs: paths relative to the root, a seed, and the like.
    """

    id: str
    category: str
    split: Split
    source: str
    locator: dict[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Skipped:
    """Something the census saw but cannot offer; it becomes a row of the rejected table."""

    id: str
    stage: str
    reason: str


@dataclass(frozen=True)
class Census:
    """Everything a source holds.

    Attributes:
        shapes: sorted by id.
        skipped: sorted by id.
        notes: remarks on the whole, e.g. a count that deviates from the published one.
    """

    shapes: tuple[ShapeRef, ...]
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, shapes: Iterable[ShapeRef], skipped: Iterable[Skipped] = (), notes: Iterable[str] = ()) -> Census:
        """Sort by id; of several shapes under one id the first given is kept and the others are skipped.

        These are listed as ``<id> (2)`` and so on: under the id itself they would take the first one's place.
        """
        kept: dict[str, ShapeRef] = {}
        claims: Counter[str] = Counter()
        clashes: list[Skipped] = []
        for shape in shapes:
            first = kept.setdefault(shape.id, shape)
            claims[shape.id] += 1
            if first is not shape:
                files, used = _files(shape), _files(first)
                reason = f"{files} has the same id '{shape.id}' as {used}, which is used; rename one of them"
                clashes.append(Skipped(f"{shape.id} ({claims[shape.id]})", "census", reason))
        left_out = sorted([*skipped, *clashes], key=lambda entry: entry.id)
        return cls(tuple(kept[name] for name in sorted(kept)), tuple(left_out), tuple(notes))

    def counts(self) -> dict[str, int]:
        """Number of shapes by split, every split named."""
        return {split: sum(shape.split == split for shape in self.shapes) for split in SPLITS}


class Source(ABC):
    """A place shapes come from. Subclasses name themselves and their settings, and are built from the settings.

    Attributes:
        gives: the class of what `load` returns, which decides the views that can be made of it.
    """

    name: ClassVar[str]
    Settings: ClassVar[type[Config]]
    gives: ClassVar[type[Loaded]] = Mesh

    @abstractmethod
    def census(self) -> Census:
        """All shapes with their splits, and all that had to be skipped, without reading any mesh.

        Raises:
            ShapesysError: nothing is found; names the root and the expected layout.
        """

    @abstractmethod
    def load(self, ref: ShapeRef) -> Loaded:
        """The shape in the frame and unit of its files.

        Raises:
            ShapeRejected: it cannot be read or is unusable.
        """

    @abstractmethod
    def digest(self, ref: ShapeRef) -> str:
        """Hex digest that changes exactly when `load` would return something else.

        Raises:
            ShapeRejected: the shape's files cannot be read.
        """

    @property
    def gives_images(self) -> bool:
        """Whether it has pictures of its shapes; those of others are rendered from their meshes."""
        return False

    def images(self, ref: ShapeRef, count: int) -> list[ShapeImage]:
        """The first `count` pictures of a shape, of a source that `gives_images`; not yet decoded.

        Raises:
            ShapeRejected: there are fewer, or what belongs to them cannot be read.
            ShapesysError: the source gives none.
        """
        raise ShapesysError(f"source '{self.name}' gives no pictures")

    def symmetry_plane(self, ref: ShapeRef) -> Plane | None:
        """The mirror plane that the shape is built around, where it is known; reads no file."""
        return None

    def part_names(self, category: str) -> tuple[str, ...]:
        """What the labels of a category's faces or points mean: label k is name k; empty where they have no meaning.

        The same names, in the same order, for every shape of the category; reads no file.
        """
        return ()

    def shapes(self) -> list[ShapeRef]:
        """The census's shapes, sorted by id."""
        return list(self.census().shapes)

    def skipped(self) -> list[Skipped]:
        """What the census had to leave out, with reasons."""
        return list(self.census().skipped)


def _files(shape: ShapeRef) -> str:
    """What a shape is read from, in words: its locator's values, since these are paths, rows or a seed."""
    values = [one for value in shape.locator.values() for one in (value if isinstance(value, list) else [value])]
    return ", ".join(f"'{value}'" for value in values)


def digest_of(*parts: bytes | str) -> str:
    """SHA-256 over the parts with their lengths, so that no two part lists collide by concatenation."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "little"))
        total.update(data)
    return total.hexdigest()
