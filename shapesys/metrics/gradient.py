"""How well the gradient of a predicted field agrees with that of the true distance, whatever the field's sign.

Of an unsigned distance the gradient away from the surface is n, the unit direction from the closest point. A signed
distance has n on one side and -n on the other, and a sign-agnostic method may take either side for the outside, so both
are right (SALD, Atzmon and Lipman, ICLR 2021).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from shapesys.fields.field import Field
from shapesys.fields.gradient import central_differences
from shapesys.geometry.distance import MeshDistance
from shapesys.geometry.mesh import Floats, Mesh
from shapesys.geometry.surface import sample_surface
from shapesys.metrics.gradient_settings import GRADIENT_CONVENTIONS, GradientSettings
from shapesys.metrics.record import MetricRecord

Gradients = Floats


def _manhattan(gradients: Gradients, directions: Gradients) -> Gradients:
    to, from_ = (np.abs(gradients + sign * directions).sum(axis=1) for sign in (-1.0, 1.0))
    return np.minimum(to, from_)


def _degrees(gradients: Gradients, directions: Gradients) -> Gradients:
    """0 to 90; a gradient of zero points nowhere and counts as 90."""
    along = np.abs(np.einsum("nc,nc->n", gradients, directions))
    across = np.linalg.norm(np.cross(gradients, directions), axis=1)
    return np.degrees(np.where(along + across > 0.0, np.arctan2(across, along), math.pi / 2))


_ERRORS: dict[str, Callable[[Gradients, Gradients], Gradients]] = {"sald": _manhattan, "angle": _degrees}


def gradient_errors(field: Field, truth: Mesh, settings: GradientSettings) -> tuple[MetricRecord, ...]:
    """``gradient_error/<convention>``: mean over points near the true surface; NaN where none is far enough from it.

    Raises:
        ShapeRejected: the truth has no surface.
        ShapesysError: neither warp nor libigl is installed.
    """
    if not settings.points:
        return ()
    points, directions = points_and_directions(truth, settings)
    gradients = central_differences(field, points, settings.step)
    return tuple(_record(name, gradients, directions, settings) for name in settings.conventions)


def points_and_directions(truth: Mesh, settings: GradientSettings) -> tuple[Floats, Gradients]:
    """Points (m, 3) float32 near the surface, at least a step away, and unit directions (m, 3) from the closest."""
    rng = np.random.default_rng(settings.seed)
    surface = sample_surface(truth, settings.points, int(rng.integers(2**32))).points
    points = (surface + rng.normal(scale=settings.std, size=surface.shape)).astype(np.float32)
    away = points - MeshDistance(truth).closest(points).closest.astype(np.float64)
    distance = np.linalg.norm(away, axis=1)
    kept = distance >= settings.step
    return points[kept], away[kept] / distance[kept, None]


def _record(name: str, gradients: Gradients, directions: Gradients, settings: GradientSettings) -> MetricRecord:
    value = float(_ERRORS[name](gradients, directions).mean()) if len(gradients) else math.nan
    definition = {
        "error": GRADIENT_CONVENTIONS[name],
        "std": settings.std,
        "step": settings.step,
        "drawn": "stratified by area",
    }
    # `sampling` is of the predicted surface, which is not asked.
    return MetricRecord(f"gradient_error/{name}", value, None, definition, settings.points, seed=settings.seed)
