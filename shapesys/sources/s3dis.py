"""S3DIS (Armeni et al., CVPR 2016): rooms of six areas as text, ``Area_<k>/<room>/Annotations/<class>_<n>.txt``.

Rows are ``x y z red green blue`` in metres with z up and colours to 255. The 13 classes are the labels; the stairs of
some rooms count as clutter, as in the published experiments. The release's known defect, a control character between
two numbers of ``Area_5/hallway_6``, is read as the space it replaced.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import ClassVar

import numpy as np

from shapesys.config.base import setting
from shapesys.errors import ShapeRejected, ShapesysError
from shapesys.geometry.cloud import Cloud, checked
from shapesys.geometry.mesh import Floats
from shapesys.sources.base import Census, ShapeRef, Skipped, Split
from shapesys.sources.cloud_files import CloudSettings, CloudSource, number_table
from shapesys.sources.files import safe

CATEGORY = "room"
CLASSES = (
    "ceiling", "floor", "wall", "beam", "column", "window", "door", "table", "chair", "sofa", "bookcase", "board",
    "clutter",
)  # fmt: skip

_OBJECT = re.compile(r"^((?:.*/)?Area_([1-6])/([^/]+))/Annotations/([A-Za-z]+)_\d+\.txt$")
_ROOM = re.compile(r"^((?:.*/)?Area_([1-6])/([^/]+))/\3\.txt$")


class S3disSettings(CloudSettings):
    """Settings of the source `s3dis`: one area is the test split, as published; the others train."""

    test_area: int = setting(5, ge=1, le=6, help="the area whose rooms are the test split")


class S3disSource(CloudSource):
    """S3DIS, one cloud per room, in the files' frame: metres, z up, colours in [0, 1], a class label per point."""

    name: ClassVar[str] = "s3dis"
    Settings: ClassVar[type[S3disSettings]] = S3disSettings
    settings: S3disSettings

    def census(self) -> Census:
        rooms: dict[str, list[str]] = defaultdict(list)
        places: dict[str, tuple[str, str]] = {}
        for path in self.root.paths():
            if found := _OBJECT.match(path):
                rooms[found[1]].append(path)
                places[found[1]] = found[2], found[3]
            elif found := _ROOM.match(path):
                places[found[1]] = found[2], found[3]
        if not rooms:
            raise ShapesysError(
                f"no rooms under '{self.settings.root}': expected Area_1/<room>/Annotations/<class>_1.txt, as in the "
                "unpacked Stanford3dDataset_v1.2_Aligned_Version.zip"
            )
        shapes = [self._room(*places[folder], sorted(files)) for folder, files in rooms.items()]
        skipped = [
            Skipped(_room_id(*place), "census", "no Annotations/<class>_<n>.txt in its folder")
            for folder, place in places.items()
            if folder not in rooms
        ]
        return Census.of(self._of_wanted(shapes), skipped, _notes(shapes))

    def load(self, ref: ShapeRef) -> Cloud:
        files = ref.locator["files"]
        objects = [self._object(path) for path in files]
        self.settings.limits.check("vertices", sum(map(len, objects)))
        table = np.concatenate(objects)
        labels = np.repeat([_class_of(path) for path in files], [len(found) for found in objects])
        return checked(Cloud(table[:, :3], colors=table[:, 3:] / 255.0, labels=labels.astype(np.int32)), len(CLASSES))

    def part_names(self, category: str) -> tuple[str, ...]:
        """The 13 classes, in the order of the published experiments."""
        return CLASSES if category == CATEGORY else ()

    def _room(self, area: str, room: str, files: list[str]) -> ShapeRef:
        shape = _room_id(area, room)
        split: Split = "test" if int(area) == self.settings.test_area else self._train_or_val(shape)
        return ShapeRef(shape, CATEGORY, split, self.name, {"files": files})

    def _object(self, path: str) -> Floats:
        """(n, 6) positions and colours of one object."""
        try:
            table = number_table(self._read(path), 6, self.settings.limits)
        except ShapeRejected as problem:
            raise ShapeRejected(problem.stage, f"object '{path}': {problem.reason}") from None
        if not ((table[:, 3:] >= 0.0) & (table[:, 3:] <= 255.0)).all():
            raise ShapeRejected("read", f"object '{path}': colours outside 0 to 255")
        return table


def _room_id(area: str, room: str) -> str:
    return f"{CATEGORY}/{safe(f'Area_{area}-{room}')}"


def _class_of(path: str) -> int:
    found = _OBJECT.match(path)
    name = found[4].lower() if found else ""
    return CLASSES.index(name if name in CLASSES else "clutter")


def _notes(rooms: list[ShapeRef]) -> list[str]:
    strange = sorted({
        path.rpartition("/")[2].rpartition("_")[0]
        for room in rooms
        for path in room.locator["files"]
        if path.rpartition("/")[2].rpartition("_")[0].lower() not in CLASSES
    })  # fmt: skip
    areas = Counter(room.id.partition("/")[2].partition("-")[0] for room in rooms)
    found = ", ".join(f"{areas[area]} in {area}" for area in sorted(areas))
    return [f"rooms found: {found}", *([f"taken for clutter: {', '.join(strange)}"] if strange else [])]
