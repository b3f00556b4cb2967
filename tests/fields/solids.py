"""Solids with known area, volume and topology, and measures of meshes."""

from __future__ import annotations

import numpy as np
import trimesh

from shapesys.fields.analytic import Cuboid, Difference, Sphere, Torus, Union
from shapesys.fields.field import Field
from shapesys.geometry.mesh import Mesh

CHAIR = Union(
    parts=(
        Cuboid((0.4, 0.4, 0.05)),
        *(Cuboid((0.03, 0.03, 0.35), (0.37 * sx, 0.37 * sy, -0.4)) for sx in (-1, 1) for sy in (-1, 1)),
        Cuboid((0.4, 0.04, 0.35), (0.0, -0.36, 0.4)),
    )
)
SOLIDS: dict[str, Field] = {
    "sphere": Sphere(),
    "cuboid": Cuboid((0.5, 0.3, 0.2)),
    "torus": Torus(),
    "chair": CHAIR,
    "two apart": Union(parts=(Sphere(0.3, (-0.5, 0.0, 0.0)), Sphere(0.2, (0.5, 0.1, 0.2)))),
    "hollowed": Difference(Sphere(0.7), Sphere(0.5, (0.1, 0.0, 0.0))),
}


def volume(mesh: Mesh) -> float:
    """Signed volume, positive for outward-facing triangles."""
    a, b, c = np.moveaxis(mesh.triangles.astype(np.float64), 1, 0)
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0)


def as_trimesh(mesh: Mesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


def same_mesh(a: Mesh, b: Mesh) -> bool:
    """Equal faces, and vertices equal to the last bit."""
    return np.array_equal(a.faces, b.faces) and np.array_equal(a.vertices, b.vertices)
