"""The synthetic rooms of ConvONet (Peng et al., ECCV 2020): four to eight pieces of ShapeNet furniture in a box.

``rooms_0{4..8}/<8 digits>/`` holds ten files ``pointcloud/pointcloud_00.npz`` ... of about 100,000 surface points and
ten files ``points_iou/points_iou_00.npz`` ... of 100,000 queries, uniform in a cube of side 1.1. ``item_dict.npz``, how
the room was built, holds pickled objects and is not read. Lists are as Occupancy Networks have them; the released
builder (``build_dataset.py``) counts from 0 and lists from 1, so that

- scene 0 is in no list,
- the last name of ``train.lst`` is a scene built of validation models, that of ``val.lst`` one built of test models,
- the last name of ``test.lst`` does not exist.

Lists are taken as they are; what they name in vain and what they leave out becomes a row of the rejected table.

Semantics are places in the builder's sorted list of synsets, and -1 for the ground and the walls. These have a fifth of
the points that their area would give them; walls show but their inner faces, the ground but its top. The builder draws
four walls, forgets to build the fourth and counts it nonetheless: in rooms where it was drawn, the last piece of
furniture is taken for a wall and has -1 as well.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np

from shapesys.config.base import setting
from shapesys.errors import ShapeRejected, ShapesysError
from shapesys.geometry.sampled_solid import SampledSolid
from shapesys.samples.seeds import stable_hash
from shapesys.sources.base import Census, ShapeRef
from shapesys.sources.onet_source import Models, OnDisk, OnetSettings, OnetSource

CLASSES = ("cabinet", "chair", "lamp", "sofa", "table")
"""Of the semantics 0 to 4: the synsets 02933112, 03001627, 03636649, 04256520 and 04379243."""
SHELL = "ground or wall"

FILES = 10
"""Files of each kind that a published room has."""

OPTIMISED: dict[str, tuple[int, ...]] = {
    "rooms_04": (820, 826, 827, 830, 831, 832, 839, 840, 988, 994),
    "rooms_05": (805, 816, 838, 839, 856, 869, 870, 919, 990, 998),
    "rooms_06": (899, 930, 931, 943, 944, 945, 946, 955, 960, 968),
    "rooms_07": (804, 816, 831, 854, 876, 917, 934, 975, 989, 993),
    "rooms_08": (806, 809, 810, 938, 939, 940, 949, 974, 981, 994),
}
"""The test rooms that SA-ConvONet (Tang et al., ICCV 2021) optimises, as its authors list them in their repository's
issue 6."""

_FILE = re.compile(r"^((?:.*/)?rooms_\d\d/)(\d{8})/(points_iou|pointcloud)/\3_(\d\d)\.npz$")
_CATEGORY = re.compile(r"^(?:.*/)?(rooms_\d\d)/$")


class ConvONetRoomsSettings(OnetSettings):
    """Settings of the source `convonet_rooms`."""

    files: int = setting(10, ge=1, le=FILES, help="how many of the ten files of each kind are read and joined")
    test_list: Literal["all", "optimised"] = setting(
        "all", help="test rooms: all of them, or the 50 that SA-ConvONet optimises, ten of a category"
    )


class ConvONetRoomsSource(OnetSource):
    """ConvONet's synthetic rooms: queries with inside bits, and surface points with the class of what they lie on.

    The first `files` of the ten are joined, surface points in random order (the files list them object by object), by
    the room's id. The released loader reads a random one of the ten at every access, and evaluates so, without a seed.
    ``--frame as_given`` is the published frame, where the ground lies on y = -0.5; ``unit_cube`` centres every room.
    """

    name: ClassVar[str] = "convonet_rooms"
    Settings: ClassVar[type[ConvONetRoomsSettings]] = ConvONetRoomsSettings
    settings: ConvONetRoomsSettings
    labelled: ClassVar[bool] = True
    absent: ClassVar[str] = "in {lists}, not on disk; the released builder lists one scene more than it builds"
    unlisted: ClassVar[str] = "in no list; the released builder never lists scene 0"

    def census(self) -> Census:
        paths = self.root.paths()
        models = _rooms(paths, self.settings.files)
        if not models:
            raise ShapesysError(
                f"no rooms under '{self.settings.root}': expected rooms_04/00000001/points_iou/points_iou_00.npz and "
                "rooms_04/00000001/pointcloud/pointcloud_00.npz, as in ConvONet's synthetic_room_dataset"
            )
        found = self._census(paths, models, _category)
        if self.settings.test_list == "all":
            return found
        return _of_optimised(found, self.settings.categories or tuple(OPTIMISED))

    def load(self, ref: ShapeRef) -> SampledSolid:
        solid = super().load(ref)
        surface = solid.surface
        assert surface.labels is not None
        low, high = int(surface.labels.min()), int(surface.labels.max())
        if low < -1 or high >= len(CLASSES):
            raise ShapeRejected(
                "read",
                f"semantics of '{ref.id}' range from {low} to {high}; rooms have -1 ({SHELL}) to {len(CLASSES) - 1}",
            )
        labels = np.where(surface.labels < 0, len(CLASSES), surface.labels).astype(np.int32)
        order = np.random.default_rng(stable_hash(ref.id)).permutation(len(surface))
        return replace(solid, surface=replace(surface, labels=labels).take(order))

    def part_names(self, category: str) -> tuple[str, ...]:
        """The five classes of furniture, and what is none of them."""
        return (*CLASSES, SHELL) if _CATEGORY.match(f"{category}/") else ()


def _rooms(paths: list[str], count: int) -> Models:
    """The rooms, with the first `count` files of each kind."""
    files: defaultdict[tuple[str, str], dict[tuple[str, int], str]] = defaultdict(dict)
    for path in paths:
        if match := _FILE.match(path):
            files[match[1], match[2]][match[3], int(match[4])] = path
    found: defaultdict[str, dict[str, OnDisk]] = defaultdict(dict)
    for (folder, room), held in files.items():
        found[folder][room] = _room(held, count)
    return found


def _room(held: dict[tuple[str, int], str], count: int) -> OnDisk:
    wanted = [(kind, number) for kind in ("points_iou", "pointcloud") for number in range(count)]
    for kind, number in wanted:
        if (kind, number) not in held:
            return OnDisk(reason=f"no {kind}/{kind}_{number:02d}.npz in its folder; 'files' says how many are needed")
    return OnDisk(tuple(held[key] for key in wanted))


def _category(folder: str) -> str | None:
    match = _CATEGORY.match(folder)
    return match[1] if match else None


def _of_optimised(found: Census, categories: tuple[str, ...]) -> Census:
    """The census without other test rooms than those of `OPTIMISED`."""
    chosen = {f"{name}/{room:08d}" for name in categories for room in OPTIMISED.get(name, ())}
    shapes = [shape for shape in found.shapes if shape.split != "test" or shape.id in chosen]
    held = {shape.id for shape in shapes if shape.split == "test"}
    notes = [*found.notes, f"other test rooms left out: {len(found.shapes) - len(shapes)}"]
    if missing := sorted(chosen - held):
        notes.append(f"{len(missing)} of SA-ConvONet's {len(chosen)} test rooms are missing, such as {missing[0]}")
    return Census.of(shapes, found.skipped, notes)
