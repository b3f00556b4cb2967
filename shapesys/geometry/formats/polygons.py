"""Polygons and strips to triangles, all at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def fan(corners: Indices, sizes: Indices) -> Indices:
    """Split each polygon into triangles around its first corner; polygons of fewer than three corners give none.

    Args:
        corners: (sum of sizes,) vertex indices of all polygons, one after the other.
        sizes: (p,) corners of each polygon.

    Returns:
        (f, 3) triangles, f = sum of max(sizes - 2, 0).
    """
    if len(sizes) and (sizes == 3).all():
        return corners.reshape(-1, 3)
    starts = np.cumsum(sizes) - sizes
    triangles = np.maximum(sizes - 2, 0)
    first = np.repeat(starts, triangles)
    within = np.arange(len(first)) - np.repeat(np.cumsum(triangles) - triangles, triangles)
    return corners[np.stack([first, first + within + 1, first + within + 2], axis=1)]


def strip(corners: Indices, restart: int | None = -1) -> Indices:
    """Triangles (f, 3) of a triangle strip, every second one turned round; `restart` begins a new strip."""
    if len(corners) < 3:
        return np.empty((0, 3), dtype=np.int64)
    triangles = np.stack([corners[:-2], corners[1:-1], corners[2:]], axis=1)
    place = np.arange(len(corners))
    begin = np.where(corners == restart, place + 1, 0) if restart is not None else np.zeros_like(place)
    odd = (place - np.maximum.accumulate(begin))[:-2] % 2 == 1
    triangles[odd] = triangles[odd][:, [1, 0, 2]]
    return triangles if restart is None else triangles[(triangles != restart).all(axis=1)]
