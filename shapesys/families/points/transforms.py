"""Point clouds as NumPy columns, and what may be done to them as a whole."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import ShapesysError
from shapesys.families.base import Arrays
from shapesys.families.points.config import PointConfig

FloatRows = NDArray[np.float32]

AXES = {"x": 0, "y": 1, "z": 2}


@dataclass(frozen=True)
class Points:
    """The columns of one cloud that a configuration asks for.

    Attributes:
        points: (n, 3) positions.
        normals, colors, place: (n, 3) each, or None; ``place`` is where in its room a point is, in [0, 1].
        labels: (n,) int64, or None.
        saliency: (n,) weight of each point's gradient, or None.
    """

    points: FloatRows
    normals: FloatRows | None = None
    colors: FloatRows | None = None
    place: FloatRows | None = None
    labels: NDArray[np.int64] | None = None
    saliency: FloatRows | None = None

    @classmethod
    def of(cls, config: PointConfig, arrays: Arrays, labelled: bool = True) -> Points:
        """What a configuration asks for of the stored columns.

        Args:
            labelled: whether labels are asked for, where points are labelled.

        Raises:
            ShapesysError: a column is empty.
        """
        labelled = labelled and config.task != "classification"
        return cls(
            np.asarray(arrays["points"], np.float32),
            _present(arrays, "normals", "--model.normals false") if config.normals else None,
            _present(arrays, "colors", "--model.colors false") if config.colors else None,
            None,
            _present(arrays, "labels", "--model.task classification").astype(np.int64) if labelled else None,
        )

    def take(self, rows: NDArray[np.int64]) -> Points:
        """The cloud of these rows."""
        return Points(*(None if column is None else column[rows] for column in self._all()))  # type: ignore[arg-type]

    def turned(self, matrix: FloatRows) -> Points:
        """Rotated by a (3, 3) matrix; normals turn along."""
        normals = None if self.normals is None else self.normals @ matrix.T
        return replace(self, points=self.points @ matrix.T, normals=normals)

    def scaled(self, scale: FloatRows) -> Points:
        """Scaled by (3,) along the axes; normals stay normal to the surface and of unit length."""
        if self.normals is None:
            return replace(self, points=self.points * scale)
        normals = self.normals / scale
        length = np.linalg.norm(normals, axis=1, keepdims=True)
        return replace(
            self, points=self.points * scale, normals=normals / np.maximum(length, np.finfo(np.float32).tiny)
        )

    def moved(self, origin: FloatRows, unit: float) -> Points:
        """In the frame of another origin (3,) and unit of length."""
        return replace(self, points=(self.points - origin) / np.float32(unit))

    def displaced(self, noise: FloatRows) -> Points:
        """Every point moved by its own (n, 3)."""
        return replace(self, points=self.points + noise)

    def columns(self) -> dict[str, np.ndarray]:
        """``points``, and ``features``, ``labels`` and ``saliency`` where there are any."""
        features = [column for column in (self.normals, self.colors, self.place) if column is not None]
        found: dict[str, np.ndarray] = {"points": self.points.astype(np.float32)}
        if features:
            found["features"] = np.concatenate(features, axis=1).astype(np.float32)
        found |= {} if self.labels is None else {"labels": self.labels}
        return found if self.saliency is None else found | {"saliency": self.saliency.astype(np.float32)}

    def _all(self) -> tuple[np.ndarray | None, ...]:
        return self.points, self.normals, self.colors, self.place, self.labels, self.saliency


def _present(arrays: Arrays, name: str, way_out: str) -> np.ndarray:
    column = np.asarray(arrays.get(name, ()))
    if len(column) != len(arrays["points"]):
        raise ShapesysError(f"the cloud has no {name}; prepare a source that has them, or train with {way_out}")
    return column


def centred(cloud: Points, frame: str) -> Points:
    """The cloud as stored, or with its mean at the origin and its farthest point at 1."""
    if frame == "stored":
        return cloud
    mean = cloud.points.mean(axis=0)
    radius = float(np.linalg.norm(cloud.points - mean, axis=1).max())
    return cloud.moved(mean, radius if radius > 0 else 1.0)


def rotation(kind: str, up: str, tilt: float, clip: float, rng: np.random.Generator) -> FloatRows:
    """(3, 3) random rotation: none, about the up axis, or any (uniform), after small turns about all axes."""
    matrix = np.eye(3)
    if tilt:
        for axis, angle in enumerate(np.clip(tilt * rng.standard_normal(3), -clip, clip)):
            matrix = turn(axis, float(angle)) @ matrix
    if kind == "up":
        matrix = turn(AXES[up], float(rng.uniform(0, 2 * np.pi))) @ matrix
    if kind == "any":
        matrix = _uniform(rng) @ matrix
    return matrix.astype(np.float32)


def turn(axis: int, angle: float) -> NDArray[np.float64]:
    """(3, 3) rotation by an angle about a coordinate axis, in radians."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[second, first], matrix[first, second] = np.sin(angle), -np.sin(angle)
    return matrix


def _uniform(rng: np.random.Generator) -> NDArray[np.float64]:
    """(3, 3) uniform rotation, from a uniform unit quaternion."""
    drawn = rng.standard_normal(4)
    w, x, y, z = drawn / np.linalg.norm(drawn)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
