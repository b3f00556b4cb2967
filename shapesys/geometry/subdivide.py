"""Smaller faces on the same surface, for values that live at vertices."""

from __future__ import annotations

import numpy as np

from shapesys.geometry.mesh import Floats, Ints, Mesh

MAX_ROUNDS = 40
"""Each round halves one edge of every long face; three rounds halve all of them."""


def subdivided(mesh: Mesh, longest_edge: float) -> Mesh:
    """The same surface with no edge longer than `longest_edge`; vertex attributes are dropped, face labels kept.

    Long faces are cut in two across their longest edge, again and again: halving the length of a needle triples its
    faces, where cutting every edge would give four times as many.

    Raises:
        ValueError: `longest_edge` is not positive.
    """
    if not longest_edge > 0:
        raise ValueError(f"longest_edge must be positive; got {longest_edge}")
    vertices, faces = mesh.vertices, mesh.faces
    labels = mesh.face_labels
    for _ in range(MAX_ROUNDS):
        lengths = _edge_lengths(vertices, faces)
        long = lengths.max(axis=1) > longest_edge
        if not long.any():
            break
        vertices, halves = _halved(vertices, faces[long], lengths[long].argmax(axis=1))
        faces = np.concatenate([faces[~long], halves])
        labels = None if labels is None else np.concatenate([labels[~long], labels[long], labels[long]])
    return Mesh(vertices, faces, face_labels=labels)


def subdivided_to_show(mesh: Mesh, longest_edge: float) -> Mesh:
    """The same for pictures, whose colours are at vertices: of meshes larger than the unit sphere holds, whatever their
    unit, no edge is longer than that share of half the longest side."""
    low, high = mesh.bounds
    return subdivided(mesh, longest_edge * max(1.0, 0.5 * float((high - low).max())))


def _edge_lengths(vertices: Floats, faces: Ints) -> Floats:
    """(F, 3) length of the edge from corner k to corner k + 1."""
    return np.linalg.norm(vertices[faces] - vertices[np.roll(faces, -1, axis=1)], axis=2)


def _halved(vertices: Floats, faces: Ints, longest: Ints) -> tuple[Floats, Ints]:
    """All vertices with the new midpoints, and both halves of each face: first all near, then all far halves."""
    rows = np.arange(len(faces))
    start, end, apex = (faces[rows, (longest + step) % 3] for step in range(3))
    edges = np.sort(np.stack([start, end], axis=1), axis=1)
    shared, number = np.unique(edges, axis=0, return_inverse=True)
    middles = 0.5 * (vertices[shared[:, 0]] + vertices[shared[:, 1]])
    middle = (len(vertices) + number.reshape(-1)).astype(faces.dtype)
    near, far = np.stack([start, middle, apex], axis=1), np.stack([middle, end, apex], axis=1)
    return np.concatenate([vertices, middles]).astype(vertices.dtype), np.concatenate([near, far])
