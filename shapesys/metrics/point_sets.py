"""Distances between many small point sets, such as the salient points of every shape, block by block.

`hausdorff_matrix` does it all here. To spread it, cut the matrix by `blocks_of`, measure the blocks by
`hausdorff_block` wherever there is room, in any order, and put them together by `assemble`: the same matrix, bit by
bit, since each entry depends on its two sets alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shapesys.geometry.mesh import Floats

BLOCK = 512
"""Sets along each side of a block."""

CACHED = 80_000
"""Numbers in a buffer of distances; a few such buffers fit into a core's cache."""


class Block(NamedTuple):
    """A rectangle of the matrix: which sets along each side."""

    rows: range
    columns: range


def hausdorff_matrix(sets: Floats, others: Floats | None = None, *, directed: bool = False) -> NDArray[np.float32]:
    """(m, l) Hausdorff distances between ``sets`` (m, k, 3) and ``others`` (l, k', 3), both taken as float32.

    max(h(A, B), h(B, A)), with h(A, B) the distance of that point of A that lies farthest from B. From differences,
    never from squared norms, so that it is exact to a few units in the last place and 0 between equal sets.

    Args:
        sets: k points each, k > 0, in one unit; the distances are in it too.
        others: ``sets`` themselves where None; half the work then suffices, unless ``directed``.
        directed: h(A, B) alone, A in the row, B in the column.

    Raises:
        ValueError: not (m, k, 3), no points in a set, or coordinates that are not finite.
    """
    rows = _checked(sets, "sets")
    columns = rows if others is None else _checked(others, "others")
    mirrored = others is None and not directed
    blocks = blocks_of(len(rows), None if mirrored else len(columns))
    parts = (_measured(rows[_cut(at.rows)], columns[_cut(at.columns)], directed) for at in blocks)
    return assemble(blocks, parts, len(rows), None if mirrored else len(columns))


def blocks_of(count: int, others: int | None = None, size: int = BLOCK) -> list[Block]:
    """Blocks that cover a matrix of ``count`` by ``others``; of a symmetric one (None), on and above its diagonal.

    Raises:
        ValueError: ``size`` is not positive.
    """
    if size < 1:
        raise ValueError(f"size is {size}; a block holds at least 1 set along each side")
    columns = count if others is None else others
    return [
        Block(range(top, min(top + size, count)), range(left, min(left + size, columns)))
        for top in range(0, count, size)
        for left in range(top if others is None else 0, columns, size)
    ]


def hausdorff_block(sets: Floats, others: Floats, *, directed: bool = False) -> NDArray[np.float32]:
    """(r, c) distances of one block: ``sets`` (r, k, 3) are its rows', ``others`` (c, k', 3) its columns'.

    Raises:
        ValueError: as `hausdorff_matrix`.
    """
    return _measured(_checked(sets, "sets"), _checked(others, "others"), directed)


def assemble(
    blocks: Sequence[Block], parts: Iterable[NDArray[np.float32]], count: int, others: int | None = None
) -> NDArray[np.float32]:
    """The matrix of `blocks_of` (count, others) from the distances of its blocks, in the blocks' order.

    Raises:
        ValueError: not one part per block, or a part that does not fit its block.
    """
    matrix = np.zeros((count, count if others is None else others), np.float32)
    for at, part in zip(blocks, parts, strict=True):
        rows, columns = _cut(at.rows), _cut(at.columns)
        if part.shape != (len(at.rows), len(at.columns)):
            raise ValueError(f"a part has shape {part.shape}; its block holds {len(at.rows)} x {len(at.columns)} sets")
        matrix[rows, columns] = part
        if others is None:
            matrix[columns, rows] = part.T
    return matrix


def _measured(sets: NDArray[np.float32], others: NDArray[np.float32], directed: bool) -> NDArray[np.float32]:
    """(r, c) distances, a few rows at a time."""
    columns = np.ascontiguousarray(others.transpose(2, 1, 0))
    rows_at_once = max(1, CACHED // max(1, columns[0].size))
    distances = np.empty((len(sets), len(others)), np.float32)
    for top in range(0, len(sets), rows_at_once):
        rows = slice(top, top + rows_at_once)
        distances[rows] = _strip(sets[rows], columns, directed)
    return distances


def _strip(sets: NDArray[np.float32], columns: NDArray[np.float32], directed: bool) -> NDArray[np.float32]:
    """(r, k, 3) sets, (3, k', c) others with each coordinate apart -> (r, c) distances."""
    shape = (len(sets), *columns.shape[1:])
    # Sets of the columns are innermost: every operation then runs along long contiguous memory, however small the sets.
    squared, part = np.empty(shape, np.float32), np.empty(shape, np.float32)
    back = np.full(shape, np.inf, np.float32)
    there = np.zeros((shape[0], shape[2]), np.float32)
    for points in sets.transpose(1, 2, 0):
        np.subtract(columns[0], points[0][:, None, None], out=squared)
        np.multiply(squared, squared, out=squared)
        for axis in (1, 2):
            np.subtract(columns[axis], points[axis][:, None, None], out=part)
            np.multiply(part, part, out=part)
            np.add(squared, part, out=squared)
        np.maximum(there, squared.min(axis=1), out=there)
        if not directed:
            np.minimum(back, squared, out=back)
    return np.sqrt(there if directed else np.maximum(there, back.max(axis=1)))


def _cut(along: range) -> slice:
    return slice(along.start, along.stop)


def _checked(sets: Floats, name: str) -> NDArray[np.float32]:
    """The sets as float32, or a ValueError that names what is wrong with them."""
    narrow = np.ascontiguousarray(sets, np.float32)
    if narrow.ndim != 3 or narrow.shape[2] != 3 or not narrow.shape[1]:
        raise ValueError(f"{name} has shape {narrow.shape}; expected (m, k, 3) with k > 0")
    if broken := int((~np.isfinite(narrow)).any(axis=(1, 2)).sum()):
        raise ValueError(f"{name} holds {broken} sets whose coordinates are not finite")
    return narrow
