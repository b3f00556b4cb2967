"""Regular lattices over a box whose nodes and cells are single integers, and values known at some of the nodes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shapesys.fields.field import Box
from shapesys.geometry.mesh import Floats

Keys = NDArray[np.int64]

MARKED_NODES = 1 << 27
"""Up to how many nodes a mark for each is cheaper than sorting (128 MiB)."""

CORNERS = np.array([[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)])
"""(8, 3) corner offsets of a cell; corner i has the bits of i as (x, y, z)."""


@dataclass(frozen=True)
class Lattice:
    """Cubic cells from the box's low corner on. A cell is named by the key of its lowest node.

    Attributes:
        low: position of node (0, 0, 0).
        spacing: side of a cell.
        cells: number of cells along x, y, z.
    """

    low: tuple[float, float, float]
    spacing: float
    cells: tuple[int, int, int]

    @classmethod
    def over(cls, box: Box, resolution: int) -> Lattice:
        """`resolution` cells along the longest side; the other sides are covered by as many as they need."""
        spacing = box.longest_side / resolution
        sides = np.subtract(box.high, box.low)
        nx, ny, nz = (max(1, int(np.ceil(side / spacing - 1e-6))) for side in sides)
        return cls(box.low, spacing, (nx, ny, nz))

    def coarsened(self, factor: int) -> Lattice:
        """The lattice whose every `factor`-th refinement step is this one; may reach beyond the box's high side."""
        nx, ny, nz = (-(-count // factor) for count in self.cells)
        return Lattice(self.low, self.spacing * factor, (nx, ny, nz))

    @property
    def nodes(self) -> tuple[int, int, int]:
        nx, ny, nz = self.cells
        return nx + 1, ny + 1, nz + 1

    @property
    def node_count(self) -> int:
        nx, ny, nz = self.nodes
        return nx * ny * nz

    @property
    def diagonal(self) -> float:
        return self.spacing * float(np.sqrt(3.0))

    @cached_property
    def strides(self) -> Keys:
        """Key difference to the next node along x, y, z."""
        _, ny, nz = self.nodes
        return np.array([ny * nz, nz, 1], dtype=np.int64)

    @cached_property
    def corner_steps(self) -> Keys:
        """(8,) key difference from a cell to its corners."""
        return CORNERS @ self.strides

    def all_cells(self) -> Keys:
        return self.keys(np.indices(self.cells).reshape(3, -1))

    def keys(self, indices: NDArray[np.integer]) -> Keys:
        """(3, n) integer node coordinates -> (n,) keys."""
        x, y, z = indices
        return (x * self.strides[0] + y * self.strides[1] + z).astype(np.int64)

    def indices(self, keys: Keys) -> Keys:
        """(n,) keys -> (3, n) integer node coordinates."""
        rest, z = np.divmod(keys, self.nodes[2])
        x, y = np.divmod(rest, self.nodes[1])
        return np.stack([x, y, z])

    def points(self, keys: Keys) -> Floats:
        """(n, 3) float32 node positions."""
        return (self.indices(keys).T * self.spacing + np.asarray(self.low)).astype(np.float32)

    def cells_of(self, points: Floats) -> Keys:
        """Sorted distinct cells that the points (n, 3) lie in, those outside the lattice left out."""
        place = np.floor((np.asarray(points, np.float64) - np.asarray(self.low)) / self.spacing).astype(np.int64)
        within = np.all((place >= 0) & (place < np.asarray(self.cells)), axis=1)
        return np.unique(self.keys(place[within].T))

    def corners(self, cells: Keys) -> Keys:
        """(c,) cells -> (c, 8) node keys."""
        return cells[:, None] + self.corner_steps

    def children(self, cells: Keys, finer: Lattice) -> tuple[Keys, NDArray[np.bool_]]:
        """(c, 8) keys in the lattice of half the spacing, and which of them lie within it."""
        doubled = 2 * self.indices(cells)
        inside = np.ones((len(cells), 8), dtype=bool)
        for axis in range(3):
            inside &= doubled[axis][:, None] + CORNERS[:, axis] < finer.cells[axis]
        return finer.keys(doubled)[:, None] + finer.corner_steps, inside

    def distinct_corners(self, cells: Keys) -> Keys:
        """Sorted distinct corners of ascending cells; by marks where one mark per node is affordable."""
        if self.node_count > MARKED_NODES:
            return distinct((self.corner_steps[:, None] + cells).reshape(-1))
        marks = np.zeros(self.node_count, dtype=bool)
        for step in self.corner_steps:
            marks[cells + step] = True
        return np.flatnonzero(marks)

    def neighbours(self, cells: Keys, axis: int, step: int) -> Keys:
        """The cells one step (+1 or -1) along an axis, those outside the lattice left out."""
        place = self.indices(cells)[axis]
        inside = place + 1 < self.cells[axis] if step > 0 else place > 0
        return cells[inside] + step * self.strides[axis]

    def dilated(self, cells: Keys) -> Keys:
        """The cells and everything that touches them, sorted."""
        for axis in range(3):
            cells = distinct(np.concatenate([cells, *(self.neighbours(cells, axis, step) for step in (-1, 1))]))
        return cells


@dataclass(frozen=True)
class NodeValues:
    """Values at a sorted set of node keys; columns are the signed value and then the attributes."""

    keys: Keys
    columns: Floats

    @classmethod
    def empty(cls, width: int = 1) -> NodeValues:
        return cls(np.empty(0, dtype=np.int64), np.empty((0, width), dtype=np.float32))

    def at(self, keys: Keys) -> Floats:
        """Signed values at known keys, any shape."""
        return self.columns[np.searchsorted(self.keys, keys), 0]

    def rows(self, keys: Keys) -> Floats:
        """(n, width) all columns at (n,) known keys."""
        return self.columns[np.searchsorted(self.keys, keys)]

    def missing(self, keys: Keys) -> Keys:
        """Which of the sorted unique keys are not known yet."""
        return keys[~contains(self.keys, keys)]

    def joined(self, keys: Keys, columns: Floats) -> NodeValues:
        """With further keys, none of them known yet."""
        if not len(self.keys):
            return NodeValues(keys, columns)
        if not len(keys):
            return self
        merged = np.concatenate([self.keys, keys])
        order = np.argsort(merged, kind="stable")
        return NodeValues(merged[order], np.concatenate([self.columns, columns])[order])

    def moved_to(self, coarse: Lattice, fine: Lattice) -> NodeValues:
        """The same values under the keys of the lattice of half the spacing; order is kept."""
        indices = 2 * coarse.indices(self.keys)
        within = np.all(indices <= np.asarray(fine.cells)[:, None], axis=0)
        return NodeValues(fine.keys(indices[:, within]), self.columns[within])


def distinct(keys: Keys) -> Keys:
    """Sorted distinct keys. The keys come as a few ascending runs, which a stable sort merges; `np.unique` hashes."""
    ordered = np.sort(keys, kind="stable")
    first = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


def contains(sorted_keys: Keys, keys: Keys) -> NDArray[np.bool_]:
    """Which of `keys` occur in `sorted_keys`."""
    if not len(sorted_keys):
        return np.zeros(len(keys), dtype=bool)
    place = np.searchsorted(sorted_keys, keys)
    return sorted_keys[np.minimum(place, len(sorted_keys) - 1)] == keys
