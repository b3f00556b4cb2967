"""Rooms by blocks: square columns of the floor plan, drawn at random in training, overlapping at inference.

PointNet's protocol for S3DIS (Qi et al. 2017, section 5.2): blocks of 1 m x 1 m, a point's features are its position in
the block, its colour and its place in the room.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import ShapesysError
from shapesys.families.points.config import PointConfig
from shapesys.families.points.transforms import AXES, FloatRows, Points

ATTEMPTS = 32
"""Random places tried before the block around a point with many neighbours is taken."""


def random_block(config: PointConfig, room: Points, scale: float, rng: np.random.Generator) -> Points:
    """A block around a random point of a room, in metres from the block's centre on the floor.

    Raises:
        ShapesysError: no block of the room has enough points.
    """
    room, metres = with_place(room), room.points * np.float32(scale)
    best: NDArray[np.int64] = np.empty(0, np.int64)
    for _ in range(ATTEMPTS):
        centre = metres[rng.integers(len(metres))]
        rows = _inside(metres, centre, config)
        best = rows if len(rows) > len(best) else best
        if len(rows) >= config.blocks.least_points:
            return in_block(room, metres, rows, centre, config)
    raise ShapesysError(
        f"the fullest of {ATTEMPTS} blocks of {config.blocks.side:g} m has {len(best)} points; prepare more points per "
        "room (--cloud.points), or lower model.blocks.least_points"
    )


def blocks_of(config: PointConfig, room: Points, scale: float) -> list[tuple[NDArray[np.int64], Points]]:
    """Every overlapping block of a room that holds a point: rows of the room, and the block in its own frame."""
    room, metres = with_place(room), room.points * np.float32(scale)
    flat = _flat(config)
    low, high = metres[:, flat].min(axis=0), metres[:, flat].max(axis=0)
    side, stride = config.blocks.side, config.blocks.stride
    steps = [max(1, int(np.ceil((extent - side) / stride - 1e-6)) + 1) for extent in (high - low).tolist()]
    found = []
    for first in range(steps[0]):
        for second in range(steps[1]):
            centre = np.zeros(3, np.float32)
            centre[flat] = low + stride * np.array([first, second]) + side / 2
            rows = _inside(metres, centre, config)
            if len(rows):
                found.append((rows, in_block(room, metres, rows, centre, config)))
    return found


def with_place(room: Points) -> Points:
    """The room with each point's place in it: its position within the bounding box, in [0, 1]."""
    low = room.points.min(axis=0)
    return replace(room, place=(room.points - low) / np.maximum(np.ptp(room.points, axis=0), 1e-6))


def in_block(
    room: Points, metres: FloatRows, rows: NDArray[np.int64], centre: FloatRows, config: PointConfig
) -> Points:
    """Rows of a room in the frame of a block: its centre and the room's floor at the origin."""
    origin = centre.copy()
    origin[AXES[config.up]] = metres[:, AXES[config.up]].min()
    return replace(room.take(rows), points=metres[rows] - origin)


def _inside(metres: FloatRows, centre: FloatRows, config: PointConfig) -> NDArray[np.int64]:
    flat = _flat(config)
    # The far edge belongs to the block, so that the points at the room's ends are in one.
    return np.flatnonzero((np.abs(metres[:, flat] - centre[flat]) <= config.blocks.side / 2 + 1e-6).all(axis=1))


def _flat(config: PointConfig) -> list[int]:
    """The two axes of the floor plan."""
    return [axis for axis in range(3) if axis != AXES[config.up]]
