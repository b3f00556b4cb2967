"""What maps are drawn on: a shape's mesh, or its points as small solids where a store holds clouds alone."""

from __future__ import annotations

import numpy as np

from shapesys.errors import ShapesysError
from shapesys.geometry.mesh import Floats, Mesh
from shapesys.samples.store import Store

SHARE = 0.01
"""Radius of a drawn point, of the shape's longest side: about half the distance between 1,024 points."""

_CORNERS = np.concatenate([np.eye(3), -np.eye(3)])
_FACES = np.array([[0, 1, 2], [1, 3, 2], [3, 4, 2], [4, 0, 2], [1, 0, 5], [3, 1, 5], [4, 3, 5], [0, 4, 5]])


def surface_of(store: Store, shape_id: str, points: Floats) -> Mesh:
    """The stored mesh of a shape; its points where the store keeps none.

    Args:
        points: (n, 3) first points of its cloud.
    """
    try:
        return store.mesh(shape_id)
    except ShapesysError:
        return mesh_of_points(points)


def mesh_of_points(points: Floats) -> Mesh:
    """An octahedron around each of (n, 3) points: 6n vertices, 8n faces."""
    points = np.asarray(points, np.float64)
    radius = SHARE * float(np.ptp(points, axis=0).max())
    vertices = points[:, None] + radius * _CORNERS
    faces = _FACES + 6 * np.arange(len(points))[:, None, None]
    return Mesh(vertices.reshape(-1, 3), faces.reshape(-1, 3))
