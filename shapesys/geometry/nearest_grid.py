"""Exact nearest neighbour by a uniform grid, compiled by warp; the trees of `neighbours` are the portable path.

Points are sorted by cell. A query scans the block of cells around it, row by row (the cells of one row are
contiguous in memory), skips rows farther than the best so far, and widens the block until the best distance is
covered. The previous query's neighbour gives the first bound, which is tight when queries are coherent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shapesys.geometry.morton import low_and_extent, stable_order
from shapesys.geometry.nearest_kernel import nearest_kernel
from shapesys.geometry.warp_runtime import wp

POINTS_PER_CELL = 6
FIRST_RESOLUTION = 32
CELLS_PER_POINT = 32
MOST_CROWDED = 256
WIDEST_BLOCK = 16
QUERIES_PER_THREAD = 256


@dataclass(frozen=True)
class PointGrid:
    """Points sorted by cell.

    Attributes:
        points: (n, 3) float32, sorted by cell.
        order: (n,) int32 row of each sorted point in the caller's array, ascending within a cell.
        starts: (cells + 1,) int32 first sorted point of each cell, x fastest.
        low: (3,) float32 lowest corner.
        cell: edge length of a cell.
        sizes: (3,) int32 cells along x, y, z.
    """

    points: NDArray[np.float32]
    order: NDArray[np.int32]
    starts: NDArray[np.int32]
    low: NDArray[np.float32]
    cell: float
    sizes: NDArray[np.int32]


def nearest_by_grid(
    points: NDArray[np.float32], queries: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """(m,) distances and rows of the nearest of ``points`` (n, 3) to ``queries`` (m, 3); ties to the lowest row.

    The row is -1 where the grid cannot answer within its widest block, and everywhere when the points crowd into
    a few cells of their bounding box (an outlier); the caller searches these by a tree.
    """
    distances = np.full(len(queries), np.inf, np.float32)
    rows = np.full(len(queries), -1, np.int32)
    grid = build_grid(points)
    if grid is not None and len(queries):
        _search(grid, queries, distances, rows)
    return distances, rows


def build_grid(points: NDArray[np.float32]) -> PointGrid | None:
    """A grid with about `POINTS_PER_CELL` points in an occupied cell; None when no such grid is small enough."""
    low, extent = low_and_extent(points)
    longest = float(extent.max())
    if longest <= 0.0:
        return None
    cell, sizes = _cell_size(points, low, extent, longest)
    cells = _cells(points, low, cell, sizes)
    counts = np.bincount(cells, minlength=int(np.prod(sizes)))
    if counts.max() > MOST_CROWDED:
        return None
    starts = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=starts[1:])
    order = stable_order(cells)
    return PointGrid(points.take(order, axis=0), order, starts, low, cell, sizes)


def _cell_size(
    points: NDArray[np.float32], low: NDArray[np.float32], extent: NDArray[np.float32], longest: float
) -> tuple[float, NDArray[np.int32]]:
    """Cell edge and grid size, from how many cells of a coarse grid the points occupy (they lie on a surface)."""
    coarse = longest / FIRST_RESOLUTION
    sizes = (extent / coarse).astype(np.int32) + 1
    occupied = np.count_nonzero(np.bincount(_cells(points, low, coarse, sizes)))
    cell = coarse * float(np.sqrt(POINTS_PER_CELL * occupied / len(points)))
    cell = min(cell, longest)
    sizes = (extent / cell).astype(np.int32) + 1
    while np.prod(sizes, dtype=np.int64) > CELLS_PER_POINT * len(points) + 64:
        cell *= 1.25
        sizes = (extent / cell).astype(np.int32) + 1
    return cell, sizes


def _cells(
    points: NDArray[np.float32], low: NDArray[np.float32], cell: float, sizes: NDArray[np.int32]
) -> NDArray[np.int32]:
    """(n,) flat cell index of each point."""
    axes = np.ascontiguousarray(points.T)
    x, y, z = ((axes - low[:, None]) * np.float32(1.0 / cell)).astype(np.int32)
    x, y, z = (np.minimum(at, size - 1, out=at) for at, size in zip((x, y, z), sizes, strict=True))
    return (z * sizes[1] + y) * sizes[0] + x


def _search(
    grid: PointGrid, queries: NDArray[np.float32], distances: NDArray[np.float32], rows: NDArray[np.int32]
) -> None:
    def view(array: NDArray[np.generic], dtype: type) -> wp.array:
        return wp.array(array, dtype=dtype, device="cpu", copy=False)

    inputs = [
        view(grid.points, wp.vec3), view(grid.order, wp.int32), view(grid.starts, wp.int32),
        wp.vec3(*grid.low.tolist()), float(grid.cell), wp.vec3i(*grid.sizes.tolist()),
        view(queries, wp.vec3), QUERIES_PER_THREAD, WIDEST_BLOCK,
    ]  # fmt: skip
    outputs = [view(distances, wp.float32), view(rows, wp.int32)]
    threads = -(-len(queries) // QUERIES_PER_THREAD)
    wp.launch(nearest_kernel, dim=threads, inputs=inputs, outputs=outputs, device="cpu")
