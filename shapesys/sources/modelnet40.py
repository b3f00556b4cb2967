"""ModelNet40 and ModelNet10 as published: ``<class>/{train,test}/<class>_0001.off`` (Wu et al., CVPR 2015)."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath
from typing import ClassVar

from shapesys.config.base import setting
from shapesys.errors import ShapesysError
from shapesys.sources.base import Census, ShapeRef, Skipped, Split
from shapesys.sources.files import FileSettings, FileSource, safe
from shapesys.sources.splits import hash_split

PUBLISHED = {40: {"train": 9843, "test": 2468}, 10: {"train": 3991, "test": 908}}
"""Files of the official releases by number of classes."""


class ModelNet40Settings(FileSettings):
    """Settings of the source `modelnet40`. The official train and test folders are the split."""

    val_fraction: float = setting(0.0, ge=0.0, lt=1.0, help="share of the training shapes held out to validate")
    test_fraction: float = setting(0.0, ge=0.0, le=0.0, help="always 0: the test folders are the test split")


class ModelNet40Source(FileSource):
    """The OFF tree, at the root or one folder below it, resource forks of the archive included.

    Classes with an underscore (``night_stand_0001.off``) are split from the right. Headers glued to their counts and
    polygons are the OFF reader's business. Shapes share neither unit nor facing direction, so no symmetry plane is
    known.
    """

    name: ClassVar[str] = "modelnet40"
    Settings: ClassVar[type[ModelNet40Settings]] = ModelNet40Settings
    settings: ModelNet40Settings

    def census(self) -> Census:
        shapes: list[ShapeRef] = []
        skipped: list[Skipped] = []
        for path in self.root.paths():
            found = self._shape(path)
            if isinstance(found, ShapeRef):
                shapes.append(found)
            elif found is not None:
                skipped.append(found)
        if not shapes:
            raise ShapesysError(
                f"no ModelNet shapes under '{self.settings.root}': expected <class>/train/<class>_0001.off and "
                "<class>/test/..., as in the unpacked ModelNet40.zip"
            )
        wanted = self._only_wanted({shape.category for shape in shapes})
        notes = _deviations(shapes)
        return Census.of([shape for shape in shapes if shape.category in wanted], skipped, notes)

    def _shape(self, path: str) -> ShapeRef | Skipped | None:
        parts = PurePosixPath(path).parts
        if not path.lower().endswith(".off"):
            return None
        if len(parts) < 3 or parts[-2] not in ("train", "test"):
            return Skipped(path, "census", "not in a folder <class>/train or <class>/test")
        category, official, name = parts[-3], parts[-2], PurePosixPath(path).stem
        if name.rpartition("_")[0] != category:
            return Skipped(path, "census", f"'{name}' in the folder of class '{category}', not {category}_<number>")
        shape = f"{safe(category)}/{safe(name)}"
        split: Split = "test" if official == "test" else self._train_or_val(shape)
        return ShapeRef(shape, safe(category), split, self.name, {"files": [path]})

    def _train_or_val(self, shape: str) -> Split:
        return hash_split(shape, self.settings.val_fraction, 0.0, self.settings.split_seed)


def _deviations(shapes: list[ShapeRef]) -> list[str]:
    """A note where the counts differ from those of the official release with as many classes."""
    classes = len({shape.category for shape in shapes})
    counts = Counter("test" if shape.split == "test" else "train" for shape in shapes)
    published = PUBLISHED.get(classes)
    if published is None:
        return [f"{classes} classes found; ModelNet40 has 40 and ModelNet10 has 10"]
    if counts == published:
        return []
    return [
        f"{counts['train']} training and {counts['test']} test shapes found; ModelNet{classes} has "
        f"{published['train']} and {published['test']}"
    ]
