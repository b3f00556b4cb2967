"""What a triangle set says of itself: welded corners, patches, consistent orientation, closedness.

Legend: F faces, E undirected edges. A patch is a set of faces connected through edges of exactly two faces. A patch is
closed when every directed edge in it is matched by its reverse, i.e. its boundary as a chain is zero; then its winding
number is an integer everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from shapesys.geometry.mesh import Floats, Ints

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Patches:
    """Faces grouped into patches, each with one consistent orientation.

    Attributes:
        label: (F,) patch of each face, 0..count-1.
        flip: (F,) True where the face must be reversed to agree with the rest of its patch.
        closed: (count,) True where the patch, so oriented, has no boundary.
        orientable: (count,) False for patches like the Moebius strip.
    """

    label: Ints
    flip: Flags
    closed: Flags
    orientable: Flags

    @property
    def count(self) -> int:
        return len(self.closed)


def weld(vertices: Floats, faces: Ints) -> Ints:
    """(F, 3) faces renumbered so that corners at the same float32 position share one index."""
    position = np.ascontiguousarray(vertices, dtype=np.float32) + np.float32(0.0)
    bits = position.view(np.uint32).astype(np.uint64)
    with np.errstate(over="ignore"):
        key = bits[:, 0] * np.uint64(0x9E3779B97F4A7C15)
        key = (key ^ (key >> np.uint64(29)) ^ bits[:, 1]) * np.uint64(0xBF58476D1CE4E5B9)
        key = (key ^ (key >> np.uint64(32)) ^ bits[:, 2]) * np.uint64(0x94D049BB133111EB)
    _, group = np.unique(key ^ (key >> np.uint64(31)), return_inverse=True)
    return group.reshape(-1)[faces]


def is_proper(corners: Ints) -> Flags:
    """(F,) True for faces with three different corners."""
    a, b, c = corners.T
    return (a != b) & (b != c) & (c != a)


def first_of_each(corners: Ints) -> Flags:
    """(F,) True for the first of all faces that share the same three corners, in whatever order."""
    ordered = np.sort(corners, axis=1)
    span = int(corners.max()) + 1 if len(corners) else 1
    # Two keys, because three indices do not fit in 64 bits for large meshes.
    edge_key, third = ordered[:, 0].astype(np.int64) * span + ordered[:, 1], ordered[:, 2]
    order = np.lexsort((third, edge_key))
    same = (np.diff(edge_key[order]) == 0) & (np.diff(third[order]) == 0)
    keep = np.ones(len(corners), dtype=bool)
    keep[order[1:][same]] = False
    return keep


def edges_of(corners: Ints) -> tuple[Ints, Ints]:
    """Edge index (F, 3) of each side of each face, and its direction (F, 3): +1 from low to high corner, else -1."""
    start, end = corners, np.roll(corners, -1, axis=1)
    span = int(corners.max()) + 1 if len(corners) else 1
    key = np.minimum(start, end).astype(np.int64) * span + np.maximum(start, end)
    _, edge = np.unique(key, return_inverse=True)
    return edge.reshape(corners.shape), np.where(start < end, 1, -1)


def find_patches(corners: Ints) -> Patches:
    """Group proper faces (F, 3) into patches and orient each consistently, keeping the input's orientation if it is."""
    edge, direction = edges_of(corners)
    left, right, disagree = _two_face_links(edge, direction)
    if disagree.any():
        label, flip, orientable = _oriented_by_double_cover(len(corners), left, right, disagree)
    else:
        count, label = _components(len(corners), left, right)
        flip, orientable = np.zeros(len(corners), dtype=bool), np.ones(count, dtype=bool)
    closed = chain_is_closed(edge, np.where(flip[:, None], -direction, direction), label, len(orientable))
    return Patches(label, flip, closed & orientable, orientable)


def chain_is_closed(edge: Ints, direction: Ints, label: Ints, count: int) -> Flags:
    """(count,) True for the groups of faces whose directed edges cancel within the group."""
    edges = int(edge.max()) + 1 if edge.size else 0
    key = (label[:, None].astype(np.int64) * edges + edge).ravel()
    pairs, place = np.unique(key, return_inverse=True)
    boundary = np.bincount(place.reshape(-1), weights=direction.ravel())
    closed = np.ones(count, dtype=bool)
    closed[(pairs[boundary != 0] // max(edges, 1))] = False
    return closed


def groups_sharing_edges(edge: Ints) -> tuple[int, Ints]:
    """Connected components of faces through any shared edge, however many faces it has: count and (F,) label."""
    faces = np.repeat(np.arange(len(edge)), 3)
    edges = int(edge.max()) + 1 if edge.size else 0
    count, label = _components(len(edge) + edges, faces, edge.ravel() + len(edge))
    return count, label[: len(edge)]


def _two_face_links(edge: Ints, direction: Ints) -> tuple[Ints, Ints, Flags]:
    """The two faces at each manifold edge, and whether they run along it in the same direction."""
    flat = edge.ravel()
    order = np.argsort(flat, kind="stable")
    first = np.flatnonzero(np.bincount(flat, minlength=1) == 2)
    start = np.searchsorted(flat[order], first)
    one, other = order[start], order[start + 1]
    disagree = direction.ravel()[one] == direction.ravel()[other]
    return one // 3, other // 3, disagree


def _oriented_by_double_cover(faces: int, left: Ints, right: Ints, disagree: Flags) -> tuple[Ints, Flags, Flags]:
    """Orient patches without a traversal: components of the graph whose nodes are (face, flipped or not)."""
    left_up, left_down = left, left + faces
    right_up = np.where(disagree, right + faces, right)
    right_down = np.where(disagree, right, right + faces)
    _, cover = _components(2 * faces, np.concatenate([left_up, left_down]), np.concatenate([right_up, right_down]))
    up, down = cover[:faces], cover[faces:]
    _, label = np.unique(np.minimum(up, down), return_inverse=True)
    label = label.reshape(-1)
    orientable = np.ones(int(label.max()) + 1 if faces else 0, dtype=bool)
    orientable[label[up == down]] = False
    return label, down < up, orientable


def _components(nodes: int, left: Ints, right: Ints) -> tuple[int, Ints]:
    graph = coo_matrix((np.ones(len(left), dtype=np.int8), (left, right)), shape=(nodes, nodes))
    count, label = connected_components(graph, directed=False)
    return int(count), label
