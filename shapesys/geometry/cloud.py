"""A point cloud as scanners and data sets give it: positions, and whatever else is known of each point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shapesys.errors import ShapeRejected
from shapesys.geometry.mesh import Floats, Ints


@dataclass(frozen=True)
class Cloud:
    """Points, with optional normals, colours and labels.

    Attributes:
        points: (n, 3) positions, in the unit the context names.
        normals: (n, 3) unit normals, or None.
        colors: (n, 3) red, green, blue in [0, 1], or None.
        labels: (n,) part or object label of each point, from 0, or None.
    """

    points: Floats
    normals: Floats | None = None
    colors: Floats | None = None
    labels: Ints | None = None

    def __len__(self) -> int:
        return len(self.points)

    def take(self, rows: Ints) -> Cloud:
        """The cloud of these rows, in their order."""
        return Cloud(
            self.points[rows],
            None if self.normals is None else self.normals[rows],
            None if self.colors is None else self.colors[rows],
            None if self.labels is None else self.labels[rows],
        )


def with_noise(points: Floats, std: float, rng: np.random.Generator) -> Floats:
    """(n, 3) points as a scanner with noise of this standard deviation would give them, in single precision."""
    noise = rng.standard_normal(points.shape, dtype=np.float32)
    return np.asarray(points + np.float32(std) * noise, np.float32)


def checked(cloud: Cloud, label_count: int | None = None, least: int = 1) -> Cloud:
    """The cloud, once it is known that every column can be trusted.

    Args:
        label_count: how many labels there are; labels are not bounded above where None.
        least: fewest points.

    Raises:
        ShapeRejected: stage "validate": too few points, all of them in one place, columns of different lengths, numbers
            that are not finite, or labels out of range.
    """
    points = np.asarray(cloud.points)
    if points.ndim != 2 or points.shape[1] != 3:
        raise ShapeRejected("validate", f"points have shape {points.shape}; expected (n, 3)")
    if len(points) < least:
        raise ShapeRejected("validate", f"the cloud has {len(points)} points; at least {least} needed")
    for name, column in (("points", points), ("normals", cloud.normals), ("colors", cloud.colors)):
        if column is None:
            continue
        if np.shape(column) != points.shape:
            raise ShapeRejected("validate", f"{name} have shape {np.shape(column)} beside {len(points)} points")
        if broken := int((~np.isfinite(column)).any(axis=1).sum()):
            raise ShapeRejected("validate", f"{broken} of {len(points)} {name} are not finite")
    if len(points) > 1 and not np.ptp(points, axis=0).any():
        raise ShapeRejected("validate", f"all {len(points)} points lie in one place")
    _check_labels(cloud.labels, len(points), label_count)
    return cloud


def _check_labels(labels: Ints | None, count: int, label_count: int | None) -> None:
    if labels is None:
        return
    if np.shape(labels) != (count,):
        raise ShapeRejected("validate", f"labels have shape {np.shape(labels)} beside {count} points")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or (label_count is not None and high >= label_count):
        allowed = "0 and up" if label_count is None else f"0 to {label_count - 1}"
        raise ShapeRejected("validate", f"labels range from {low} to {high}; allowed: {allowed}")
