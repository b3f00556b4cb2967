"""The triangle mesh that travels through the whole system."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]


@dataclass(frozen=True)
class Mesh:
    """Triangles with optional per-vertex attributes and per-face part labels.

    Legend: V vertices, F faces.

    Attributes:
        vertices: (V, 3) float32 or float64, in the unit the context names.
        faces: (F, 3) int32 or int64 vertex indices, counter-clockwise seen from outside.
        attributes: named (V,) or (V, k) float arrays, e.g. ``saliency``, ``error`` or ``color``.
        face_labels: (F,) integer part label of each face, or None where the mesh has no parts.
    """

    vertices: Floats
    faces: Ints
    attributes: dict[str, Floats] = field(default_factory=dict)
    face_labels: Ints | None = None

    @property
    def is_empty(self) -> bool:
        return len(self.faces) == 0

    @cached_property
    def triangles(self) -> Floats:
        """(F, 3, 3) corner positions of every face."""
        return self.vertices[self.faces]

    @cached_property
    def face_cross(self) -> Floats:
        """(F, 3) face normals whose length is twice the face's area."""
        corners = self.triangles
        return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])

    @cached_property
    def face_areas(self) -> Floats:
        """(F,) face areas in squared vertex units."""
        return 0.5 * np.linalg.norm(self.face_cross, axis=1)

    @cached_property
    def face_normals(self) -> Floats:
        """(F, 3) unit face normals; zero for degenerate faces."""
        doubled = 2.0 * self.face_areas[:, None]
        return np.divide(self.face_cross, doubled, out=np.zeros_like(self.face_cross), where=doubled > 0)

    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """Lowest and highest corner, (3,) each, of the vertices that faces use."""
        used = self.vertices[np.unique(self.faces)]
        return used.min(axis=0), used.max(axis=0)

    def with_vertices(self, vertices: Floats) -> Mesh:
        """The same mesh at other vertex positions (V, 3)."""
        return replace(self, vertices=vertices)
