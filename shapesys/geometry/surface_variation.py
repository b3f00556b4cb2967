"""Surface variation of a point cloud: how far each neighbourhood is from flat. Papers call it PCA saliency."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shapesys.geometry.mesh import Floats
from shapesys.geometry.morton import morton_order
from shapesys.geometry.neighbours import scipy_tree

NEIGHBOURS = 20
POINTS_PER_BLOCK = 4096
"""Neighbourhoods held at once; their coordinates then stay in the cache."""


def surface_variation(points: Floats, k: int = NEIGHBOURS) -> NDArray[np.float32]:
    """(n,) l0 / (l0 + l1 + l2), l0 <= l1 <= l2 the eigenvalues of the covariance of each point's neighbourhood.

    From 0, where the neighbourhood is flat, to 1/3, where it spreads alike in all directions (Pauly, Gross and
    Kobbelt, Efficient simplification of point-sampled surfaces, 2002, equation 4; Bae and Lichti, 2008). The
    neighbourhood is the point itself and its ``k`` nearest others: k + 1 points, about their own mean. Where every one
    of them lies in one place, the variation is 0. The value depends on shape alone: not on position, turn or size.

    Args:
        points: (n, 3) in any unit; neighbours are found in float32 after centring, covariances summed in float64.
        k: others in a neighbourhood, 1..n-1. Which of several equally distant points is the last is left to the search.

    Raises:
        ValueError: not (n, 3), coordinates that are not finite, or ``k`` outside 1..n-1.
    """
    scaled = _centred(points)
    if not 1 <= k < len(scaled):
        raise ValueError(f"k is {k}; it must be within 1..{len(scaled) - 1}, the number of points less one")
    order = morton_order(scaled.astype(np.float32))
    scaled = scaled[order]
    narrow = scaled.astype(np.float32)
    tree, axes = scipy_tree(narrow), np.ascontiguousarray(scaled.T)
    variation = np.empty(len(scaled), np.float32)
    for start in range(0, len(scaled), POINTS_PER_BLOCK):
        block = slice(start, start + POINTS_PER_BLOCK)
        # The point itself is among the k + 1, or, of more than k + 1 in its place, others that stand for it.
        rows = tree.query(narrow[block], k=k + 1)[1]
        variation[order[block]] = _share_of_smallest(_covariances(axes, rows))
    return variation


def _centred(points: Floats) -> NDArray[np.float64]:
    """The cloud about the middle of its bounding box with half its longest side as unit, so that float32 suffices."""
    wide = np.asarray(points, np.float64)
    if wide.ndim != 2 or wide.shape[1] != 3:
        raise ValueError(f"points has shape {wide.shape}; expected (n, 3)")
    if broken := int((~np.isfinite(wide)).any(axis=1).sum()):
        raise ValueError(f"points holds {broken} points that are not finite")
    if not len(wide):
        return wide
    low, high = wide.min(axis=0), wide.max(axis=0)
    half = 0.5 * float((high - low).max())
    return (wide - 0.5 * (low + high)) / (half or 1.0)


def _covariances(axes: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """(3, n) coordinates, (m, k) neighbourhoods -> (6, m) covariances: xx, yy, zz, xy, xz, yz."""
    x, y, z = (axis[rows] for axis in axes)
    for offsets in (x, y, z):
        # About the first point before the mean, lest a small neighbourhood far from the origin lose its digits.
        offsets -= offsets[:, :1]
        offsets -= offsets.mean(axis=1, keepdims=True)
    pairs = ((x, x), (y, y), (z, z), (x, y), (x, z), (y, z))
    return np.stack([np.einsum("mk,mk->m", one, other) for one, other in pairs]) / rows.shape[1]


def _share_of_smallest(covariances: NDArray[np.float64]) -> NDArray[np.float64]:
    """(6, m) symmetric matrices -> (m,) smallest eigenvalue / trace, 0 where the trace is.

    In closed form: with q a third of the trace and B = A - q, the eigenvalues are q + 2 r cos(angle + 2 pi j / 3),
    r^2 = |B|^2 / 6, and the angle is a third of atan2(sqrt(discriminant / 108), det B / 2). The discriminant loses
    every digit near equal eigenvalues when taken as a difference; here it is 3 |B|^2 |R|^2, R what remains of B^2
    after the identity and B are projected out, so that the error stays a few units in the last place of the trace.
    """
    xx, yy, zz, xy, xz, yz = covariances
    third = (xx + yy + zz) / 3.0
    diagonal = covariances[:3] - third
    deviator = np.concatenate([diagonal, covariances[3:]])
    a, b, c = diagonal
    square = np.stack(
        [
            a * a + xy * xy + xz * xz, xy * xy + b * b + yz * yz, xz * xz + yz * yz + c * c,
            xy * (a + b) + xz * yz, xz * (a + c) + xy * yz, yz * (b + c) + xy * xz,
        ]
    )  # fmt: skip
    norm = _product(deviator, deviator)
    square[:3] -= norm / 3.0
    cubic = _product(square, deviator)
    rest = square - _ratio(cubic, norm) * deviator
    angle = np.arctan2(np.sqrt(norm * _product(rest, rest) / 36.0), cubic / 6.0) / 3.0
    smallest = third + 2.0 * np.sqrt(norm / 6.0) * np.cos(angle + 2.0 * np.pi / 3.0)
    return np.maximum(_ratio(smallest, 3.0 * third), 0.0)


def _product(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """(6, m), (6, m) symmetric matrices -> (m,) sum of the products of their nine entries."""
    together = one * other
    return together[:3].sum(axis=0) + 2.0 * together[3:].sum(axis=0)


def _ratio(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0.0)
