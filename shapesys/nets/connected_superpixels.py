"""Superpixels in one piece each: small stray pieces join a neighbour, oversized ones are cut (SSN's post-step).

SLIC's rule in published code walks the image pixel by pixel and joins a small piece to the piece it met last. Here a
small piece joins the neighbour that it shares most border with, so that the result does not depend on an order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from skimage.measure import label

Labels = NDArray[np.integer[Any]]


def connected(labels: Labels, min_share: float = 0.06, max_share: float = 3.0) -> NDArray[np.int32]:
    """(h, w) superpixels -> (h, w) int32 superpixels numbered from 0, each one 4-connected piece.

    Shares refer to the mean size: pixels of the image over the largest label plus one.

    Args:
        min_share: pieces with fewer pixels join the neighbour with the longest common border.
        max_share: pieces with more pixels are cut across their longer side first.

    Raises:
        ValueError: labels not (h, w), negative, or shares that are not 0 <= min_share < 1 <= max_share.
    """
    if labels.ndim != 2 or not labels.size or labels.min() < 0:
        raise ValueError(f"labels have shape {labels.shape}; expected (h, w) numbers from 0")
    if not 0 <= min_share < 1 <= max_share:
        raise ValueError(f"min_share {min_share:g} must be in [0, 1) and max_share {max_share:g} at least 1")
    mean = labels.size / (int(labels.max()) + 1)
    pieces = _pieces(_cut(_pieces(labels), max_share * mean))
    while (merged := _merged(pieces, min_share * mean)) is not None:
        pieces = merged
    return pieces.astype(np.int32)


def _pieces(labels: Labels) -> NDArray[np.int64]:
    """Number the connected regions of equal label from 0, in the order of their first pixels."""
    found: NDArray[np.int64] = label(labels, background=-1, connectivity=1).astype(np.int64) - 1
    return found


def _cut(pieces: NDArray[np.int64], largest: float) -> NDArray[np.int64]:
    """Cut pieces with more than `largest` pixels into equal shares along their longer side."""
    sizes = np.bincount(pieces.ravel())
    cut = pieces.copy()
    fresh = len(sizes)
    for piece in np.flatnonzero(sizes > largest):
        rows, columns = np.nonzero(pieces == piece)
        along = rows if np.ptp(rows) > np.ptp(columns) else columns
        shares = int(np.ceil(sizes[piece] / largest))
        rank = np.empty(len(along), np.int64)
        rank[np.argsort(along, kind="stable")] = np.arange(len(along))
        part = rank * shares // len(along)
        cut[rows, columns] = np.where(part > 0, fresh + part - 1, piece)
        fresh += shares - 1
    return cut


def _merged(pieces: NDArray[np.int64], smallest: float) -> NDArray[np.int64] | None:
    """Join every piece below `smallest` pixels to its closest neighbour; None where nothing is left to join.

    Only small pieces point to a neighbour, so that a group of pieces that become one holds at most one large piece.
    """
    sizes = np.bincount(pieces.ravel())
    small = sizes < smallest
    if len(sizes) == 1 or not small.any():
        return None
    one, other, border = _borders(pieces, len(sizes))
    # By piece, then by border, the longest last; among equals the neighbour with the lowest number.
    order = np.lexsort((-other, border, one))
    last = np.flatnonzero(np.diff(one[order], append=-1))
    closest = other[order][last]
    from_piece = np.flatnonzero(small)
    links = coo_matrix((np.ones(len(from_piece)), (from_piece, closest[from_piece])), shape=(len(sizes),) * 2)
    groups = connected_components(links, directed=False)[1]
    return _pieces(groups[pieces])


def _borders(pieces: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], ...]:
    """Pairs of neighbouring pieces, each in both orders, and how many pixel edges they share."""
    pairs = [(pieces[:, :-1], pieces[:, 1:]), (pieces[:-1], pieces[1:])]
    left = np.concatenate([a.ravel() for a, _ in pairs])
    right = np.concatenate([b.ravel() for _, b in pairs])
    differ = left != right
    left, right = left[differ], right[differ]
    keys, edges = np.unique(np.concatenate([left * count + right, right * count + left]), return_counts=True)
    return keys // count, keys % count, edges
