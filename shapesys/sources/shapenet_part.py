"""ShapeNet Part with normals (Yi et al., 2016): ``shapenetcore_partanno_segmentation_benchmark_v0_normal``.

``<synset>/<id>.txt`` has rows ``x y z nx ny nz label`` with labels numbered through all categories;
``train_test_split/shuffled_{train,val,test}_file_list.json`` is the split. Clouds have 2,616 points on average, some
fewer than 2,048.
"""

from __future__ import annotations

import json
from typing import ClassVar

from shapesys.config.base import setting
from shapesys.errors import ShapeRejected, ShapesysError
from shapesys.geometry.cloud import Cloud, checked
from shapesys.geometry.cloud_io import unit_normals
from shapesys.geometry.formats.geometry import Limits
from shapesys.sources.base import SPLITS, Census, ShapeRef, Skipped, Split
from shapesys.sources.cloud_files import (
    CloudSettings,
    CloudSource,
    count_notes,
    folder_of,
    locate,
    number_table,
    skipped_notes,
)
from shapesys.sources.files import safe
from shapesys.sources.shapenet_part_labels import BY_NAME, BY_SYNSET, PUBLISHED

LIST = "shuffled_{split}_file_list.json"


class ShapeNetPartSettings(CloudSettings):
    """Settings of the source `shapenet_part`. The official lists are the split."""

    val_fraction: float = setting(0.0, ge=0.0, le=0.0, help="always 0: a list has the validation shapes")


class ShapeNetPartSource(CloudSource):
    """ShapeNet Part with normals, from text; labels are those of the category's parts, from 0."""

    name: ClassVar[str] = "shapenet_part"
    Settings: ClassVar[type[ShapeNetPartSettings]] = ShapeNetPartSettings

    def census(self) -> Census:
        present = set(self.root.paths())
        entries = [self._entry(line, split, present) for split in SPLITS for line in self._list(split, present)]
        shapes = [entry for entry in entries if isinstance(entry, ShapeRef)]
        skipped = [entry for entry in entries if isinstance(entry, Skipped)]
        notes = [*count_notes(shapes, PUBLISHED, "the release"), *skipped_notes(skipped)]
        return Census.of(self._of_wanted(shapes), skipped, notes)

    def load(self, ref: ShapeRef) -> Cloud:
        table = number_table(self._read(ref.locator["files"][0]), 7, self.settings.limits)
        labels = BY_NAME[ref.category].local(table[:, 6])
        return checked(Cloud(table[:, :3], unit_normals(table[:, 3:6]), labels=labels))

    def part_names(self, category: str) -> tuple[str, ...]:
        return BY_NAME[category].parts if category in BY_NAME else ()

    def _list(self, split: Split, paths: set[str]) -> list[tuple[str, str]]:
        """(folder of the release, entry) for each line of an official list."""
        name = LIST.format(split=split)
        path = locate(paths, name)
        if path is None:
            raise ShapesysError(
                f"no {name} under '{self.settings.root}': expected train_test_split/{name} beside <synset>/<id>.txt, "
                "as in the unpacked shapenetcore_partanno_segmentation_benchmark_v0_normal.zip"
            )
        try:
            entries = json.loads(self.root.read(path, Limits()))
            if not isinstance(entries, list):
                raise ValueError("not a list")
        except (ShapeRejected, ValueError) as problem:
            raise ShapesysError(f"cannot read '{path}': {problem}") from None
        folder = folder_of(path).removesuffix("train_test_split/")
        return [(folder, str(entry)) for entry in entries if str(entry).strip()]

    def _entry(self, listed: tuple[str, str], split: Split, present: set[str]) -> ShapeRef | Skipped:
        folder, entry = listed
        synset, _, model = entry.removeprefix("shape_data/").partition("/")
        category = BY_SYNSET.get(synset)
        if category is None or not model:
            return Skipped(safe(entry), "census", "listed, but not as shape_data/<one of 16 synsets>/<id>")
        path, shape = f"{folder}{synset}/{model}.txt", f"{category.name}/{safe(model)}"
        if path not in present:
            return Skipped(shape, "census", "listed, not on disk")
        return ShapeRef(shape, category.name, split, self.name, {"files": [path]})
