"""Smaller faces on the same surface, for values that live at vertices."""

from __future__ import annotations

from shapesys.geometry.mesh import Mesh

MAX_ROUNDS = 8
"""Halvings of the longest edge; a mesh of this system's unit sphere needs six for edges of 0.03."""


def subdivided(mesh: Mesh, longest_edge: float) -> Mesh:
    """The same surface with no edge longer than `longest_edge`; vertex attributes are dropped, face labels kept.

    Raises:
        ValueError: `longest_edge` is not positive, or so small that eight halvings do not reach it.
    """
    if longest_edge <= 0:
        raise ValueError(f"longest_edge must be positive; got {longest_edge}")
    import trimesh

    vertices, faces, origin = trimesh.remesh.subdivide_to_size(
        mesh.vertices, mesh.faces, longest_edge, max_iter=MAX_ROUNDS, return_index=True
    )
    labels = None if mesh.face_labels is None else mesh.face_labels[origin]
    return Mesh(vertices.astype(mesh.vertices.dtype), faces.astype(mesh.faces.dtype), face_labels=labels)
