"""ModelNet40 as 2,048 points a shape in HDF5 (Qi et al., PointNet, 2017): ``modelnet40_ply_hdf5_2048``.

The clouds have zero mean, lie in the unit sphere and have y up. The release has 9,840 training clouds, three fewer than
the meshes, and 2,468 test clouds.
"""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath
from typing import ClassVar

import numpy as np

from shapesys.errors import ShapeRejected, ShapesysError
from shapesys.geometry.cloud import Cloud, checked
from shapesys.geometry.cloud_io import unit_normals
from shapesys.geometry.formats.geometry import Limits
from shapesys.sources.base import Census, ShapeRef, Split
from shapesys.sources.cloud_files import CloudSettings, count_notes, folder_of, listed, locate
from shapesys.sources.files import safe
from shapesys.sources.hdf5_rows import Hdf5Source, absent_files, rows_by_category

PUBLISHED: dict[Split, int] = {"train": 9840, "test": 2468}
NAMES_FILE = "shape_names.txt"

_FILE = re.compile(r"^(?:.*/)?ply_data_(train|test)_?(\d+)\.h5$")


class ModelNet40Hdf5Settings(CloudSettings):
    """Settings of the source `modelnet40_hdf5`. The official test files are the test split."""


class ModelNet40Hdf5Source(Hdf5Source):
    """ModelNet40 as 2,048 points a shape, from HDF5.

    Clouds have their ModelNet names where ``ply_data_*_id2file.json`` tells them; elsewhere they are numbered by file
    and row.
    """

    name: ClassVar[str] = "modelnet40_hdf5"
    Settings: ClassVar[type[ModelNet40Hdf5Settings]] = ModelNet40Hdf5Settings
    columns = {"data": (3,), "normal": (3,)}
    optional = frozenset({"normal"})

    def census(self) -> Census:
        """Reads the class labels of every file, no points."""
        paths = self.root.paths()
        files = sorted((match for path in paths if (match := _FILE.match(path))), key=_file_order)
        if not files:
            raise ShapesysError(
                f"no ModelNet40 in HDF5 under '{self.settings.root}': expected ply_data_train0.h5, ply_data_test0.h5, "
                f"... and {NAMES_FILE}, as in the unpacked modelnet40_ply_hdf5_2048.zip"
            )
        names = self._class_names(paths)
        shapes: list[ShapeRef] = []
        skipped = absent_files(self.root, paths, ("train_files.txt", "test_files.txt"))
        notes: list[str] = []
        for match in files:
            rows, unusable = rows_by_category(self.root, match[0], names)
            ids, about_ids = self._ids(match, len(rows) + len(unusable), paths)
            shapes += [self._shape(match, row, category, ids[row]) for row, category in rows]
            skipped += unusable
            notes += about_ids if rows else []
        notes += count_notes(shapes, PUBLISHED, "the release")
        return Census.of(self._of_wanted(shapes), skipped, notes)

    def load(self, ref: ShapeRef) -> Cloud:
        row = self._row(ref)
        normals = unit_normals(row["normal"].astype(np.float64)) if "normal" in row else None
        return checked(Cloud(row["data"].astype(np.float64), normals))

    def _shape(self, match: re.Match[str], row: int, category: str, name: str) -> ShapeRef:
        shape = f"{safe(category)}/{name}"
        split: Split = "test" if match[1] == "test" else self._train_or_val(shape)
        return ShapeRef(shape, safe(category), split, self.name, {"files": [match[0]], "row": row})

    def _class_names(self, paths: list[str]) -> list[str]:
        path = locate(paths, NAMES_FILE)
        if path is None:
            raise ShapesysError(
                f"no {NAMES_FILE} under '{self.settings.root}': it names the class labels, one name per line in the "
                "order of the labels, and comes with the release"
            )
        return listed(self.root.read(path, Limits()))

    def _ids(self, match: re.Match[str], count: int, paths: list[str]) -> tuple[list[str], list[str]]:
        """A name for each row, and a note where the file of names could not be used."""
        numbered = [f"{match[1]}{match[2]}-{row:04d}" for row in range(count)]
        path = f"{folder_of(match[0])}ply_data_{match[1]}_{match[2]}_id2file.json"
        if path not in paths:
            return numbered, []
        try:
            names = json.loads(self.root.read(path, Limits()))
            if not isinstance(names, list) or len(names) != count:
                raise ValueError(f"not a list of {count} names")
            return [safe(PurePosixPath(str(name)).stem) for name in names], []
        except (ShapeRejected, ValueError) as problem:
            return numbered, [f"'{path}' passed over, its clouds are numbered: {problem}"]


def _file_order(match: re.Match[str]) -> tuple[bool, int, str]:
    return match[1] != "train", int(match[2]), match[0]
