"""What sources of point clouds share: settings, reading, digests, split lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from shapesys.config.base import Config, setting
from shapesys.errors import ShapeRejected, ShapesysError
from shapesys.geometry.cloud import Cloud
from shapesys.geometry.formats.geometry import Limits
from shapesys.geometry.formats.text import number_rows
from shapesys.geometry.io import read_bytes
from shapesys.geometry.mesh import Floats
from shapesys.geometry.placement import Placement
from shapesys.sources.base import SPLITS, Loaded, ShapeRef, Skipped, Source, Split, digest_of
from shapesys.sources.files import only_wanted
from shapesys.sources.root import Root
from shapesys.sources.splits import hash_split


class CloudSettings(Config):
    """Settings of every source that reads point clouds."""

    root: str = setting(help="folder of the data set: a local path or an fsspec URL")
    categories: tuple[str, ...] = setting((), help="only these categories; all when empty")
    val_fraction: float = setting(0.0, ge=0.0, lt=1.0, help="share of the training shapes held out to validate")
    split_seed: int = setting(0, help="changes which shapes the fractions hold out")
    max_megabytes: int = setting(1024, ge=1, help="larger files are rejected unread")
    max_points: int = setting(20_000_000, ge=1, help="clouds with more points are rejected")

    @property
    def limits(self) -> Limits:
        return Limits(self.max_megabytes << 20, self.max_points, self.max_points)


class ScanSettings(CloudSettings):
    """Of sources whose files stand with z up."""

    up: Literal["y", "z"] = setting(
        "z",
        help="the axis that points up: z as in the files, or y as of rooms that networks learn; turned, not mirrored",
    )

    def stood(self, cloud: Cloud) -> Cloud:
        """The cloud of a file, as it is to stand."""
        if self.up == "z":
            return cloud
        placed = Placement("z").about(cloud.points)
        normals = None if cloud.normals is None else placed.directions(cloud.normals)
        return replace(cloud, points=placed.apply(cloud.points), normals=normals)

    def stated(self) -> tuple[str, ...]:
        """What a digest says of that."""
        return () if self.up == "z" else (f"{self.up} up",)


class CloudSource(Source):
    """A source of clouds whose locator has ``{"files": [paths relative to the root]}``."""

    gives: ClassVar[type[Loaded]] = Cloud

    def __init__(self, settings: CloudSettings) -> None:
        self.settings = settings
        self.root = Root(settings.root)

    def digest(self, ref: ShapeRef) -> str:
        """SHA-256 over names and bytes of the shape's files."""
        return digest_of(*(part for path in ref.locator["files"] for part in (path, self._read(path))))

    def _read(self, path: str) -> bytes:
        return self.root.read(path, self.settings.limits)

    def _train_or_val(self, key: str) -> Split:
        return hash_split(key, self.settings.val_fraction, 0.0, self.settings.split_seed)

    def _of_wanted(self, shapes: Iterable[ShapeRef]) -> list[ShapeRef]:
        """The shapes of the categories asked for.

        Raises:
            UsageError: a category that the root does not have.
        """
        found = list(shapes)
        wanted = only_wanted(self.settings.categories, {shape.category for shape in found})
        return [shape for shape in found if shape.category in wanted]


def number_table(data: bytes, width: int, limits: Limits) -> Floats:
    """(n, width) numbers from text with a point per line, separated by spaces or commas.

    Control characters count as spaces: one such byte is known to stand between two numbers of S3DIS.

    Raises:
        ShapeRejected: stage "read": a row of another length, or something that is not a number.
    """
    try:
        rows = number_rows(data.translate(_SEPARATORS))
        odd = np.flatnonzero(rows.lengths != width)
        if len(odd):
            raise ValueError(f"row {odd[0] + 1} has {rows.lengths[odd[0]]} numbers, expected {width}")
    except ValueError as error:
        raise ShapeRejected("read", f"malformed text: {error}") from None
    if not len(rows):
        raise ShapeRejected("read", "no points")
    limits.check("vertices", len(rows))
    return rows.columns(width, "row")


_SEPARATORS = bytes(32 if (code < 32 and code not in b"\r\n") or code == ord(",") else code for code in range(256))


def listed(data: bytes) -> list[str]:
    """The entries of a list file, one per line; published lists hold empty lines."""
    return [line.strip() for line in data.decode("utf-8-sig", "replace").splitlines() if line.strip()]


def split_lists(root: Root, paths: Iterable[str], name: str, folder: str = "") -> dict[str, Split]:
    """Entry -> split, from official lists; empty where there is none.

    Args:
        name: of a list, such as ``scenes_{split}.txt``; a split may lack one.
        folder: where the lists are; the root is searched where it is empty.

    Raises:
        ShapesysError: the folder holds none.
    """
    paths = list(paths)
    found: dict[str, Split] = {}
    for split in SPLITS:
        wanted = name.format(split=split)
        own = Path(folder, wanted) if folder else None
        if own is not None and own.is_file():
            found |= dict.fromkeys(listed(read_bytes(own)), split)
        elif own is None and (path := locate(paths, wanted)) is not None:
            found |= dict.fromkeys(listed(root.read(path, Limits())), split)
    if folder and not found:
        raise ShapesysError(f"no {name.format(split='train')} or {name.format(split='val')} in '{folder}'")
    return found


def locate(paths: Iterable[str], name: str) -> str | None:
    """The path of the file with this name, the one nearest to the root; None where there is none."""
    found = [path for path in paths if path.rpartition("/")[2] == name]
    return min(found, key=lambda path: (path.count("/"), path), default=None)


def folder_of(path: str) -> str:
    """The folder of a path, with a slash at its end; empty for the root itself."""
    return "".join(path.rpartition("/")[:2])


def count_notes(shapes: Iterable[ShapeRef], published: dict[Split, int], release: str) -> list[str]:
    """A note where the counts differ from those of the official release."""
    counts = Counter(shape.split for shape in shapes)
    if published.get("val", 0) == 0:
        counts = Counter({"train": counts["train"] + counts["val"], "test": counts["test"]})
    if counts == Counter(published):
        return []
    found = ", ".join(f"{counts[split]} {split}" for split in published)
    official = ", ".join(f"{count} {split}" for split, count in published.items())
    return [f"clouds found: {found}; {release} has {official}"]


def skipped_notes(skipped: Iterable[Skipped], what: str = "clouds") -> list[str]:
    """How many were left out, by reason."""
    reasons = Counter(entry.reason for entry in skipped)
    return [f"{count} {what} left out: {reason}" for reason, count in reasons.most_common()]
