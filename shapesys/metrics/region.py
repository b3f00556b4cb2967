"""Where a reconstruction is measured, where that is not everywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shapesys.geometry.mesh import Floats

WALL_MARGIN = 0.007
"""Of ConvONet's evaluation of rooms, in units of the room's longest side: less than its walls are thick (0.01)."""


@dataclass(frozen=True)
class Region:
    """A box, of which any side may be at infinity.

    Attributes:
        low, high: corners (x, y, z).
        name: for the record of what is measured in it.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    name: str

    @classmethod
    def of_room(cls, points: Floats) -> Region:
        """About the points (n, 3) of a room that are seen from within, y up, as ConvONet removes walls: bounded on
        both sides along x and z, and below."""
        low, high = np.asarray(points, np.float64).min(axis=0), np.asarray(points, np.float64).max(axis=0)
        margin = WALL_MARGIN * float((high - low).max())
        (x0, y0, z0), (x1, _, z1) = (low - margin).tolist(), (high + margin).tolist()
        return cls((x0, y0, z0), (x1, np.inf, z1), f"walls removed: {WALL_MARGIN:g} beyond what is seen")

    def holds(self, points: Floats) -> NDArray[np.bool_]:
        """Which of the points (n, 3) lie in it."""
        return np.all((points >= np.asarray(self.low)) & (points <= np.asarray(self.high)), axis=1)
