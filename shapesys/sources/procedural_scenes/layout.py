"""What is in a room and where it stands: ConvONet's distributions, drawn until everything has a place.

Legend: k objects. Directions on the ground are (x, z), in this order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from shapesys.errors import ShapeRejected
from shapesys.geometry.mesh import Floats, Ints, Mesh
from shapesys.samples.vocabulary import UNSEEN
from shapesys.sources.files import join_parts
from shapesys.sources.procedural import SEEDS, design, generate
from shapesys.sources.procedural.draw import Draw
from shapesys.sources.procedural_rooms.scene import Footprint, Thing, placed, standing
from shapesys.sources.procedural_scenes.shell import Shell, ShellSurface, surface

SIZES = {4: (0.25, 0.45), 5: (0.25, 0.40), 6: (0.20, 0.30), 7: (0.15, 0.25), 8: (0.10, 0.25)}
"""Objects in a room -> bounds of each one's longest side."""
SHORTEST_GROUND = 0.3
"""The ground is 1 along one axis, and this at least along the other."""
WALL_CHANCE = 0.5
WALL_HEIGHT = (0.2, 0.4)

FURNITURE = ("bench", "bookshelf", "chair", "lamp", "sofa", "table")
"""Classes of objects, each a category of `shapesys.sources.procedural`."""
CLASSES = ("ground", "wall", *FURNITURE, UNSEEN)
"""Face label -> what it means; the last is what looks out of the room, which no scan within it shows."""

SHAPE_SEEDS = 2**31
FLAT = 1e-12
"""Twice a face's area over its squared longest side below which its corners lie on one line, give or take rounding."""

TRIES = 100
"""Places that are drawn for an object, one after the other, before the room is."""
ROOMS = 16
"""Rooms that are drawn for the same objects, before these are."""
ATTEMPTS = 64
"""Sets of objects that are drawn for one seed, before it is given up."""


def category_of(objects: int) -> str:
    """``rooms_04`` for rooms of four objects."""
    return f"rooms_{objects:02d}"


def labels_of(mesh: Mesh) -> Ints:
    """(F,) the labels of a mesh that has them."""
    assert mesh.face_labels is not None
    return mesh.face_labels


@dataclass(frozen=True)
class Room:
    """A furnished room: y up, the top of its ground at y = 0 around the origin, the longer side of the ground 1.

    Attributes:
        shell: its ground and walls.
        things: its objects, where they stand.
    """

    shell: Shell
    things: tuple[Thing, ...]

    @cached_property
    def outside(self) -> ShellSurface:
        """Surface of the ground and walls."""
        return surface(self.shell)

    @cached_property
    def furniture(self) -> Mesh:
        """All objects, each a closed surface of its own; face_labels are indices into `CLASSES`."""
        joined = join_parts([thing.mesh for thing in self.things])
        kinds = np.array([CLASSES.index(thing.kind) for thing in self.things], dtype=np.int32)
        return replace(joined, face_labels=kinds[labels_of(joined)])

    @property
    def mesh(self) -> Mesh:
        """Everything: 1 + k closed surfaces that touch and never cross, labelled alike."""
        shell = np.where(self.outside.inward, labels_of(self.outside.mesh), CLASSES.index(UNSEEN)).astype(np.int32)
        joined = join_parts([self.outside.mesh, self.furniture])
        return replace(joined, face_labels=np.concatenate([shell, labels_of(self.furniture)]))


def generate_room(objects: int, seed: int) -> Room:
    """The room of this many objects, a key of `SIZES`, and seed.

    Raises:
        ShapeRejected: the seed is out of range.
    """
    if not 0 <= seed < SEEDS:
        raise ShapeRejected("generate", f"seed {seed} is outside 0 to {SEEDS - 1}")
    for attempt in range(ATTEMPTS):
        draw = Draw(category_of(objects), seed, attempt)
        things = [_thing(draw, index, SIZES[objects]) for index in range(objects)]
        for _ in range(ROOMS):
            shell = _shell(draw)
            if places := _places(draw, shell, [side for _, side in things]):
                stood = [
                    Thing(thing.kind, placed(thing.mesh, at)) for (thing, _), at in zip(things, places, strict=True)
                ]
                return Room(shell, tuple(stood))
    raise ShapeRejected("generate", f"{category_of(objects)} {seed}: objects found no place in {ATTEMPTS} attempts")


def _thing(draw: Draw, index: int, sizes: tuple[float, float]) -> tuple[Thing, Floats]:
    """An object of any class, scaled and turned, above the origin; and the sides (x, z) of its box."""
    kind = draw.pick(f"class_{index}", FURNITURE)
    mesh = _shape(draw, index, kind)
    longest = float(np.ptp(mesh.bounds, axis=0).max())
    scaled, _ = standing(mesh, draw.real(f"size_{index}", *sizes) / longest)
    turn = Footprint(0.0, 0.0, 0.0, 0.0, draw.real(f"yaw_{index}", 0.0, 2 * np.pi))
    turned, box = standing(placed(scaled, turn))
    return Thing(kind, turned), box[[0, 2]]


def _shape(draw: Draw, index: int, kind: str) -> Mesh:
    """Of the drawn seed, or of the first after it that is usable."""
    seed = draw.whole(f"shape_{index}", 0, SHAPE_SEEDS - 1)
    while (mesh := _usable(kind, seed)) is None:
        seed = (seed + 1) % SHAPE_SEEDS
    return mesh


def _usable(kind: str, seed: int) -> Mesh | None:
    """The shape; None for lamps that hang, and where faces have no area: cleaning would take these out, and leave
    open what they join."""
    if kind == "lamp" and design(kind, seed)["kind"] == "pendant":
        return None
    mesh = generate(kind, seed)
    sides = np.roll(mesh.triangles, -1, axis=1) - mesh.triangles
    flat = 2.0 * mesh.face_areas < FLAT * np.square(sides).sum(axis=2).max(axis=1)
    return None if flat.any() else mesh


def _shell(draw: Draw) -> Shell:
    shorter = draw.real("shorter", SHORTEST_GROUND, 1.0)
    along_x = draw.chance("shorter_along_x", 0.5)
    walls = [draw.chance(f"wall_{name}", WALL_CHANCE) for name in ("low_x", "low_z", "high_x", "high_z")]
    sides = (shorter, 1.0) if along_x else (1.0, shorter)
    return Shell(sides, (walls[0], walls[1]), (walls[2], walls[3]), draw.real("wall_height", *WALL_HEIGHT))


def _places(draw: Draw, shell: Shell, sides: Sequence[Floats]) -> list[Footprint]:
    """Uniform places for boxes (k, 2), one after the other, clear of walls and of each other; empty if one has none."""
    low, high = shell.free
    halves = 0.5 * np.array(sides)
    first, last = low + halves, high - halves
    if (first > last).any():
        return []
    centres = np.zeros((0, 2))
    for index, half in enumerate(halves):
        for _ in range(TRIES):
            at = [draw.real(f"{axis}_{index}", first[index, k], last[index, k]) for k, axis in enumerate("xz")]
            if not (np.abs(at - centres) < half + halves[:index]).all(axis=1).any():
                centres = np.concatenate([centres, [at]])
                break
        else:
            return []
    return [Footprint(*map(float, (*centre, *half))) for centre, half in zip(centres, halves, strict=True)]
