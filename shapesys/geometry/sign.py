"""Which side of the surface a point is on, for meshes as they come, and how far the answer can be trusted."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from shapesys.geometry.distance import MeshDistance, SortedQueries
from shapesys.geometry.mesh import Floats
from shapesys.geometry.solid import Solid, find_solid
from shapesys.geometry.topology import Flags
from shapesys.geometry.triangle_tree import TriangleTree, build_tree

INSIDE = 0.5
"""Winding number above which a point is inside."""


class SignMethod(StrEnum):
    """How the sign was found; chosen by the mesh's own defects, cheapest exact method first."""

    CLOSED = "closed"
    """Every patch is closed and consistently oriented: winding number, an integer everywhere."""
    REORIENTED = "reoriented"
    """The same after reversing faces or dropping doubled ones."""
    VISIBILITY = "visibility"
    """Patches with a boundary, oriented or dropped by rays; winding number of what is left."""


class SignField:
    """Inside or outside, for queries of a `MeshDistance`.

    A point is inside when the closed patches wind around it, or when all kept patches together do. Asking the closed
    ones first keeps an open sheet beside a solid from taking a bite out of it.
    """

    def __init__(self, distance: MeshDistance, solid: Solid) -> None:
        self.solid = solid
        self._closed = distance.tree if solid.is_as_given else _tree(distance, solid, solid.closed)
        self._all = _tree(distance, solid, solid.orientation != 0, solid.lids) if solid.open_faces.any() else None

    def winding(self, points: Floats, empty_radius: Floats | None = None) -> Floats:
        """Winding number (n,) at Morton-sorted points (n, 3) of the computing frame; inside above `INSIDE`.

        Args:
            empty_radius: (n,) distances to the surface, where known; they make it cheaper.
        """
        values = np.zeros(len(points), dtype=np.float32)
        if self._closed is not None:
            # A patch that passes through itself may wind backwards: that, too, is inside.
            values = np.abs(self._closed.winding(points, empty_radius))
        if self._all is not None:
            outside = np.flatnonzero(values <= INSIDE)
            values[outside] = self._all.winding(points[outside])
        return values

    def inside(self, queries: SortedQueries, empty_radius: Floats | None = None) -> Flags:
        """(n,) bool in sorted order."""
        return self.winding(queries.points, empty_radius) > INSIDE


def _tree(distance: MeshDistance, solid: Solid, chosen: Flags, lids: Floats | None = None) -> TriangleTree | None:
    """Winding numbers of the chosen faces as the solid orients them, and of lids."""
    if not chosen.any():
        return None
    faces = distance.faces[chosen]
    reversed_faces = (solid.orientation[chosen] == -1)[:, None]
    oriented = np.where(reversed_faces, faces[:, ::-1], faces)
    vertices = distance.vertices
    if lids is not None and len(lids):
        added = np.arange(3 * len(lids), dtype=oriented.dtype).reshape(-1, 3) + len(vertices)
        vertices = np.concatenate([vertices, lids.reshape(-1, 3).astype(np.float32)])
        oriented = np.concatenate([oriented, added])
    return build_tree(vertices, oriented, winding=True, device=distance.device)


def sign_field(distance: MeshDistance, seed: int = 0) -> SignField:
    """Analyse the mesh's defects and prepare its signs; `seed` draws the visibility rays.

    Args:
        distance: built with `winding`, so that its tree can serve the signs of a mesh without defects.
    """
    return SignField(distance, find_solid(distance.vertices, distance.faces, distance.tree.escapes, seed))
