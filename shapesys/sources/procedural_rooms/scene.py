"""What a room is put together from: things with a place on the floor that they keep for themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shapesys.geometry.mesh import Floats, Mesh

Corner = tuple[float, float, float]


@dataclass(frozen=True)
class Thing:
    """Something in a room.

    Attributes:
        kind: its class.
        mesh: its surface, in the room's frame.
    """

    kind: str
    mesh: Mesh


@dataclass(frozen=True)
class Footprint:
    """A rectangle on the floor: its centre (x, z), its half sides and the angle it is turned about the up axis."""

    x: float
    z: float
    half_x: float
    half_z: float
    yaw: float = 0.0

    @property
    def axes(self) -> Floats:
        """(2, 2) unit rows: where its own x and z axes point, in x and z of the room."""
        cosine, sine = np.cos(self.yaw), np.sin(self.yaw)
        return np.array([[cosine, -sine], [sine, cosine]])

    @property
    def corners(self) -> Floats:
        """(4, 2) corners in x and z."""
        signs = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]])
        return np.array([self.x, self.z]) + (signs * (self.half_x, self.half_z)) @ self.axes

    def grown(self, margin: float) -> Footprint:
        """The same rectangle, larger by a margin on every side."""
        return Footprint(self.x, self.z, self.half_x + margin, self.half_z + margin, self.yaw)

    def overlaps(self, other: Footprint) -> bool:
        """Whether two rectangles share area: no side of either separates them."""
        for axis in np.concatenate([self.axes, other.axes]):
            mine, theirs = self.corners @ axis, other.corners @ axis
            if mine.max() <= theirs.min() or theirs.max() <= mine.min():
                return False
        return True

    def within(self, width: float, depth: float) -> bool:
        """Whether it lies in the rectangle of these sides around the origin."""
        return bool((np.abs(self.corners) <= (0.5 * width, 0.5 * depth)).all())


def standing(mesh: Mesh, scale: float = 1.0) -> tuple[Mesh, Floats]:
    """The mesh scaled, its box's middle above the origin and its lowest point at y = 0; and the box's sides (3,)."""
    low, high = (np.asarray(corner, dtype=np.float64) for corner in mesh.bounds)
    middle = np.array([0.5 * (low[0] + high[0]), low[1], 0.5 * (low[2] + high[2])])
    return mesh.with_vertices(scale * (mesh.vertices - middle)), scale * (high - low)


def placed(mesh: Mesh, place: Footprint, height: float = 0.0) -> Mesh:
    """The mesh turned and moved to where its footprint is, `height` above the floor."""
    turned = mesh.vertices.copy()
    turned[:, [0, 2]] = mesh.vertices[:, [0, 2]] @ place.axes
    return mesh.with_vertices(turned + (place.x, height, place.z))


def quad(corner: Corner, first: Corner, second: Corner) -> Mesh:
    """The parallelogram of two sides from a corner; its normal is along first x second."""
    start, u, v = (np.array(one, dtype=np.float64) for one in (corner, first, second))
    return Mesh(np.stack([start, start + u, start + u + v, start + v]), np.array([[0, 1, 2], [0, 2, 3]]))
