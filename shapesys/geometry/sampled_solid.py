"""A solid that is known by samples alone, as data sets prepared for occupancy networks give it: no mesh comes along."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import ShapeRejected
from shapesys.geometry.cloud import Cloud
from shapesys.geometry.mesh import Floats


@dataclass(frozen=True)
class SampledSolid:
    """Queries whose side is known, and points of the surface between the sides.

    Attributes:
        points: (n, 3) queries, in the unit the context names.
        inside: (n,) bool, True inside the solid.
        surface: points of the surface in the same frame, with normals and labels where they are known.
    """

    points: Floats
    inside: NDArray[np.bool_]
    surface: Cloud


def checked_solid(solid: SampledSolid) -> SampledSolid:
    """The solid, once it is known that its queries can be trusted; its surface is for `cloud.checked`.

    Raises:
        ShapeRejected: stage "validate": no queries, positions that are not finite, or not one bit for each of them.
    """
    points, inside = np.asarray(solid.points), np.asarray(solid.inside)
    if points.ndim != 2 or points.shape[1] != 3 or not len(points):
        raise ShapeRejected("validate", f"queries have shape {points.shape}; expected (n, 3) with n > 0")
    if broken := int((~np.isfinite(points)).any(axis=1).sum()):
        raise ShapeRejected("validate", f"{broken} of {len(points)} queries are not finite")
    if inside.dtype != np.bool_ or inside.shape != (len(points),):
        raise ShapeRejected(
            "validate", f"inside bits are {inside.dtype} of shape {inside.shape} beside {len(points)} queries"
        )
    return solid
