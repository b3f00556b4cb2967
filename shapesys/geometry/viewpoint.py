"""Where a shape is photographed from, in the camera model of Choy et al. (3D-R2N2, ECCV 2016).

A lens of 35 mm before a sensor of 32 mm looks at the middle of the shape's box. It stands `distance` times 1.75 away,
where lengths are diagonals of that box: models of ShapeNetCore v1, which they rendered, have a diagonal of about 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from shapesys.geometry.camera import Camera, Point
from shapesys.geometry.mesh import Mesh

FARTHEST = 1.75
"""Distance of a camera whose `distance` is 1, in diagonals of the shape's box."""
FOCAL_LENGTH, SENSOR = 35.0, 32.0
"""Of the published cameras, in millimetres."""


def opening(focal_length: float) -> float:
    """Field of view in degrees of a lens (focal length in millimetres) before the 32 mm sensor."""
    return float(2.0 * np.rad2deg(np.arctan(0.5 * SENSOR / focal_length)))


@dataclass(frozen=True)
class Viewpoint:
    """A place to photograph a shape from; y is up.

    Attributes:
        azimuth, elevation: of the camera as the shape sees it, in degrees; azimuth 0 is on -z, 90 on +x.
        rotation: in the image plane: the shape is turned counter-clockwise by so many degrees.
        distance: as a share of `FARTHEST`.
        field_of_view: in degrees.
        shift: how far the middle of the shape lies to the right of the image's middle, and above it, as shares of the
            image's side.
    """

    azimuth: float
    elevation: float
    rotation: float = 0.0
    distance: float = 1.0
    field_of_view: float = opening(FOCAL_LENGTH)
    shift: tuple[float, float] = (0.0, 0.0)

    @property
    def parameters(self) -> tuple[float, float, float, float, float]:
        """Azimuth, elevation, rotation, distance and field of view, in the order of ``rendering_metadata.txt``."""
        return self.azimuth, self.elevation, self.rotation, self.distance, self.field_of_view

    def camera(self, mesh: Mesh) -> Camera:
        """The camera before a mesh, in the mesh's frame.

        Raises:
            ValueError: an elevation of 90 degrees, which leaves no direction up.
        """
        low, high = (np.asarray(corner, np.float64) for corner in mesh.bounds)
        distance = self.distance * FARTHEST * float(np.linalg.norm(high - low))
        half = np.tan(np.deg2rad(self.field_of_view) / 2)
        # `orbit` asks for the radius of the ball that just fills the image.
        radius = distance * float(np.sin(np.deg2rad(self.field_of_view) / 2))
        straight = Camera.orbit(self.azimuth, self.elevation, radius, _point(0.5 * (low + high)), self.field_of_view)
        turn, (right, up, _) = np.deg2rad(self.rotation), straight.axes
        turned = replace(straight, up=_point(np.cos(turn) * up + np.sin(turn) * right))
        right, up, _ = turned.axes
        # The camera moves sideways, so that the shape moves the other way without being turned.
        aside = -2.0 * half * distance * (self.shift[0] * right + self.shift[1] * up)
        return replace(
            turned, position=_point(np.add(turned.position, aside)), target=_point(np.add(turned.target, aside))
        )


def _point(values: np.ndarray) -> Point:
    x, y, z = (float(value) for value in values)
    return x, y, z
