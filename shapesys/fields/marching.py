"""Marching cubes over a list of cells: no dense volume, vertices shared through edge keys.

The 256 cases are derived, not typed in: each face of the cube connects its crossings by one rule that depends on that
face's four signs alone (inside corners are separated where a face is ambiguous), so neighbouring cells always agree
and the surface of a closed field is closed and manifold. Loops of face segments are then triangulated inside the cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from shapesys.fields.lattice import CORNERS, Keys, Lattice

EDGES = [(corner, axis) for axis in range(3) for corner in range(8) if not CORNERS[corner][axis]]
"""The 12 edges of a cell: (lower corner, axis)."""

Triangle = tuple[int, int, int]


@dataclass(frozen=True)
class CaseTable:
    """Triangles of all 256 cases, one after the other.

    Attributes:
        first: (257,) row of `triangles` where each case starts.
        triangles: (T, 3) edge numbers, counter-clockwise seen from outside (positive values).
    """

    first: NDArray[np.int64]
    triangles: NDArray[np.int64]


def march(lattice: Lattice, cells: Keys, inside: NDArray[np.bool_]) -> tuple[Keys, NDArray[np.int64]]:
    """Faces of the surface in the given cells.

    Args:
        lattice: where the cells live.
        cells: (c,) cell keys; their order is the faces' order.
        inside: (c, 8) whether each corner is inside.

    Returns:
        edges: (V,) sorted edge keys, 3 * (lower node key) + axis; one vertex each.
        faces: (F, 3) indices into `edges`, counter-clockwise seen from outside.
    """
    table = case_table()
    cases = inside @ (1 << np.arange(8))
    counts = np.diff(table.first)[cases]
    total = int(counts.sum())
    of_cell = np.repeat(np.arange(len(cells)), counts)
    within = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    local = table.triangles[table.first[cases][of_cell] + within]
    steps = np.array([3 * lattice.corner_steps[corner] + axis for corner, axis in EDGES], dtype=np.int64)
    keys = 3 * cells[of_cell][:, None] + steps[local]
    edges, faces = np.unique(keys.reshape(-1), return_inverse=True)
    return edges, faces.reshape(-1, 3)


@cache
def case_table() -> CaseTable:
    """The derived table."""
    cases = [_triangles_of(case) for case in range(256)]
    first = np.concatenate([[0], np.cumsum([len(triangles) for triangles in cases])])
    return CaseTable(first, np.array([t for triangles in cases for t in triangles], dtype=np.int64))


def _triangles_of(case: int) -> list[Triangle]:
    triangles: list[Triangle] = []
    for loop in _loops(_segments(case)):
        triangulation = _triangulate(loop)
        assert triangulation is not None
        triangles += triangulation
    return triangles


def _segments(case: int) -> dict[int, int]:
    """Crossed edge -> next crossed edge of its loop, over all six faces.

    Round each face as seen from outside the cube, every run of inside corners is cut off by one segment from the edge
    where the run begins to the edge where it ends. Two faces meet at an edge in opposite senses, hence every crossed
    edge begins one segment and ends another, and the segments close to loops.
    """
    follows: dict[int, int] = {}
    for corners in _face_cycles():
        signs = [bool(case >> corner & 1) for corner in corners]
        edges = [_edge_between(corners[i], corners[(i + 1) % 4]) for i in range(4)]
        for i in range(4):
            if not signs[i] and signs[(i + 1) % 4]:
                end = next(j % 4 for j in range(i + 1, i + 5) if signs[j % 4] and not signs[(j + 1) % 4])
                follows[edges[i]] = edges[end]
    return follows


def _face_cycles() -> list[tuple[int, int, int, int]]:
    """The corners of the six faces, counter-clockwise seen from outside the cube."""
    cycles = []
    for axis in range(3):
        u, v = 1 << (2 - (axis + 1) % 3), 1 << (2 - (axis + 2) % 3)
        high = 1 << (2 - axis)
        cycles.append((high, high + u, high + u + v, high + v))
        cycles.append((0, v, u + v, u))
    return cycles


def _edge_between(a: int, b: int) -> int:
    axis = 2 - int(a ^ b).bit_length() + 1
    return EDGES.index((min(a, b), axis))


def _loops(follows: dict[int, int]) -> list[list[int]]:
    remaining, loops = dict(follows), []
    while remaining:
        start = min(remaining)
        loop = [start]
        while (after := remaining.pop(loop[-1])) != start:
            loop.append(after)
        loops.append(loop)
    return loops


def _triangulate(loop: list[int]) -> list[Triangle] | None:
    """Triangles of a loop without a diagonal in a face of the cube, where the neighbour could have the same one."""
    if len(loop) == 3:
        return [(loop[0], loop[1], loop[2])]
    for i in range(2, len(loop)):
        sides = [(loop[0], loop[i])] if i < len(loop) - 1 else []
        sides += [(loop[1], loop[i])] if i > 2 else []
        if any(_share_a_face(a, b) for a, b in sides):
            continue
        left = _triangulate(loop[1 : i + 1]) if i > 2 else []
        right = _triangulate([loop[0], *loop[i:]]) if i < len(loop) - 1 else []
        if left is not None and right is not None:
            return [(loop[0], loop[1], loop[i]), *left, *right]
    return None


def _share_a_face(a: int, b: int) -> bool:
    return bool(_faces_of(a) & _faces_of(b))


def _faces_of(edge: int) -> set[tuple[int, int]]:
    corner, axis = EDGES[edge]
    return {(other, int(CORNERS[corner][other])) for other in range(3) if other != axis}
