"""The mirror plane of a category, from clouds of its shapes.

Every candidate plane mirrors some points of every shape; a plane's cost is the median over shapes of the mean distance
from these images to the shape. The median lets shapes that are not symmetric be outvoted. Candidates are the coordinate
planes and, so that slanted categories are found as well, directions all over the hemisphere, the best of them refined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapesys.geometry.mesh import Floats
from shapesys.geometry.neighbours import scipy_tree
from shapesys.geometry.plane import Plane

AXES = (Plane((1.0, 0.0, 0.0)), Plane((0.0, 0.0, 1.0)), Plane((0.0, 1.0, 0.0)))
"""The coordinate planes, the likeliest first: shapes stand upright along y, and most of our sources mirror them in
x = 0 (ShapeNet v2, the built-in designs), others in z = 0 (ShapeNet v1). That top and bottom look alike says least of
what a category is."""

AS_GOOD = 1.1
"""A coordinate plane is taken where its cost is at most this many times the best. In clouds of 1,024 points, the valid
planes of a category differ by up to 5 %; where it has only one, the next best costs a fifth more or worse."""

DIRECTIONS = 600
"""Tried all over the hemisphere, some 6 degrees from each other."""

APART = np.radians(20.0)
"""Planes at a smaller angle count as one candidate."""

REFINED = 3
"""Directions that are refined."""

FIRST_STEPS = (0.08, 0.08, 0.03)
"""Of the refinement: radians of tilt either way, and offset."""

SEARCH_POINTS = 640
REFINE_POINTS = 1280
RANK_POINTS = 8192
"""Points mirrored in each plane, of all shapes together; fewer find wrong planes of slender shapes."""

FEWEST_PER_SHAPE = 16
"""Of more shapes than these leave points for, some from all over the list stand for all in the search."""


@dataclass(frozen=True)
class FoundPlane:
    """The best mirror plane of some clouds, and how good it is.

    Attributes:
        normal: of unit length, its largest component positive.
        offset: points x of the plane have normal . x = offset.
        gap: median of `residuals`.
        residuals: one per shape, the mean distance from its points' mirror images to its nearest point. Not zero in
            symmetric shapes either, but near the mean distance from a place on the surface to the nearest sample.
        symmetric_share: share of the shapes whose every mirrored point is closer than the threshold to one of theirs.
        runner_up: the best candidate that is not nearly the same plane.
        runner_up_gap: its `gap`; close to `gap` where a category has several mirror planes, or none.
    """

    normal: tuple[float, float, float]
    offset: float
    gap: float
    residuals: tuple[float, ...]
    symmetric_share: float
    runner_up: Plane
    runner_up_gap: float

    @property
    def plane(self) -> Plane:
        """The plane itself."""
        return Plane(self.normal, self.offset)


def find_mirror_plane(clouds: Sequence[Floats], symmetric_within: float = 0.1) -> FoundPlane:
    """The plane in which a category's shapes are most nearly their own mirror images.

    Always an answer: that no plane is any good shows in a low `FoundPlane.symmetric_share`. Among planes as good as
    each other (`AS_GOOD`) a coordinate plane is preferred, x = 0 before z = 0 before y = 0 (`AXES`). The same clouds
    give the same plane.

    Args:
        clouds: (n, 3) points for each shape, n > 0 and free to differ, all in one frame: the unit sphere with the
            bounding box's centre at the origin. Spread evenly (farthest points), 1,024 suffice; chance leaves holes in
            smaller or random clouds, which count against `symmetric_share`.
        symmetric_within: how near the image of every point of a symmetric shape comes to a point, in the clouds' unit.

    Raises:
        ValueError: no clouds, one that is not (n, 3), is empty or not finite, or a threshold that is not positive.
    """
    if not clouds:
        raise ValueError("no clouds to find a mirror plane of; give at least one")
    if not symmetric_within > 0.0:
        raise ValueError(f"symmetric_within is {symmetric_within}; it must be positive, e.g. 0.1")
    shapes = [_Shape.of(cloud, place) for place, cloud in enumerate(clouds)]
    slanted = [_refined(plane, shapes) for plane in _promising(shapes)]
    chosen, runner_up = _ranked([*AXES, *slanted], shapes)
    distances = [shape.mirrored_to_nearest([chosen], len(shape.points))[0] for shape in shapes]
    others = [shape.mirrored_to_nearest([runner_up], len(shape.points))[0].mean() for shape in shapes]
    residuals = [float(each.mean()) for each in distances]
    return FoundPlane(
        normal=chosen.normal,
        offset=chosen.offset,
        gap=float(np.median(residuals)),
        residuals=tuple(residuals),
        symmetric_share=float(np.mean([each.max() < symmetric_within for each in distances])),
        runner_up=runner_up,
        runner_up_gap=float(np.median(others)),
    )


@dataclass(frozen=True)
class _Shape:
    """One cloud, ready to be mirrored: its points in random order, so that any first few stand for all."""

    points: NDArray[np.float64]
    tree: Any

    @classmethod
    def of(cls, cloud: Floats, place: int) -> _Shape:
        points = np.asarray(cloud, np.float64)
        if points.ndim != 2 or points.shape[1] != 3 or not len(points):
            raise ValueError(f"cloud {place} has shape {points.shape}; expected (n, 3) with n > 0")
        if broken := int((~np.isfinite(points)).any(axis=1).sum()):
            raise ValueError(f"cloud {place} holds {broken} points that are not finite")
        order = np.random.default_rng(0).permutation(len(points))
        return cls(points[order], scipy_tree(points))

    def mirrored_to_nearest(self, planes: Sequence[Plane], count: int) -> NDArray[np.float64]:
        """(planes, count) distance from the image of each of the first ``count`` points to the nearest point."""
        images = np.stack([plane.mirror(self.points[:count]) for plane in planes])
        distances: NDArray[np.float64] = self.tree.query(images)[0]
        return distances


def _costs(planes: Sequence[Plane], shapes: Sequence[_Shape], points: int) -> NDArray[np.float64]:
    """(planes,) median over shapes of the mean distance, of about ``points`` mirrored points in all."""
    some = _evenly(shapes, max(1, points // FEWEST_PER_SHAPE))
    each = -(-points // len(some))
    return np.median([shape.mirrored_to_nearest(planes, each).mean(axis=1) for shape in some], axis=0)


def _promising(shapes: Sequence[_Shape]) -> list[Plane]:
    """The best few directions, well apart from each other, each through the shapes' middle.

    The mean of a symmetric shape lies on its plane; the bounding box's centre need not, where the plane is slanted.
    """
    normals = _hemisphere(DIRECTIONS)
    offsets = np.median([normals @ shape.points.mean(axis=0) for shape in shapes], axis=0)
    planes = [_plane(normal, float(offset)) for normal, offset in zip(normals, offsets, strict=True)]
    costs = _costs(planes, shapes, SEARCH_POINTS)
    found: list[Plane] = []
    for row in np.argsort(costs, kind="stable"):
        if len(found) < REFINED and all(_angle(planes[row], other) >= APART for other in found):
            found.append(planes[row])
    return found


def _refined(plane: Plane, shapes: Sequence[_Shape]) -> Plane:
    """A plane near this one, the best in turn and offset."""
    # Imported on use: it takes long to load.
    from scipy.optimize import minimize

    start = np.asarray(plane.normal)
    tangents = np.linalg.svd(start[None])[2][1:]

    def at(step: NDArray[np.float64]) -> Plane:
        return _plane(start + step[:2] @ tangents, plane.offset + float(step[2]))

    corners = np.concatenate([np.zeros((1, 3)), np.diag(FIRST_STEPS)])
    options = {"initial_simplex": corners, "xatol": 1e-3, "fatol": 1e-5, "maxfev": 60}

    def cost(step: NDArray[np.float64]) -> float:
        return float(_costs([at(step)], shapes, REFINE_POINTS)[0])

    return at(minimize(cost, np.zeros(3), method="Nelder-Mead", options=options).x)


def _ranked(candidates: Sequence[Plane], shapes: Sequence[_Shape]) -> tuple[Plane, Plane]:
    """(the plane to take, the best of those that differ from it)."""
    costs = _costs(candidates, shapes, RANK_POINTS)
    as_good = np.flatnonzero(costs[: len(AXES)] <= AS_GOOD * costs.min())
    chosen = candidates[as_good[0] if len(as_good) else int(costs.argmin())]
    order = np.argsort(costs, kind="stable")
    return chosen, next(candidates[row] for row in order if _angle(candidates[row], chosen) >= APART)


def _plane(normal: NDArray[np.float64], offset: float) -> Plane:
    """The plane with a unit normal whose largest component is positive."""
    length = float(np.linalg.norm(normal)) * (1.0 if normal[np.abs(normal).argmax()] > 0.0 else -1.0)
    x, y, z = (float(part) / length for part in normal)
    return Plane((x, y, z), offset if length > 0.0 else -offset)


def _angle(one: Plane, other: Plane) -> float:
    """Between the planes of two unit normals, 0 to pi / 2."""
    return float(np.arccos(min(1.0, abs(float(np.dot(one.normal, other.normal))))))


def _hemisphere(count: int) -> NDArray[np.float64]:
    """(count, 3) unit vectors along a spiral, each with the same area around it."""
    height = (np.arange(count) + 0.5) / count
    angle = np.pi * (3.0 - np.sqrt(5.0)) * np.arange(count)
    radius = np.sqrt(1.0 - height**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)


def _evenly(shapes: Sequence[_Shape], most: int) -> Sequence[_Shape]:
    """At most so many shapes, from all over the list."""
    return [shapes[row] for row in np.unique(np.linspace(0, len(shapes) - 1, min(most, len(shapes))).astype(int))]
