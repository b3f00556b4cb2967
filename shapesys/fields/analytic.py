"""Fields with known truth: solids by formula, their unions and differences."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from shapesys.fields.field import Field, FieldTraits
from shapesys.geometry.mesh import Floats

Point = tuple[float, float, float]
ORIGIN: Point = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class _Solid(ABC):
    """What all analytic solids share: signed distance, negative inside, no attributes."""

    traits: FieldTraits = field(default_factory=FieldTraits, kw_only=True)

    def values(self, points: Floats, precision: str = "float32") -> Floats:
        """(n, 3) -> (n,) signed distance, computed in float64 and returned as float32."""
        return self._distance(np.asarray(points, dtype=np.float64)).astype(np.float32)

    def attributes(self, points: Floats) -> Mapping[str, Floats]:
        return {}

    @abstractmethod
    def _distance(self, points: Floats) -> Floats:
        """(n, 3) float64 -> (n,) signed distance."""


@dataclass(frozen=True)
class Sphere(_Solid):
    """Exact distance to a ball."""

    radius: float = 0.5
    centre: Point = ORIGIN

    def _distance(self, points: Floats) -> Floats:
        return np.linalg.norm(points - self.centre, axis=1) - self.radius


@dataclass(frozen=True)
class Cuboid(_Solid):
    """Exact distance to an axis-aligned solid box."""

    half_sides: Point = (0.5, 0.5, 0.5)
    centre: Point = ORIGIN

    def _distance(self, points: Floats) -> Floats:
        beyond = np.abs(points - self.centre) - self.half_sides
        return np.linalg.norm(np.maximum(beyond, 0.0), axis=1) + np.minimum(beyond.max(axis=1), 0.0)


@dataclass(frozen=True)
class Torus(_Solid):
    """Exact distance to a torus around the z axis."""

    major: float = 0.5
    minor: float = 0.2
    centre: Point = ORIGIN

    def _distance(self, points: Floats) -> Floats:
        x, y, z = (points - self.centre).T
        return np.hypot(np.hypot(x, y) - self.major, z) - self.minor


@dataclass(frozen=True)
class Union(_Solid):
    """Minimum of the parts: exact outside, a bound inside, zero set exact."""

    parts: tuple[Field, ...] = ()

    def _distance(self, points: Floats) -> Floats:
        return np.min([part.values(points) for part in self.parts], axis=0)


@dataclass(frozen=True)
class Difference(_Solid):
    """`base` without `removed`: a bound of the distance, zero set exact."""

    base: Field
    removed: Field

    def _distance(self, points: Floats) -> Floats:
        return np.maximum(self.base.values(points), -self.removed.values(points))


@dataclass(frozen=True)
class Occupancy(_Solid):
    """A solid seen as an occupancy network sees it: sigmoid of the distance over a width, level one half.

    Not a distance, positive inside: the field that extraction may assume least about.
    """

    solid: Field
    width: float = 0.02
    traits: FieldTraits = field(
        default_factory=lambda: FieldTraits(level=0.5, negative_inside=False, is_distance=False), kw_only=True
    )

    def _distance(self, points: Floats) -> Floats:
        return 1.0 / (1.0 + np.exp(np.clip(self.solid.values(points) / self.width, -60.0, 60.0)))


@dataclass(frozen=True)
class WithAttribute:
    """A field plus one named attribute given by a function of the point, (n, 3) -> (n,)."""

    base: Field
    name: str
    function: Callable[[Floats], Floats]

    @property
    def traits(self) -> FieldTraits:
        return self.base.traits

    def values(self, points: Floats, precision: str = "float32") -> Floats:
        return self.base.values(points, precision)

    def attributes(self, points: Floats) -> Mapping[str, Floats]:
        return {**self.base.attributes(points), self.name: self.function(points).astype(np.float32)}
