"""What sources in the layouts of Occupancy Networks (Mescheder et al., CVPR 2019) and ConvONet share.

A shape is a folder of samples without a mesh. The folder of each category lists its splits in ``train.lst``,
``val.lst`` and ``test.lst``, one name a line, with empty lines among them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np

from shapesys.config.base import setting
from shapesys.geometry.formats.geometry import Limits
from shapesys.geometry.sampled_solid import SampledSolid
from shapesys.samples.seeds import stable_hash
from shapesys.sources.base import SPLITS, Census, Loaded, ShapeRef, Skipped, Split, digest_of
from shapesys.sources.cloud_files import CloudSettings, CloudSource, folder_of, listed, skipped_notes
from shapesys.sources.files import only_wanted, safe
from shapesys.sources.onet_files import Bits, Points, joined, read_queries, read_surface
from shapesys.sources.root import Root
from shapesys.sources.splits import hash_split

_LIST = re.compile(rf"^(?:.*/)?({'|'.join(SPLITS)})\.lst$")


class OnetSettings(CloudSettings):
    """Settings of sources in the layouts of Occupancy Networks. A category's lists are its split where it has any."""

    val_fraction: float = setting(
        0.0, ge=0.0, lt=1.0, help="share held out for validation, of categories without lists"
    )
    test_fraction: float = setting(0.2, ge=0.0, lt=1.0, help="share held out for testing, of categories without lists")
    jitter: float = setting(
        1e-4,
        ge=0.0,
        help="standard deviation of what is added to queries stored in half precision, as the released loaders do to "
        "break symmetry; 0: nothing",
    )


@dataclass(frozen=True)
class OnDisk:
    """The files of a shape: those of its queries, then as many of its surface; or why it cannot be used."""

    files: tuple[str, ...] = ()
    reason: str = ""


Models = Mapping[str, Mapping[str, OnDisk]]
"""Category's folder, with a slash at its end -> name of a shape -> what is there of it."""
Lists = Mapping[str, Mapping[str, list[Split]]]
"""The same -> name of a shape -> the splits whose lists name it; without folders that hold no list."""


class OnetSource(CloudSource):
    """A source whose locator is ``{"files": [those of queries, as many of surfaces]}``.

    Attributes:
        labelled: whether the files of surfaces have ``semantics``.
        absent: why a shape that lists name, and the disk lacks, is left out.
        unlisted: why one is left out that no list names.
    """

    gives: ClassVar[type[Loaded]] = SampledSolid
    settings: OnetSettings
    labelled: ClassVar[bool] = False
    absent: ClassVar[str] = "in {lists}, not on disk"
    unlisted: ClassVar[str] = "in none of train.lst, val.lst and test.lst"

    def load(self, ref: ShapeRef) -> SampledSolid:
        files, limits = ref.locator["files"], self.settings.limits
        half = len(files) // 2
        queries = [self._queries(ref, path) for path in files[:half]]
        clouds = [read_surface(self._read(path), path, limits, self.labelled) for path in files[half:]]
        points, inside = (np.concatenate(parts) for parts in zip(*queries, strict=True))
        return SampledSolid(points, inside, joined(clouds))

    def digest(self, ref: ShapeRef) -> str:
        """Over names and bytes of the shape's files, and the jitter."""
        return digest_of(f"jitter {self.settings.jitter}", super().digest(ref))

    def _queries(self, ref: ShapeRef, path: str) -> tuple[Points, Bits]:
        """Jittered by the shape and the file's name, whatever other files are read."""
        seed = stable_hash(f"{ref.id}:{path.rpartition('/')[2]}")
        return read_queries(self._read(path), path, self.settings.limits, self.settings.jitter, seed)

    def _census(self, paths: Iterable[str], models: Models, category_of: Callable[[str], str | None]) -> Census:
        """What is on disk, and what lists name besides.

        Args:
            paths: every file of the root.
            category_of: the category of a folder that holds lists; None where it is no category's.
        """
        lists = read_lists(self.root, paths)
        names = {folder: name for folder in {*models, *lists} if (name := category_of(folder)) is not None}
        names = self._wanted(names)
        entries: list[ShapeRef | Skipped] = []
        for folder, category in names.items():
            on_disk, splits = models.get(folder, {}), lists.get(folder)
            entries += [self._entry(category, model, found, splits) for model, found in on_disk.items()]
            entries += [
                Skipped(_id(category, model), "split", self.absent.format(lists=_in_words(named)))
                for model, named in (splits or {}).items()
                if model not in on_disk
            ]
        shapes = [entry for entry in entries if isinstance(entry, ShapeRef)]
        skipped = [entry for entry in entries if isinstance(entry, Skipped)]
        hashed = sorted({category for folder, category in names.items() if folder not in lists})
        notes = [f"no lists of {', '.join(hashed)}: split by a hash of the name"] if hashed else []
        return Census.of(shapes, skipped, [*notes, *skipped_notes(skipped, "shapes")])

    def _wanted(self, names: Mapping[str, str]) -> dict[str, str]:
        """Those of folder -> category that are asked for, by the name of either."""
        known = {name for folder, category in names.items() for name in (category, _last(folder))}
        wanted = only_wanted(self.settings.categories, known)
        return {folder: category for folder, category in names.items() if {category, _last(folder)} & wanted}

    def _entry(
        self, category: str, model: str, found: OnDisk, lists: Mapping[str, list[Split]] | None
    ) -> ShapeRef | Skipped:
        shape = _id(category, model)
        if found.reason:
            return Skipped(shape, "census", found.reason)
        splits = [self._hashed(model)] if lists is None else lists.get(model, [])
        if len(splits) != 1:
            return Skipped(shape, "split", f"in {_in_words(splits)} at once" if splits else self.unlisted)
        return ShapeRef(shape, category, splits[0], self.name, {"files": list(found.files)})

    def _hashed(self, model: str) -> Split:
        settings = self.settings
        return hash_split(model, settings.val_fraction, settings.test_fraction, settings.split_seed)


def read_lists(root: Root, paths: Iterable[str]) -> Lists:
    """The lists among the files of a root, by the folders that hold them."""
    found: dict[str, defaultdict[str, list[Split]]] = {}
    for path in paths:
        if (match := _LIST.match(path)) is None:
            continue
        of_folder = found.setdefault(folder_of(path), defaultdict(list))
        for model in dict.fromkeys(listed(root.read(path, Limits()))):
            of_folder[model].append(cast(Split, match[1]))
    return found


def _id(category: str, model: str) -> str:
    return f"{category}/{safe(model)}"


def _last(folder: str) -> str:
    """The name of a folder ``a/b/``."""
    return folder.rstrip("/").rpartition("/")[2]


def _in_words(splits: Collection[Split]) -> str:
    return " and ".join(f"{split}.lst" for split in SPLITS if split in splits)
