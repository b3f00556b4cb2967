"""Order points along the Morton curve, so that neighbours in memory are neighbours in space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BITS = 10


def _spread_table() -> NDArray[np.uint32]:
    """(1024,) each 10-bit number with two zero bits between its bits."""
    numbers = np.arange(2**BITS, dtype=np.uint32)
    table = np.zeros_like(numbers)
    for bit in range(BITS):
        table |= ((numbers >> np.uint32(bit)) & np.uint32(1)) << np.uint32(3 * bit)
    return table


_SPREAD = _spread_table()


def morton_order(points: NDArray[np.float32]) -> NDArray[np.int32]:
    """(n,) rows of the finite ``points`` (n, 3) along the curve over their bounding cube, 1024 cells a side.

    Points of one cell keep their order.
    """
    low, extent = low_and_extent(points)
    longest = float(extent.max())
    if longest <= 0.0:
        return np.arange(len(points), dtype=np.int32)
    axes = np.ascontiguousarray(points.T)
    cells = ((axes - low[:, None]) * np.float32((2**BITS - 0.01) / longest)).astype(np.uint16)
    x, y, z = _SPREAD.take(np.minimum(cells, 2**BITS - 1))
    return stable_order(x | y << np.uint32(1) | z << np.uint32(2))


def low_and_extent(points: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(3,) lowest corner and (3,) size of the bounding box of (n, 3) points."""
    # numpy reduces along contiguous memory a hundred times faster than across rows of three.
    axes = np.ascontiguousarray(points.T)
    low = axes.min(axis=1)
    return low, axes.max(axis=1) - low


def stable_order(keys: NDArray[np.integer]) -> NDArray[np.int32]:
    """Stable argsort of non-negative 32-bit keys; numpy's radix sort of 16-bit keys, twice, beats its merge sort."""
    order = np.argsort((keys & 0xFFFF).astype(np.uint16), kind="stable")
    if len(keys) and keys.max() > 0xFFFF:
        order = order[np.argsort((keys >> 16).astype(np.uint16)[order], kind="stable")]
    return order.astype(np.int32)
