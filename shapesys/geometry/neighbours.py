"""Nearest neighbours between point clouds: exact, with the fastest search that is installed."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import missing_extra, unknown_name
from shapesys.geometry.mesh import Floats
from shapesys.geometry.morton import morton_order

Search = Literal["auto", "grid", "pykdtree", "scipy"]

GRID_FROM = 4096
"""Clouds below this size gain nothing from the compiled grid search."""

TIE_CANDIDATES = (3, 16)
"""Neighbours looked at, first of every query and then of those that still tie; brute force settles the rest."""

FAR_LEAF = 256
"""Points in a leaf of the tree that far queries are answered by. Many points are nearly as near to these as the nearest
is: going through them in a row is faster than down to each."""


class Neighbours(NamedTuple):
    """The answer to a neighbour query; ``k`` is absent for the single nearest.

    Attributes:
        distances: (m,) or (m, k) float32 Euclidean distances, ascending along k.
        indices: (m,) or (m, k) int64 rows of the searched points.
    """

    distances: NDArray[np.float32]
    indices: NDArray[np.int64]


def nearest(points: Floats, queries: Floats, search: Search = "auto") -> Neighbours:
    """The nearest of ``points`` (n, 3) to each of ``queries`` (m, 3), both taken as float32.

    Every search is exact. ``grid`` breaks ties to the lowest index; the trees leave ties unspecified.

    Args:
        search: ``grid`` (needs warp-lang), ``pykdtree`` (LGPL, never required; threads by OMP_NUM_THREADS),
            ``scipy``, or ``auto``: the first of these that is installed and pays off at this size.

    Raises:
        ValueError: an array is not (n, 3), ``points`` is empty, or a coordinate is not finite.
        UsageError: no such search.
    """
    points, queries = _checked(points, "points", least=1), _checked(queries, "queries", least=0)
    chosen = _choose(search, len(points), len(queries))
    if chosen == "grid":
        from shapesys.geometry.nearest_grid import nearest_by_grid

        distances, indices = nearest_by_grid(points, queries)
        return Neighbours(*_finish_unresolved(points, queries, distances, indices))
    return _by_tree(chosen, points, queries, 1)


def k_nearest(points: Floats, queries: Floats, k: int, search: Search = "auto") -> Neighbours:
    """The ``k`` nearest of ``points`` (n, 3) to each of ``queries`` (m, 3), nearest first: (m, k) each.

    Raises:
        ValueError: as `nearest`, or ``k`` outside 1..n.
    """
    points, queries = _checked(points, "points", least=1), _checked(queries, "queries", least=0)
    if not 1 <= k <= len(points):
        raise ValueError(f"k is {k}; it must be within 1..{len(points)}, the number of points")
    chosen = "auto" if search == "auto" else _choose(search, len(points), len(queries))
    if chosen in ("auto", "grid"):
        chosen = "pykdtree" if installed("pykdtree") else "scipy"
    found = _by_tree(chosen, points, queries, k)
    return Neighbours(found.distances.reshape(-1, k), found.indices.reshape(-1, k))


def nearest_other(points: Floats) -> NDArray[np.int64]:
    """(n,) index of every point's nearest neighbour other than itself; ties go to the lowest index.

    Coincident points are neighbours of each other at distance 0.

    Raises:
        ValueError: fewer than two points, or as `nearest`.
    """
    points = _checked(points, "points", least=2)
    return _lowest_nearest(points, points, barred=np.arange(len(points)))


def nearest_lowest(points: Floats, queries: Floats) -> Neighbours:
    """As `nearest`, with ties to the lowest index whatever is installed; for small clouds and exact symmetry."""
    points, queries = _checked(points, "points", least=1), _checked(queries, "queries", least=0)
    indices = _lowest_nearest(points, queries, barred=np.full(len(queries), -1))
    offsets = queries.astype(np.float64) - points[indices]
    return Neighbours(np.linalg.norm(offsets, axis=1).astype(np.float32), indices)


def _lowest_nearest(
    points: NDArray[np.float32], queries: NDArray[np.float32], barred: NDArray[np.int64]
) -> NDArray[np.int64]:
    """(m,) the nearest point to each query, the lowest among equals, never the one ``barred`` to that query."""
    order = morton_order(points)
    tree = scipy_tree(points[order])
    answer = np.zeros(len(queries), np.int64)
    # Along the curve, successive queries meet the same part of the tree.
    undecided = morton_order(queries) if len(queries) else np.empty(0, np.int32)
    for candidates in TIE_CANDIDATES:
        wanted = min(candidates, len(points))
        distances, rows = tree.query(queries[undecided], k=range(1, wanted + 1))
        indices = order[rows]
        allowed = np.where(indices == barred[undecided, None], np.inf, distances)
        least = allowed.min(axis=1)
        answer[undecided] = np.where(allowed == least[:, None], indices, len(points)).min(axis=1)
        if wanted == len(points):
            return answer
        # When the last candidate ties too, a lower index may lie beyond the candidates.
        undecided = undecided[distances[:, -1] == least]
    for row in undecided:
        answer[row] = _lowest_of_all(points, queries[row], int(barred[row]))
    return answer


def _lowest_of_all(points: NDArray[np.float32], query: NDArray[np.float32], barred: int) -> int:
    """The point nearest to one query, by brute force."""
    offsets = points.astype(np.float64) - query
    squared = np.einsum("nc,nc->n", offsets, offsets)
    if barred >= 0:
        squared[barred] = np.inf
    return int(squared.argmin())


def _choose(search: str, point_count: int, query_count: int) -> str:
    """The search to use, after checking that it exists and is installed."""
    if search not in get_args(Search):
        raise unknown_name("neighbour search", search, get_args(Search))
    if search == "grid" and not installed("warp"):
        raise missing_extra("warp-lang", "sampling", "neighbour search 'grid'")
    if search == "pykdtree" and not installed("pykdtree"):
        raise ValueError("neighbour search 'pykdtree' needs the optional package pykdtree; use 'auto' or 'scipy'")
    if search != "auto":
        return search
    if installed("warp") and min(point_count, query_count) >= GRID_FROM:
        return "grid"
    return "pykdtree" if installed("pykdtree") else "scipy"


@cache
def installed(package: str) -> bool:
    """Whether an optional package can be imported."""
    return find_spec(package) is not None


def _checked(points: Floats, name: str, least: int) -> NDArray[np.float32]:
    """The cloud as contiguous float32, or a ValueError that names what is wrong with it."""
    points = np.ascontiguousarray(points, dtype=np.float32)
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"{name} has shape {points.shape}; expected (n, 3)")
    if len(points) < least:
        raise ValueError(f"{name} holds {len(points)} points; at least {least} needed")
    if not np.isfinite(points).all():
        raise ValueError(f"{name} holds {int((~np.isfinite(points)).any(axis=1).sum())} points that are not finite")
    return points


def scipy_tree(points: Floats, leaf: int = 16) -> Any:
    """A tree over (n, 3) points, of `leaf` to a leaf. Cut at cells' middles, which builds faster than at medians."""
    # Imported on use: scipy.spatial takes longer to load than everything else that settings and --help need.
    from scipy.spatial import cKDTree

    return cKDTree(points, leafsize=leaf, balanced_tree=False)


