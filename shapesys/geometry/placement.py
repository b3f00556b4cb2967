"""How a file of one's own lies beside the shapes that a network learned: which way is up, and how long its unit is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from shapesys.errors import UsageError, unknown_name
from shapesys.geometry.mesh import Floats, Mesh

Axis = Literal["x", "y", "z", "-x", "-y", "-z"]
_TURNS = {
    "x": ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
    "y": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "z": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "-x": ((0, 1, 0), (-1, 0, 0), (0, 0, 1)),
    "-y": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
    "-z": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
}
"""Rotations that bring an axis to y; nothing is mirrored."""


@dataclass(frozen=True)
class Placement:
    """What is known of a file beforehand.

    Attributes:
        up: its axis that points up, one with a sign where that is its other end, as -y of a camera's frame; y of what
            networks learn.
        unit: length in the file's unit that becomes 1, about the middle of its box; None where the frame of what was
            learned decides.

    Raises:
        UsageError: no such axis, or a length that is none.
    """

    up: Axis = "y"
    unit: float | None = None

    def __post_init__(self) -> None:
        if self.up not in _TURNS:
            raise unknown_name("axis", self.up, _TURNS)
        if self.unit is not None and not (np.isfinite(self.unit) and self.unit > 0):
            raise UsageError(f"the unit is {self.unit:g}; give the length in the file that becomes 1, above 0")

    def about(self, points: Floats) -> Placed:
        """For the file that holds these points (n, 3)."""
        turn = np.asarray(_TURNS[self.up], np.float64)
        if self.unit is None:
            return Placed(turn, np.zeros(3), 1.0)
        turned = np.asarray(points, np.float64) @ turn.T
        return Placed(turn, 0.5 * (turned.min(axis=0) + turned.max(axis=0)), self.unit)


AS_GIVEN = Placement()
"""y is up, and the frame of what was learned decides the unit."""


@dataclass(frozen=True)
class Placed:
    """placed = (turn original - centre) / unit.

    Attributes:
        turn: (3, 3) rotation.
        centre: (3,) after the turn.
        unit: positive.
    """

    turn: Floats
    centre: Floats
    unit: float

    def apply(self, points: Floats) -> Floats:
        """(n, 3) points of the file -> as placed."""
        return (np.asarray(points, np.float64) @ self.turn.T - self.centre) / self.unit

    def undo(self, points: Floats) -> Floats:
        """(n, 3) points as placed -> of the file."""
        return (np.asarray(points, np.float64) * self.unit + self.centre) @ self.turn

    def directions(self, vectors: Floats) -> Floats:
        """(n, 3) directions in the file -> as placed, of the same length."""
        return np.asarray(vectors, np.float64) @ self.turn.T

    def mesh(self, mesh: Mesh) -> Mesh:
        """A mesh of the file -> as placed."""
        return mesh.with_vertices(self.apply(mesh.vertices))
