"""A pinhole camera: where it stands, where it looks, how points land on pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from shapesys.geometry.mesh import Floats

Point = tuple[float, float, float]
Size = tuple[int, int]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera with square pixels, looking from `position` to `target`.

    Attributes:
        position: the eye, in the mesh's unit.
        target: the point in the middle of the image.
        up: the direction that is up in the image; not parallel to the view.
        field_of_view: vertical opening angle in degrees, between 0 and 180.
    """

    position: Point
    target: Point = (0.0, 0.0, 0.0)
    up: Point = (0.0, 1.0, 0.0)
    field_of_view: float = 30.0

    def __post_init__(self) -> None:
        if not 0.0 < self.field_of_view < 180.0:
            raise ValueError(f"field_of_view is {self.field_of_view} degrees; it must lie between 0 and 180")
        if np.linalg.norm(np.cross(self._forward, self.up)) < 1e-9:
            raise ValueError(f"up {self.up} is parallel to the view from {self.position} to {self.target}")

    @classmethod
    def look_at(
        cls, position: Point, target: Point = (0.0, 0.0, 0.0), up: Point = (0.0, 1.0, 0.0), field_of_view: float = 30.0
    ) -> Camera:
        """The camera at `position` that sees `target` in the middle of its image."""
        return cls(position, target, up, field_of_view)

    @classmethod
    def orbit(
        cls,
        azimuth: float,
        elevation: float,
        radius: float = 1.0,
        target: Point = (0.0, 0.0, 0.0),
        field_of_view: float = 30.0,
    ) -> Camera:
        """The camera on a sphere around `target` that just sees all of a ball of `radius` there.

        Azimuth 0 stands in front of the shape (on -z, the front of shapes with y up), 90 at its side on +x;
        elevation 90 would stand straight above and is refused, for want of an up direction. Both in degrees.
        """
        turn, rise = np.deg2rad(azimuth), np.deg2rad(elevation)
        outward = np.array([np.cos(rise) * np.sin(turn), np.sin(rise), -np.cos(rise) * np.cos(turn)])
        distance = radius / np.sin(np.deg2rad(field_of_view) / 2)
        x, y, z = (float(value) for value in np.asarray(target) + distance * outward)
        return cls((x, y, z), target, field_of_view=field_of_view)

    @property
    def _forward(self) -> Floats:
        ray = np.subtract(self.target, self.position).astype(np.float64)
        return ray / np.linalg.norm(ray)

    @cached_property
    def axes(self) -> Floats:
        """(3, 3) rows: the image's right, its up, and the view direction, in the mesh's frame."""
        right = np.cross(self._forward, self.up)
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(right, self._forward), self._forward])

    def focal_length(self, size: Size) -> float:
        """Pixels per unit of slope, for an image of `size` (height, width)."""
        return size[0] / 2 / float(np.tan(np.deg2rad(self.field_of_view) / 2))

    @cached_property
    def world_matrix(self) -> Floats:
        """(3, 4): (x, y, z, 1) of the mesh's frame to camera coordinates: x right, y down, z along the view."""
        rotation = self.axes * np.array([[1.0], [-1.0], [1.0]])
        return np.column_stack([rotation, -rotation @ np.asarray(self.position)])

    def intrinsics(self, size: Size) -> Floats:
        """(3, 3): camera coordinates to homogeneous pixels (column, row, 1), pixel centres at halves."""
        focal = self.focal_length(size)
        return np.array([[focal, 0.0, size[1] / 2], [0.0, focal, size[0] / 2], [0.0, 0.0, 1.0]])

    def project(self, points: Floats, size: Size) -> tuple[Floats, Floats]:
        """Pixel coordinates (n, 2) as (column, row), pixel centres at halves, and depth (n,) along the view."""
        local = (np.asarray(points, dtype=np.float64) - np.asarray(self.position)) @ self.axes.T
        depth = local[:, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = local[:, :2] / depth[:, None]
        pixels = slope * self.focal_length(size) * (1.0, -1.0) + (size[1] / 2, size[0] / 2)
        return pixels, depth
