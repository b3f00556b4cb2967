"""ModelNet40 as 10,000 points with normals in text (Qi et al., PointNet++, 2017): ``modelnet40_normal_resampled``."""

from __future__ import annotations

from typing import ClassVar, Literal

from shapesys.config.base import setting
from shapesys.errors import ShapesysError
from shapesys.geometry.cloud import Cloud, checked
from shapesys.geometry.cloud_io import unit_normals
from shapesys.geometry.formats.geometry import Limits
from shapesys.sources.base import Census, ShapeRef, Skipped, Split
from shapesys.sources.cloud_files import (
    CloudSettings,
    CloudSource,
    count_notes,
    folder_of,
    listed,
    locate,
    number_table,
    skipped_notes,
)
from shapesys.sources.files import safe

PUBLISHED: dict[str, dict[Split, int]] = {
    "modelnet40": {"train": 9843, "test": 2468},
    "modelnet10": {"train": 3991, "test": 908},
}


class ModelNet40NormalSettings(CloudSettings):
    """Settings of the source `modelnet40_normal`. The official lists are the split."""

    lists: Literal["modelnet40", "modelnet10"] = setting("modelnet40", help="which lists of the release to follow")


class ModelNet40NormalSource(CloudSource):
    """ModelNet40 as 10,000 points a shape with normals, from text.

    ``<class>/<class>_0001.txt`` has rows x,y,z,nx,ny,nz; ``modelnet40_{train,test}.txt`` list the names. The text is
    parsed once: the sample store is the cache.
    """

    name: ClassVar[str] = "modelnet40_normal"
    Settings: ClassVar[type[ModelNet40NormalSettings]] = ModelNet40NormalSettings
    settings: ModelNet40NormalSettings

    def census(self) -> Census:
        present = set(self.root.paths())
        lists = self._lists(present)
        entries = [self._entry(name, split, folder, present) for split, folder, names in lists for name in names]
        shapes = [entry for entry in entries if isinstance(entry, ShapeRef)]
        skipped = [entry for entry in entries if isinstance(entry, Skipped)]
        which = self.settings.lists
        notes = [*count_notes(shapes, PUBLISHED[which], f"the release's {which}"), *skipped_notes(skipped)]
        return Census.of(self._of_wanted(shapes), skipped, notes)

    def load(self, ref: ShapeRef) -> Cloud:
        table = number_table(self._read(ref.locator["files"][0]), 6, self.settings.limits)
        return checked(Cloud(table[:, :3], unit_normals(table[:, 3:])))

    def _lists(self, paths: set[str]) -> list[tuple[Split, str, list[str]]]:
        """Split, folder of the list and its ids."""
        found: list[tuple[Split, str, list[str]]] = []
        official: tuple[Split, ...] = ("train", "test")
        for split in official:
            path = locate(paths, f"{self.settings.lists}_{split}.txt")
            if path is None:
                raise ShapesysError(
                    f"no {self.settings.lists}_{split}.txt under '{self.settings.root}': expected it beside "
                    "<class>/<class>_0001.txt, as in the unpacked modelnet40_normal_resampled.zip"
                )
            found.append((split, folder_of(path), listed(self.root.read(path, Limits()))))
        return found

    def _entry(self, name: str, official: Split, folder: str, present: set[str]) -> ShapeRef | Skipped:
        # Classes such as night_stand have an underscore themselves.
        category = name.rpartition("_")[0]
        shape, path = f"{safe(category)}/{safe(name)}", f"{folder}{category}/{name}.txt"
        if path not in present:
            return Skipped(shape, "census", "listed, not on disk")
        split: Split = "test" if official == "test" else self._train_or_val(shape)
        return ShapeRef(shape, safe(category), split, self.name, {"files": [path]})
