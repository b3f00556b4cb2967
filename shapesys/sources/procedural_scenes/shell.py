"""Ground and walls of an open room, as one closed solid.

Legend: F faces. Directions on the ground are (x, z), in this order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shapesys.geometry.mesh import Floats, Ints, Mesh

GROUND, WALL = 0, 1
"""Labels of the shell's faces."""
_AIR, _OUTSIDE = -1, -2

THICKNESS = 0.01
"""Of the ground, which lies below y = 0, and of walls."""


@dataclass(frozen=True)
class Shell:
    """A rectangle of ground around the origin, and the walls that stand on its rim.

    Attributes:
        sides: of the ground, along x and z.
        low_walls, high_walls: whether a wall closes the room at its low and at its high end of x and z.
        height: of walls, above the ground.
    """

    sides: tuple[float, float]
    low_walls: tuple[bool, bool]
    high_walls: tuple[bool, bool]
    height: float

    @property
    def free(self) -> tuple[Floats, Floats]:
        """Lowest and highest (x, z) of the ground between the walls."""
        half = 0.5 * np.array(self.sides)
        return THICKNESS * np.array(self.low_walls) - half, half - THICKNESS * np.array(self.high_walls)


@dataclass(frozen=True)
class ShellSurface:
    """Where a shell ends.

    Attributes:
        mesh: its closed surface; face_labels (F,) int32 are `GROUND` and `WALL`.
        inward: (F,) bool, which faces look into the room: the ground's top and the inner sides of walls.
    """

    mesh: Mesh
    inward: NDArray[np.bool_]


def surface(shell: Shell) -> ShellSurface:
    """The faces between solid and air on a lattice of 3 x 2 x 3 blocks: rims and middle of the ground, and above it.

    So the ground and all walls are one solid, without walls that pass through each other or stand on hidden faces.
    """
    half_x, half_z = (0.5 * side for side in shell.sides)
    cuts = _rims(half_x), np.array([-THICKNESS, 0.0, shell.height]), _rims(half_z)
    nodes, labels, inward = _outer_quads(_blocks(shell))
    used, corners = np.unique(nodes.reshape(-1, 3), axis=0, return_inverse=True)
    vertices = np.stack([cut[index] for cut, index in zip(cuts, used.T, strict=True)], axis=1)
    faces = corners.reshape(-1, 4)[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3)
    return ShellSurface(Mesh(vertices, faces, face_labels=np.repeat(labels, 2)), np.repeat(inward, 2))


def _rims(half: float) -> Floats:
    return np.array([-half, THICKNESS - half, half - THICKNESS, half])


def _blocks(shell: Shell) -> Ints:
    """(3, 2, 3) what each block is made of: `GROUND`, `WALL` or air."""
    blocks = np.full((3, 2, 3), _AIR, dtype=np.int32)
    blocks[:, 0] = GROUND
    for end, (at_x, at_z) in ((0, shell.low_walls), (2, shell.high_walls)):
        if at_x:
            blocks[end, 1, :] = WALL
        if at_z:
            blocks[:, 1, end] = WALL
    return blocks


def _outer_quads(blocks: Ints) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Sides of solid blocks that no other solid block covers, seen counter-clockwise from outside.

    Returns:
        nodes (Q, 4, 3): lattice indices of the corners; labels (Q,): of the blocks; inward (Q,): whether a block of
        air lies in front.
    """
    around = np.pad(blocks, 1, constant_values=_OUTSIDE)
    unit = np.eye(3, dtype=np.int64)
    found = []
    for axis in range(3):
        across, up = unit[(axis + 1) % 3], unit[(axis + 2) % 3]
        for way in (1, -1):
            in_front = np.roll(around, -way, axis)
            at = np.nonzero((around >= 0) & (in_front < 0))
            corner = np.stack(at, axis=1) - 1 + (unit[axis] if way == 1 else 0)
            quad = np.stack([corner, corner + across, corner + across + up, corner + up], axis=1)[:, ::way]
            found.append((quad, around[at], in_front[at] == _AIR))
    nodes, labels, inward = (np.concatenate(column) for column in zip(*found, strict=True))
    return nodes, labels, inward
