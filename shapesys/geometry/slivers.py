"""Faces too thin for float32 triangle tests, made just wide enough for them."""

from __future__ import annotations

import numpy as np

from shapesys.geometry.mesh import Floats, Ints
from shapesys.geometry.topology import Flags, weld

THINNEST = 2e-6
"""Twice the area over squared edge lengths below which a face is widened; warp's closest point skips below 1e-6."""
WIDTH = 8e-6
"""Width given to a sliver, as a share of its length."""
POINT_SIZE = 1e-6
"""Least size of a widened face, in units of a mesh of size about 1."""


def widen_slivers(vertices: Floats, faces: Ints) -> tuple[Floats, Ints]:
    """The same triangles with each isolated sliver replaced by one of width 1e-5 of its length or less.

    A sliver whose longest side is a side of a proper face adds nothing to the distance and stays as it is.

    Args:
        vertices: (V, 3) float32, coordinates of order 1; faces: (F, 3).
    """
    thin = np.flatnonzero(_thinness(vertices[faces]) < THINNEST)
    if len(thin) == 0:
        return vertices, faces
    thin = thin[~_longest_side_is_covered(vertices, faces, thin)]
    if len(thin) == 0:
        return vertices, faces
    widened = _widened(vertices[faces[thin]].astype(np.float64))
    added = np.arange(3 * len(thin), dtype=faces.dtype).reshape(-1, 3) + len(vertices)
    replaced = faces.copy()
    replaced[thin] = added
    return np.concatenate([vertices, widened.reshape(-1, 3).astype(np.float32)]), replaced


def _thinness(triangles: Floats) -> Floats:
    corners = triangles.astype(np.float64)
    sides = np.roll(corners, -1, axis=1) - corners
    area = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1)
    total = np.square(sides).sum(axis=(1, 2))
    return np.divide(area, total, out=np.zeros_like(area), where=total > 0)


def _longest_side_is_covered(vertices: Floats, faces: Ints, thin: Ints) -> Flags:
    """(len(thin),) True where the sliver's longest side is also a side of a face that is no sliver."""
    corners = weld(vertices, faces).astype(np.int64)
    start, end = corners, np.roll(corners, -1, axis=1)
    key = np.minimum(start, end) * (int(corners.max()) + 1) + np.maximum(start, end)
    proper = np.ones(len(faces), dtype=bool)
    proper[thin] = False
    longest = _sides(vertices[faces[thin]]).argmax(axis=1)
    return np.isin(key[thin, longest], key[proper])


def _sides(triangles: Floats) -> Floats:
    return np.linalg.norm(np.roll(triangles, -1, axis=1) - triangles, axis=2)


def _widened(triangles: Floats) -> Floats:
    """(n, 3, 3) slivers -> triangles over the same longest side, with the third corner moved across it."""
    rows, longest = np.arange(len(triangles)), _sides(triangles).argmax(axis=1)
    a, b = triangles[rows, longest], triangles[rows, (longest + 1) % 3]
    along = b - a
    length = np.linalg.norm(along, axis=1, keepdims=True)
    along = np.divide(along, length, out=np.tile([1.0, 0.0, 0.0], (len(a), 1)), where=length > POINT_SIZE)
    b = a + along * np.maximum(length, POINT_SIZE)
    # The coordinate axis least aligned with the side gives a stable perpendicular.
    axis = np.eye(3)[np.abs(along).argmin(axis=1)]
    across = np.cross(along, axis)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    third = 0.5 * (a + b) + across * np.maximum(WIDTH * length, POINT_SIZE)
    return np.stack([a, b, third], axis=1)