def _by_tree(search: str, points: NDArray[np.float32], queries: NDArray[np.float32], k: int) -> Neighbours:
    if len(queries) == 0:
        shape = (0,) if k == 1 else (0, k)
        return Neighbours(np.zeros(shape, np.float32), np.zeros(shape, np.int64))
    if search == "pykdtree":
        from pykdtree.kdtree import KDTree

        distances, indices = KDTree(points).query(queries, k=k)
    else:
        distances, indices = scipy_tree(points).query(queries, k=k)
    return Neighbours(distances.astype(np.float32, copy=False), indices.astype(np.int64))


def _finish_unresolved(
    points: NDArray[np.float32],
    queries: NDArray[np.float32],
    distances: NDArray[np.float32],
    indices: NDArray[np.int32],
) -> Neighbours:
    """Queries too far from every point for the grid (index -1) are answered by the tree."""
    wide = indices.astype(np.int64)
    missing = np.flatnonzero(indices < 0)
    if len(missing):
        found = _nearest_of_far(points, queries[missing])
        distances[missing], wide[missing] = found.distances, found.indices
    return Neighbours(distances, wide)


def _nearest_of_far(points: NDArray[np.float32], queries: NDArray[np.float32]) -> Neighbours:
    # Along the curve, successive queries meet the same part of the tree.
    order, along = morton_order(points), morton_order(queries)
    found, rows = scipy_tree(points[order], FAR_LEAF).query(queries[along])
    distances, indices = np.empty(len(queries), np.float32), np.empty(len(queries), np.int64)
    distances[along], indices[along] = found, order[rows]
    return Neighbours(distances, indices)
