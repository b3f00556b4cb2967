"""Frames: where shapes lie while they are sampled and learned, and the way back.

What each of `FRAMES` is, and who publishes on it:

    unit_sphere       centre of the bounding box to the origin, farthest vertex to radius 1 / margin (DeepSDF, ISSN)
    mean              mean of the surface to the origin, lengths kept (SAL on D-FAUST, whose unit is the metre)
    as_given          nothing is moved (SALD on D-FAUST)
    mean_unit_cube    mean of the surface to the origin, largest |coordinate| to 1 (a single shape of SAL, IGR, DiGS)
    unit_cube         centre of the bounding box to the origin, its longest side to 1 (Occupancy Networks, ConvONet)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from shapesys.errors import ShapeRejected, unknown_name
from shapesys.geometry.mesh import Floats, Mesh

UNIT_SPHERE_MARGIN = 1.03
"""DeepSDF's margin: the farthest used vertex lies at radius 1 / 1.03 (PreprocessMesh.cpp)."""
COARSEST = 1e-5
"""Share of a shape's radius that its stored positions, in single precision, may be rounded by."""

FrameName = Literal["unit_sphere", "mean", "as_given", "mean_unit_cube", "unit_cube"]
FRAMES: tuple[FrameName, ...] = get_args(FrameName)


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


@dataclass(frozen=True)
class Framing:
    """The rule by which every shape of a store gets its `Normalisation`.

    Attributes:
        name: one of `FRAMES`.
        margin: of `unit_sphere`; the others have none.

    Raises:
        UsageError: an unknown name.
    """

    name: FrameName = "unit_sphere"
    margin: float = UNIT_SPHERE_MARGIN

    def __post_init__(self) -> None:
        if self.name not in FRAMES:
            raise unknown_name("frame", self.name, FRAMES)

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> Framing:
        """Of recorded settings; those from before there was a choice mean the unit sphere."""
        usual = cls()
        return cls(settings.get("frame", usual.name), settings.get("margin", usual.margin))

    def to_settings(self) -> dict[str, Any]:
        """What `of_settings` reads."""
        return {"frame": self.name, "margin": self.margin}

    @property
    def is_unit_sphere(self) -> bool:
        """Whether all shapes lie in the unit sphere."""
        return self.name == "unit_sphere"

    def of_mesh(self, mesh: Mesh) -> Normalisation:
        """The frame of a surface. Its mean is the exact one over its area, which means of samples come near.

        Raises:
            ShapeRejected: as `of_points`.
        """
        return self._of(mesh.vertices[np.unique(mesh.faces)], lambda: surface_mean(mesh))

    def of_points(self, points: Floats) -> Normalisation:
        """The frame of a bare point cloud (n, 3).

        Raises:
            ShapeRejected: stage "normalise": no finite extent, or so far from the origin that single precision would
                round the shape away.
        """
        return self._of(points, lambda: np.asarray(points, dtype=np.float64).mean(axis=0))

    def radius_of(self, points: Floats) -> float:
        """Length in the frame that is 1 in the unit sphere, of a shape (n, 3) that lies in the frame already.

        Thresholds that belong to no unit of length are shares of it.
        """
        return 1.0 if self.is_unit_sphere else unit_sphere_of_points(points).scale

    def _of(self, points: Floats, mean: Callable[[], Floats]) -> Normalisation:
        sphere = unit_sphere_of_points(points, self.margin)
        if self.is_unit_sphere:
            return sphere
        centre = self._centre(sphere, mean)
        points = np.asarray(points, dtype=np.float64)
        farthest = float(np.abs(points - centre).max())
        x, y, z = (float(value) for value in centre)
        frame = Normalisation((x, y, z), self._scale(points, farthest))
        self._check_precision(farthest / frame.scale, sphere.scale / frame.scale)
        return frame

    def _centre(self, sphere: Normalisation, mean: Callable[[], Floats]) -> Floats:
        if self.name == "unit_cube":
            return np.asarray(sphere.centre)
        return np.zeros(3) if self.name == "as_given" else mean()

    def _scale(self, points: Floats, farthest: float) -> float:
        if self.name == "unit_cube":
            return float(np.ptp(points, axis=0).max())
        return farthest if self.name == "mean_unit_cube" else 1.0

    def _check_precision(self, farthest: float, radius: float) -> None:
        """Refuse a frame whose largest |coordinate| single precision cannot tell from its neighbours on the shape."""
        rounding = float(np.spacing(np.float32(farthest)))
        if not rounding <= COARSEST * radius:  # nor where it overflows
            raise ShapeRejected(
                "normalise",
                f"frame '{self.name}' leaves a shape of radius {radius:.3g} up to {farthest:.3g} from the origin, "
                f"where single precision rounds by {rounding:.2g}; choose another --frame, such as mean",
            )


def surface_mean(mesh: Mesh) -> Floats:
    """(3,) float64 mean over the surface's area: centroids of its triangles, weighted by their areas.

    Raises:
        ShapeRejected: stage "normalise", the surface has no area.
    """
    corners = np.asarray(mesh.triangles, dtype=np.float64)
    near = corners.reshape(-1, 3).mean(axis=0)
    corners = corners - near  # far from the origin, products would lose what tells positions apart
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.linalg.norm(normals, axis=1)
    total = float(areas.sum())
    if not np.isfinite(total) or total <= 0.0:
        raise ShapeRejected("normalise", f"the surface has no area (total {total:g} over {len(areas)} faces)")
    mean: Floats = near + areas @ corners.mean(axis=1) / total
    return mean


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
