"""A field that is looked for in another box than its own: where the shape is known to lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from shapesys.fields.field import Box, Field, FieldTraits, JointField, SeenField, SurfaceField
from shapesys.geometry.mesh import Floats, Mesh


def in_box(field: Field, box: Box) -> Field:
    """The same values and attributes, in this box; what else is declared of the field stays, and a surface it knows."""
    if isinstance(field, SurfaceField):
        return _SurfaceInBox(field, box)
    return _JointInBox(field, box) if isinstance(field, JointField) else _InBox(field, box)


@dataclass(frozen=True)
class _InBox:
    field: Field
    box: Box

    @property
    def traits(self) -> FieldTraits:
        return replace(self.field.traits, box=self.box)

    @property
    def seen(self) -> Floats:
        """(n, 3) points that were seen, as far as the field knows any."""
        return self.field.seen if isinstance(self.field, SeenField) else np.empty((0, 3), np.float32)

    def values(self, points: Floats, precision: str = "float32") -> Floats:
        return self.field.values(points, precision)

    def attributes(self, points: Floats) -> Mapping[str, Floats]:
        return self.field.attributes(points)


@dataclass(frozen=True)
class _JointInBox(_InBox):
    field: JointField

    def values_and_attributes(self, points: Floats) -> tuple[Floats, Mapping[str, Floats]]:
        return self.field.values_and_attributes(points)


@dataclass(frozen=True)
class _SurfaceInBox(_InBox):
    field: SurfaceField

    def surface(self) -> Mesh:
        return self.field.surface()
