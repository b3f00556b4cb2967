"""Faces too thin for float32 triangle tests, made just wide enough for them."""

from __future__ import annotations

import numpy as np

from shapesys.geometry.mesh import Floats, Ints
from shapesys.geometry.topology import Flags, weld

THINNEST = 2e-6
"""Twice the area over squared edge lengths below which a face is widened; warp's closest point skips below 1e-6."""
ASPECT = 8e-6
"""Width over length of a widened piece: clear of THINNEST even after rounding."""
LEAST_WIDTH = 5e-7
"""Width of a widened piece as a share of the coordinates' size: four times float32's resolution there."""


def widen_slivers(vertices: Floats, faces: Ints) -> tuple[Floats, Ints, Ints]:
    """Replace isolated slivers, segments and points by strips of short triangles, 5e-7 of the mesh's size wide.

    A sliver whose longest side is a side of a proper face adds nothing to the distance and stays as it is.

    Args:
        vertices: (V, 3) float32, coordinates of order 1; faces: (F, 3).

    Returns:
        vertices and faces with the strips, the first piece in its sliver's place and the others at the end; and for
        each of these faces the index of the face that it stands for.
    """
    origin = np.arange(len(faces), dtype=np.int32)
    thin = np.flatnonzero(_thinness(vertices[faces]) < THINNEST)
    if len(thin):
        thin = thin[~_longest_side_is_covered(vertices, faces, thin)]
    if len(thin) == 0:
        return vertices, faces, origin
    strips, owner = _strips(vertices[faces[thin]].astype(np.float64))
    added = np.arange(3 * len(strips), dtype=faces.dtype).reshape(-1, 3) + len(vertices)
    first = np.searchsorted(owner, np.arange(len(thin)))
    others = np.setdiff1d(np.arange(len(strips)), first)
    replaced = faces.copy()
    replaced[thin] = added[first]
    return (
        np.concatenate([vertices, strips.reshape(-1, 3).astype(np.float32)]),
        np.concatenate([replaced, added[others]]),
        np.concatenate([origin, thin[owner[others]].astype(np.int32)]),
    )


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


def _strips(triangles: Floats) -> tuple[Floats, Ints]:
    """(n, 3, 3) slivers -> (m, 3, 3) short triangles along their longest sides, and the sliver (m,) of each."""
    rows, longest = np.arange(len(triangles)), _sides(triangles).argmax(axis=1)
    start, end = triangles[rows, longest], triangles[rows, (longest + 1) % 3]
    width = LEAST_WIDTH * max(1.0, float(np.abs(triangles).max()))
    length = np.linalg.norm(end - start, axis=1)
    along = np.divide(
        end - start, length[:, None], out=np.tile([1.0, 0.0, 0.0], (len(rows), 1)), where=length[:, None] > width
    )
    length = np.maximum(length, width)
    pieces = np.ceil(length * (ASPECT / width)).astype(np.int64)
    owner = np.repeat(rows, pieces)
    step = (length / pieces)[owner]
    place = (np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) * step
    a = start[owner] + along[owner] * place[:, None]
    b = a + along[owner] * step[:, None]
    third = 0.5 * (a + b) + _perpendicular(along)[owner] * width
    return np.stack([a, b, third], axis=1), owner


def _perpendicular(along: Floats) -> Floats:
    """Unit vectors (n, 3) at right angles, by the coordinate axis least aligned with each."""
    across = np.cross(along, np.eye(3)[np.abs(along).argmin(axis=1)])
    return across / np.linalg.norm(across, axis=1, keepdims=True)
