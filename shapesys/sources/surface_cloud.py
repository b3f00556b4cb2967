"""Points drawn on scanned meshes, for those who train on samples of a surface instead of its vertices."""

from __future__ import annotations

import numpy as np

from shapesys.geometry.cloud import Cloud
from shapesys.geometry.mesh import Floats, Ints, Mesh
from shapesys.geometry.surface import sample_surface


def cloud_on_surface(mesh: Mesh, count: int, seed: int, vertices: Cloud | None = None) -> Cloud:
    """`count` points, uniform over the area and in random order, with the normals of their triangles.

    Args:
        vertices: colours and labels of the mesh's vertices, where there are any; a point takes those of the nearest
            corner of its triangle.

    Raises:
        ShapeRejected: the mesh has no faces or no area.
    """
    drawn = sample_surface(mesh, count, seed)
    order = np.random.default_rng(seed).permutation(count)
    points, normals = drawn.points[order], drawn.normals[order]
    if vertices is None:
        return Cloud(points, normals)
    corners = vertices.take(_nearest_corners(mesh, drawn.faces[order], points))
    return Cloud(points, normals, corners.colors, corners.labels)


def _nearest_corners(mesh: Mesh, faces: Ints, points: Floats) -> Ints:
    """(n,) the vertex nearest to each point (n, 3) among the three of its face (n,)."""
    offsets = mesh.triangles[faces] - points[:, None]
    nearest = np.square(offsets).sum(axis=2).argmin(axis=1)
    corners: Ints = mesh.faces[faces, nearest]
    return corners
