"""Lids for the openings of surfaces that nearly enclose a volume, so that their winding number is an integer again.

Without lids the level set of the winding number bulges through a large opening; a lid spans it straight.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from shapesys.geometry.mesh import Floats, Ints
from shapesys.geometry.topology import edges_of, groups_sharing_edges

LARGEST_LID = 0.5
"""Lid area over surface area up to which connected faces count as a container of volume."""


def find_lids(triangles: Floats, corners: Ints) -> Floats:
    """Triangles (L, 3, 3) that close the openings of oriented faces; none for surfaces that are mostly opening.

    Each loop of boundary edges is joined to its centroid, wound so that every boundary edge is cancelled.

    Args:
        triangles: (F, 3, 3) float64 oriented corner positions; corners: (F, 3) their welded indices.
    """
    edge, direction = edges_of(corners)
    surplus = np.bincount(edge.ravel(), weights=direction.ravel()).astype(np.int64)
    sides = _boundary_sides(edge, direction, surplus)
    if len(sides) == 0:
        return np.zeros((0, 3, 3))
    start, end = triangles.reshape(-1, 3)[sides], np.roll(triangles, -1, axis=1).reshape(-1, 3)[sides]
    loop = _loops(corners.ravel()[sides], np.roll(corners, -1, axis=1).ravel()[sides])
    lids = np.stack([end, start, _centroids(start, end, loop)[loop]], axis=1)
    groups, group = groups_sharing_edges(edge)
    surface = np.bincount(group, weights=triangle_areas(triangles), minlength=groups)
    needed = np.bincount(group[sides // 3], weights=triangle_areas(lids), minlength=groups)
    return lids[(needed <= LARGEST_LID * surface)[group[sides // 3]]]


def _boundary_sides(edge: Ints, direction: Ints, surplus: Ints) -> Ints:
    """Flat indices into (F, 3) of the sides that no other face's side cancels: |surplus| of them for each edge."""
    flat, sign = edge.ravel(), direction.ravel()
    candidates = np.flatnonzero(sign * np.sign(surplus)[flat] > 0)
    candidates = candidates[np.argsort(flat[candidates], kind="stable")]
    edges = flat[candidates]
    first = np.searchsorted(edges, edges)
    return candidates[np.arange(len(edges)) - first < np.abs(surplus)[edges]]


def _loops(start: Ints, end: Ints) -> Ints:
    """Loop of each boundary side: connected components through shared corners."""
    _, node = np.unique(np.concatenate([start, end]), return_inverse=True)
    node = node.reshape(2, -1)
    size = int(node.max()) + 1
    graph = coo_matrix((np.ones(node.shape[1], dtype=np.int8), (node[0], node[1])), shape=(size, size))
    return connected_components(graph, directed=False)[1][node[0]]


def _centroids(start: Floats, end: Floats, loop: Ints) -> Floats:
    """(loops, 3) centroids, weighted by side length."""
    length = np.linalg.norm(end - start, axis=1) + 1e-30
    total = np.bincount(loop, weights=length)
    middle = 0.5 * (start + end)
    return np.stack([np.bincount(loop, weights=length * middle[:, k]) / total for k in range(3)], axis=1)


def triangle_areas(triangles: Floats) -> Floats:
    """(n, 3, 3) corners -> (n,) areas."""
    cross = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    return 0.5 * np.linalg.norm(cross, axis=1)
