"""Units of length: every frame differs from the coordinates at hand by a uniform scale."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import get_args

import numpy as np

from shapesys.errors import ShapeRejected, unknown_name
from shapesys.geometry.mesh import Floats, Mesh
from shapesys.geometry.normalise import Normalisation, unit_sphere_of_points
from shapesys.metrics.conventions import Frame


@dataclass(frozen=True)
class Frames:
    """The unit lengths of one shape.

    Attributes:
        truth: the ground truth, in the coordinates that are evaluated: a surface, or (n, 3) points of a scan where
            nobody knows the surface.
        normalisation: how these coordinates came from the file's; None when they are the file's own.
    """

    truth: Mesh | Floats
    normalisation: Normalisation | None = None

    def unit(self, frame: str) -> float:
        """Length of one unit of ``frame`` in the coordinates at hand.

        Raises:
            UsageError: unknown frame.
            ShapeRejected: the ground truth has no extent.
        """
        if frame == "unit_cube":
            return self._longest_side
        if frame == "unit_sphere":
            return self._sphere_radius
        if frame == "object":
            return 1.0 / self.normalisation.scale if self.normalisation else 1.0
        if frame == "as_given":
            return 1.0
        raise unknown_name("frame", frame, get_args(Frame))

    @cached_property
    def _used(self) -> Floats:
        """(u, 3) vertices that faces use, or all points."""
        if not isinstance(self.truth, Mesh):
            return self.truth
        if self.truth.is_empty:
            raise ShapeRejected("metrics", "the ground truth has no faces")
        used = np.zeros(len(self.truth.vertices), bool)
        used[self.truth.faces] = True
        return self.truth.vertices[used]

    @cached_property
    def _longest_side(self) -> float:
        axes = np.ascontiguousarray(self._used.T, dtype=np.float64)
        side = float((axes.max(axis=1) - axes.min(axis=1)).max())
        if not np.isfinite(side) or side <= 0.0:
            raise ShapeRejected("metrics", f"the ground truth has no finite extent (longest side {side})")
        return side

    @cached_property
    def _sphere_radius(self) -> float:
        """Length that the unit-sphere normalisation, margin included, maps to 1."""
        return unit_sphere_of_points(self._used).scale
