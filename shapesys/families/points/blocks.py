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

MOST_BLOCKS = 100_000
"""Of one room: more come of another unit than metres, or of a point far away."""
ATTEMPTS = 32
"""Random places tried before the fullest of them is taken."""


def random_block(config: PointConfig, room: Points, scale: float, rng: np.random.Generator) -> Points:
    """A block around a random point of a room, in metres from the block's centre on the floor.

    Of a room so sparse that no block has enough points, the fullest that was tried: one room must not end a training.
    """
    room, metres = with_place(room), room.points * np.float32(scale)
    fullest = (np.empty(0, np.int64), metres[0])
    for _ in range(ATTEMPTS):
        centre = metres[rng.integers(len(metres))]
        rows = _inside(metres, centre, config)
        fullest = (rows, centre) if len(rows) > len(fullest[0]) else fullest
        if len(rows) >= config.blocks.least_points:
            break
    return in_block(room, metres, *fullest, config)


def blocks_of(config: PointConfig, room: Points, scale: float) -> list[tuple[NDArray[np.int64], Points]]:
    """Every overlapping block of a room that holds a point: rows of the room, and the block in its own frame.

    Raises:
        ShapesysError: the room is so large, or the stride so small, that it would never end.
    """
    room, metres = with_place(room), room.points * np.float32(scale)
    flat = _flat(config)
    low, high = metres[:, flat].min(axis=0), metres[:, flat].max(axis=0)
    side, stride = config.blocks.side, config.blocks.stride
    steps = [max(1, int(np.ceil((extent - side) / stride - 1e-6)) + 1) for extent in (high - low).tolist()]
    if steps[0] * steps[1] > MOST_BLOCKS:
        raise ShapesysError(
            f"the room spans {high[0] - low[0]:g} x {high[1] - low[1]:g} m, which is {steps[0] * steps[1]} blocks; "
            "bring its file to metres, remove points far from it, or raise model.blocks.stride"
        )
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
