"""A surface that is known as a mesh, seen as a field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from shapesys.fields.field import UNIT_BOX, Box, FieldTraits
from shapesys.geometry.mesh import Floats, Mesh
from shapesys.geometry.signed_distance import SignedMesh


@dataclass(frozen=True)
class MeshField:
    """Signed distance to a mesh, negative inside. Not picklable once it was asked for values.

    Attributes:
        mesh: the surface, oriented outward. One without faces encloses nothing: all points are outside.
    """

    mesh: Mesh

    def surface(self) -> Mesh:
        """The mesh itself."""
        return self.mesh

    @cached_property
    def traits(self) -> FieldTraits:
        """The box is the one about the mesh; where that has no face, the unit sphere's."""
        return FieldTraits(box=UNIT_BOX if self.mesh.is_empty else Box.about(np.stack(self.mesh.bounds)))

    def values(self, points: Floats, precision: str = "float32") -> Floats:
        """(n, 3) -> (n,) signed distances, exact as far as the mesh is closed.

        Raises:
            ShapesysError: neither warp nor libigl is installed.
        """
        if self.mesh.is_empty:
            return np.full(len(points), self.traits.box.longest_side, np.float32)
        return self._signed.distance(points).distance

    def attributes(self, points: Floats) -> Mapping[str, Floats]:
        """None."""
        return {}

    @cached_property
    def _signed(self) -> SignedMesh:
        """Built when values are first asked for: many a surface is only looked at."""
        return SignedMesh(self.mesh)
