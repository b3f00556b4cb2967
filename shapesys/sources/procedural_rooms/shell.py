"""The empty room: floor, walls with a door and windows, and a ceiling where asked for. Surfaces face inward."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from shapesys.geometry.mesh import Mesh
from shapesys.sources.procedural.draw import Draw
from shapesys.sources.procedural_rooms.scene import Footprint, Thing, quad

REVEAL = 0.12
"""How deep doors and windows lie in the wall, metres."""

FRAME = 0.06
DOOR_ZONE = 0.9
"""How far the floor in front of the door stays clear."""


@dataclass(frozen=True)
class Hole:
    """A rectangle cut out of a wall: from `left` to `right` along it and from `bottom` to `top`."""

    kind: str
    left: float
    right: float
    bottom: float
    top: float


@dataclass(frozen=True)
class Wall:
    """One wall, seen from inside: it runs `length` metres along x' from its lower left corner, its outside at +z'.

    Attributes:
        yaw: what turns x', z' into the room's axes.
        distance: of the wall from the room's middle.
    """

    yaw: float
    length: float
    distance: float
    holes: tuple[Hole, ...] = ()

    def in_room(self, mesh: Mesh) -> Mesh:
        """A mesh of the wall's frame (x' along, y up, z' = depth into the wall) in the room's."""
        points = mesh.vertices - (0.5 * self.length, 0.0, 0.0) + (0.0, 0.0, self.distance)
        axes = Footprint(0, 0, 0, 0, self.yaw).axes
        turned = points.copy()
        turned[:, [0, 2]] = points[:, [0, 2]] @ axes
        return mesh.with_vertices(turned)


@dataclass(frozen=True)
class Shell:
    """An empty room.

    Attributes:
        width, depth: sides of the floor along x and z; height: of the walls.
        things: floor, walls, doors, windows, ceiling.
        walls: the four walls.
        kept_clear: where no furniture stands.
    """

    width: float
    depth: float
    height: float
    things: list[Thing]
    walls: list[Wall]
    kept_clear: list[Footprint]


def shell(draw: Draw, ceiling: bool) -> Shell:
    """An empty room of 9 to 36 square metres."""
    width, depth = draw.real("width", 3.0, 6.0), draw.real("depth", 3.0, 6.0)
    height = draw.real("height", 2.4, 3.0)
    door = draw.whole("door", 0, 3)
    walls = [
        Wall(0.5 * np.pi * turn, *((width, 0.5 * depth) if turn % 2 == 0 else (depth, 0.5 * width)), holes)
        for turn in range(4)
        for holes in [_holes(draw, turn, (width, depth)[turn % 2], turn == door)]
    ]
    things = [Thing("floor", quad((-width / 2, 0, -depth / 2), (0, 0, depth), (width, 0, 0)))]
    for wall in walls:
        things += [Thing(kind, wall.in_room(mesh)) for kind, mesh in _surfaces(wall, height)]
    if ceiling:
        things.append(Thing("ceiling", quad((-width / 2, height, -depth / 2), (width, 0, 0), (0, 0, depth))))
    return Shell(width, depth, height, things, walls, [_door_zone(walls[door])])


def _holes(draw: Draw, turn: int, length: float, has_door: bool) -> tuple[Hole, ...]:
    if has_door:
        wide, tall = draw.real("door_width", 0.8, 1.0), draw.real("door_height", 1.98, 2.15)
        left = draw.real("door_left", 0.2, length - wide - 0.2)
        return (Hole("door", left, left + wide, 0.0, tall),)
    if not draw.chance(f"window_{turn}", 0.45):
        return ()
    wide, bottom = draw.real(f"window_{turn}_width", 0.8, 0.6 * length), draw.real(f"window_{turn}_sill", 0.8, 1.0)
    left = draw.real(f"window_{turn}_left", 0.3, length - wide - 0.3)
    return (Hole("window", left, left + wide, bottom, draw.real(f"window_{turn}_top", 2.0, 2.2)),)


def _door_zone(wall: Wall) -> Footprint:
    (door,) = wall.holes
    along, inward = 0.5 * (door.left + door.right) - 0.5 * wall.length, wall.distance - 0.5 * DOOR_ZONE
    x, z = np.array([along, inward]) @ Footprint(0, 0, 0, 0, wall.yaw).axes
    return Footprint(float(x), float(z), 0.5 * (door.right - door.left), 0.5 * DOOR_ZONE, wall.yaw)


def _surfaces(wall: Wall, height: float) -> Iterator[tuple[str, Mesh]]:
    """Class and mesh of each piece of a wall, in its own frame."""
    for left, right, bottom, top in _solid_rectangles(wall, height):
        yield "wall", _facing_in(left, right, bottom, top, 0.0)
    for hole in wall.holes:
        for piece in _reveal(hole):
            yield "wall", piece
        if hole.kind == "door":
            yield "door", _facing_in(hole.left, hole.right, hole.bottom, hole.top, REVEAL)
        else:
            for rectangle in _frame(hole):
                yield "window", _facing_in(*rectangle, REVEAL)


def _solid_rectangles(wall: Wall, height: float) -> Iterator[tuple[float, float, float, float]]:
    """(left, right, bottom, top) of the rectangles that are left of a wall with at most one hole."""
    at = 0.0
    for hole in wall.holes:
        yield at, hole.left, 0.0, height
        if hole.bottom > 0.0:
            yield hole.left, hole.right, 0.0, hole.bottom
        yield hole.left, hole.right, hole.top, height
        at = hole.right
    yield at, wall.length, 0.0, height


def _facing_in(left: float, right: float, bottom: float, top: float, depth: float) -> Mesh:
    return quad((left, bottom, depth), (0, top - bottom, 0), (right - left, 0, 0))


def _reveal(hole: Hole) -> list[Mesh]:
    """The sides of a hole, between the wall's surface and what lies in the hole."""
    wide, tall = hole.right - hole.left, hole.top - hole.bottom
    sides = [
        quad((hole.left, hole.bottom, 0), (0, tall, 0), (0, 0, REVEAL)),
        quad((hole.right, hole.bottom, 0), (0, 0, REVEAL), (0, tall, 0)),
        quad((hole.left, hole.top, 0), (wide, 0, 0), (0, 0, REVEAL)),
    ]
    sill = quad((hole.left, hole.bottom, 0), (0, 0, REVEAL), (wide, 0, 0))
    return [*sides, sill] if hole.bottom > 0.0 else sides


def _frame(hole: Hole) -> list[tuple[float, float, float, float]]:
    """Rectangles of a window's frame with a bar in the middle; nothing is seen of the glass."""
    left, right, bottom, top = hole.left, hole.right, hole.bottom, hole.top
    middle = 0.5 * (left + right)
    return [
        (left, right, bottom, bottom + FRAME),
        (left, right, top - FRAME, top),
        (left, left + FRAME, bottom + FRAME, top - FRAME),
        (middle - FRAME / 2, middle + FRAME / 2, bottom + FRAME, top - FRAME),
        (right - FRAME, right, bottom + FRAME, top - FRAME),
    ]
