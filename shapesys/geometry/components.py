"""Connected components of a mesh: what a reconstruction holds beside its main surface."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from shapesys.geometry.mesh import Floats, Ints, Mesh


@dataclass(frozen=True)
class Components:
    """Faces grouped by the vertices they share.

    Attributes:
        label: (F,) component of each face, 0..count-1.
        areas: (count,) area of each component, in squared vertex units.
    """

    label: Ints
    areas: Floats

    @property
    def count(self) -> int:
        return len(self.areas)

    @property
    def largest_share(self) -> float:
        """Share of the whole area that the largest component has; 1 where there is no area at all."""
        total = float(self.areas.sum())
        return float(self.areas.max()) / total if total > 0.0 else 1.0


def find_components(mesh: Mesh) -> Components:
    """Components through shared vertices. Corners at one place under two numbers do not join faces; weld them first."""
    if mesh.is_empty:
        return Components(np.zeros(0, np.int32), np.zeros(0))
    label = face_components(mesh.faces, len(mesh.vertices))
    areas: Floats = np.bincount(label, weights=mesh.face_areas).astype(np.float64)
    return Components(label, areas)


def face_components(faces: Ints, vertex_count: int) -> Ints:
    """(F, 3) -> (F,) component of each face, numbered from 0 without gaps."""
    a, b, c = np.asarray(faces).T
    ones = np.ones(2 * len(a), dtype=np.int8)
    graph = coo_matrix((ones, (np.concatenate([a, b]), np.concatenate([b, c]))), shape=(vertex_count, vertex_count))
    _, of_vertex = connected_components(graph, directed=False)
    # Vertices that no face uses are components too, of the graph but not of the surface.
    return np.unique(of_vertex[a], return_inverse=True)[1].reshape(-1)


def largest_component(mesh: Mesh, components: Components | None = None) -> Mesh:
    """The connected component of largest area, the first of equals, without the vertices that only others use.

    IGR keeps nothing else of a reconstruction (`utils/plots.py`, option ``connected``), and measures what is left.

    Args:
        components: what `find_components` gave, where it is known.
    """
    components = components or find_components(mesh)
    if components.count < 2:
        return mesh
    kept = components.label == components.areas.argmax()
    used, faces = np.unique(mesh.faces[kept], return_inverse=True)
    return replace(
        mesh,
        vertices=mesh.vertices[used],
        faces=faces.reshape(-1, 3).astype(mesh.faces.dtype),
        attributes={name: values[used] for name, values in mesh.attributes.items()},
        face_labels=None if mesh.face_labels is None else mesh.face_labels[kept],
    )
