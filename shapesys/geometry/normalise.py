"""Frames: every shape lives in the unit sphere, and remembers the way back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shapesys.errors import ShapeRejected
from shapesys.geometry.mesh import Floats, Mesh

UNIT_SPHERE_MARGIN = 1.03
"""DeepSDF's margin: the farthest used vertex lies at radius 1 / 1.03 (PreprocessMesh.cpp)."""


@dataclass(frozen=True)
class Normalisation:
    """normalised = (original - centre) / scale, per coordinate.

    Attributes:
        centre: (x, y, z) in the file's unit.
        scale: length in the file's unit that becomes 1; positive.
    """

    centre: tuple[float, float, float]
    scale: float

    def apply(self, points: Floats) -> Floats:
        """(n, 3) points of the file's frame -> the normalised frame."""
        return (points - np.asarray(self.centre, dtype=points.dtype)) / points.dtype.type(self.scale)

    def undo(self, points: Floats) -> Floats:
        """(n, 3) points of the normalised frame -> the file's frame."""
        return points * points.dtype.type(self.scale) + np.asarray(self.centre, dtype=points.dtype)


def unit_sphere(mesh: Mesh, margin: float = UNIT_SPHERE_MARGIN) -> Normalisation:
    """Centre of the bounding box of used vertices to the origin, farthest used vertex to radius 1 / margin.

    Raises:
        ShapeRejected: the mesh has no extent (all used vertices coincide) or is not finite.
    """
    return unit_sphere_of_points(mesh.vertices[np.unique(mesh.faces)], margin)


def unit_sphere_of_points(points: Floats, margin: float = UNIT_SPHERE_MARGIN) -> Normalisation:
    """The same for a bare point cloud (n, 3)."""
    points = np.asarray(points, dtype=np.float64)
    centre = 0.5 * (points.min(axis=0) + points.max(axis=0))
    radius = float(np.linalg.norm(points - centre, axis=1).max())
    if not np.isfinite(radius) or radius <= 0.0:
        raise ShapeRejected("normalise", f"the shape has no finite extent (radius {radius})")
    x, y, z = (float(value) for value in centre)
    return Normalisation(centre=(x, y, z), scale=radius * margin)
