"""The Field protocol: anything with values in space, from a network to an analytic sphere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from shapesys.geometry.mesh import Floats, Mesh

BOX_MARGIN = 0.1
"""Of a box about points, on every side, as a share of its longest: [-1, 1]^3 becomes SAL's [-1.2, 1.2]^3."""


@dataclass(frozen=True)
class Box:
    """Axis-aligned box, in the field's own frame."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    @classmethod
    def about(cls, points: Floats, margin: float = BOX_MARGIN) -> Box:
        """Around (n, 3) points of a surface, parts of which nobody may have seen."""
        low, high = np.asarray(points, np.float64).min(axis=0), np.asarray(points, np.float64).max(axis=0)
        beyond = margin * float((high - low).max())
        (x0, y0, z0), (x1, y1, z1) = (low - beyond).tolist(), (high + beyond).tolist()
        return cls((x0, y0, z0), (x1, y1, z1))

    @property
    def longest_side(self) -> float:
        return float(np.max(np.subtract(self.high, self.low)))


UNIT_BOX = Box((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0))


@dataclass(frozen=True)
class FieldTraits:
    """What generic code may assume of a field's values.

    Attributes:
        level: the value on the surface.
        box: where the surface lies; that of the unit sphere, unless who predicts the field knows of another. Of shapes
            in other frames, generic code puts the box about what was seen of each (see `shapesys.fields.in_box`).
        negative_inside: True for signed distance, False for occupancy.
        is_distance: |value - level| approximates the distance to the surface in box units (slope near 1),
            which coarse-to-fine pruning relies on.
        clamp: |value - level| beyond which the field saturates, or None.
    """

    level: float = 0.0
    box: Box = UNIT_BOX
    negative_inside: bool = True
    is_distance: bool = True
    clamp: float | None = None


@runtime_checkable
class Field(Protocol):
    """Values, and named attributes, at points in space. Deterministic and side-effect free."""

    @property
    def traits(self) -> FieldTraits: ...

    def values(self, points: Floats, precision: str = "float32") -> Floats:
        """(n, 3) float32 points -> (n,) float32 values.

        ``precision="bfloat16"`` allows a cheaper answer, good enough for pruning; a field without one ignores it.
        """
        ...

    def attributes(self, points: Floats) -> Mapping[str, Floats]:
        """(n, 3) points -> named (n,) float32 arrays, e.g. ``saliency``; empty where there are none."""
        ...


@runtime_checkable
class SeenField(Field, Protocol):
    """A field of what was seen of a shape: its surface is looked for about these points too, where it may be thinner
    than coarse lattices see."""

    @property
    def seen(self) -> Floats:
        """(n, 3) points near the surface, in the field's frame; none where nothing is known."""
        ...


@runtime_checkable
class SurfaceField(Field, Protocol):
    """A field that knows its surface: extraction takes that very mesh, and asks for no value."""

    def surface(self) -> Mesh:
        """The level set, in the field's frame; empty where there is none."""
        ...


@runtime_checkable
class JointField(Field, Protocol):
    """A field that knows values and attributes from one evaluation, so that extraction gets attributes for nothing."""

    def values_and_attributes(self, points: Floats) -> tuple[Floats, Mapping[str, Floats]]:
        """(n, 3) points -> what `values` and `attributes` return, full precision."""
        ...
