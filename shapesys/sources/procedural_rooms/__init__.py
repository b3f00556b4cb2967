"""Furnished rooms out of nothing, endless by seed: labelled clouds of what a scanner inside would see.

A room is a floor and four walls with a door and windows, furnished with the shapes of
`shapesys.sources.procedural`: against walls, around tables, on tables, or free on the floor, without overlap. Metres,
y up, the floor at y = 0 around the origin. Labels are classes of objects, the same in every room.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import model_validator

from shapesys.config.base import Config, setting
from shapesys.errors import ShapeRejected
from shapesys.geometry.cloud import Cloud, checked
from shapesys.geometry.surface import sample_surface
from shapesys.sources.base import Census, ShapeRef, Source, digest_of
from shapesys.sources.files import join_parts
from shapesys.sources.procedural import GENERATOR_VERSION, SEEDS
from shapesys.sources.procedural.draw import Draw
from shapesys.sources.procedural_rooms.furnish import FURNITURE, furnished
from shapesys.sources.procedural_rooms.paint import painted
from shapesys.sources.procedural_rooms.scene import Thing
from shapesys.sources.procedural_rooms.shell import shell
from shapesys.sources.splits import check_fractions, hash_split

CATEGORY = "room"
ROOM_VERSION = 1
"""Goes up when rooms change, so that stores know to prepare them again."""

CLASSES = ("floor", "wall", "door", "window", *FURNITURE, "ceiling")
"""Label -> what it means; without ceilings the last is left out."""


def things(seed: int, ceiling: bool = False) -> list[Thing]:
    """Everything in the room of this seed, placed: its shell first, then the furniture.

    Raises:
        ShapeRejected: the seed is out of range.
    """
    if not 0 <= seed < SEEDS:
        raise ShapeRejected("generate", f"seed {seed} is outside 0 to {SEEDS - 1}")
    draw = Draw(CATEGORY, seed)
    around = shell(draw, ceiling)
    return [*around.things, *furnished(draw, around)]


def generate(seed: int, points: int, ceiling: bool = False) -> Cloud:
    """The room of this seed as points (n, 3) uniform by area, with normals, colours and class labels.

    Raises:
        ShapeRejected: the seed is out of range.
    """
    found = things(seed, ceiling)
    mesh = join_parts([thing.mesh for thing in found])
    sample = sample_surface(mesh, points, seed % 2**32)
    assert mesh.face_labels is not None
    which = mesh.face_labels[sample.faces]
    classes = np.array([CLASSES.index(thing.kind) for thing in found], dtype=np.int32)
    colors = painted([thing.kind for thing in found], which, seed)
    return checked(Cloud(sample.points, sample.normals, colors, classes[which]), len(CLASSES))


class ProceduralRoomSource(Source):
    """As many furnished rooms as asked for, as clouds with a class label per point."""

    name: ClassVar[str] = "procedural_rooms"
    gives: ClassVar[type[Cloud]] = Cloud

    class Settings(Config):
        """What to generate."""

        count: int = setting(100, help="number of rooms", ge=1, le=10_000_000)
        seed: int = setting(0, help="first seed; room k has seed + k", ge=0, le=SEEDS // 2)
        points: int = setting(65_536, help="points per room", ge=1024, le=20_000_000)
        ceiling: bool = setting(False, help="close rooms above; most views of a room are from above")
        val_fraction: float = setting(0.1, help="share held out for validation", ge=0.0, lt=1.0)
        test_fraction: float = setting(0.2, help="share held out for the test", ge=0.0, lt=1.0)

        @model_validator(mode="after")
        def _something_to_train_on(self) -> ProceduralRoomSource.Settings:
            check_fractions(self.val_fraction, self.test_fraction)
            return self

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def census(self) -> Census:
        """`count` rooms; the split is a hash of the seed."""
        settings = self.settings
        return Census.of(
            ShapeRef(
                f"{CATEGORY}/{CATEGORY}-{seed:08d}",
                CATEGORY,
                hash_split(f"{CATEGORY}-{seed}", settings.val_fraction, settings.test_fraction),
                self.name,
                {"seed": seed},
            )
            for seed in range(settings.seed, settings.seed + settings.count)
        )

    def load(self, ref: ShapeRef) -> Cloud:
        """Generate the room, in metres."""
        return generate(int(ref.locator["seed"]), self.settings.points, self.settings.ceiling)

    def digest(self, ref: ShapeRef) -> str:
        """Over the generators' versions, the seed and the settings, which determine the cloud."""
        settings = self.settings
        versions = f"{ROOM_VERSION} {GENERATOR_VERSION}"
        return digest_of(self.name, versions, str(ref.locator["seed"]), f"{settings.points} {settings.ceiling}")

    def part_names(self, category: str) -> tuple[str, ...]:
        """The classes of objects."""
        if category != CATEGORY:
            return ()
        return CLASSES if self.settings.ceiling else CLASSES[:-1]
