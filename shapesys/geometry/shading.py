"""Light on surfaces: normals that keep creases, and a key, a fill and a sky."""

from __future__ import annotations

import numpy as np

from shapesys.geometry.mesh import Floats, Mesh

_BUSY_VERTEX = 64
_KEY, _FILL, _SKY, _GROUND = 0.68, 0.25, 0.55, 0.3


def corner_normals(mesh: Mesh, crease: float = 35.0) -> Floats:
    """(F, 3, 3) unit normals per face corner, averaged over neighbours that bend less than `crease` degrees.

    The mean is weighted by area. Corners at vertices of more than 64 faces (the hub of a fan) keep the face's normal.
    """
    vertex = mesh.faces.ravel()
    order = np.argsort(vertex, kind="stable")
    degree = np.bincount(vertex, minlength=len(mesh.vertices))
    start = np.cumsum(degree) - degree
    shared = np.where(degree[vertex] <= _BUSY_VERTEX, degree[vertex], 0)
    corner = np.repeat(np.arange(len(vertex)), shared)
    place = np.arange(len(corner)) - np.repeat(np.cumsum(shared) - shared, shared)
    other = order[start[vertex[corner]] + place] // 3
    near = np.einsum("nk,nk->n", mesh.face_normals[corner // 3], mesh.face_normals[other]) > np.cos(np.deg2rad(crease))
    weighted = mesh.face_cross[other[near]]
    total = np.stack([np.bincount(corner[near], weighted[:, k], len(vertex)) for k in range(3)], axis=1)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    own = np.repeat(mesh.face_normals, 3, axis=0).astype(np.float64)
    return np.divide(total, length, out=own, where=length > 0).reshape(-1, 3, 3)


def light(normals: Floats, axes: Floats) -> Floats:
    """(n,) brightness, 0 to 1, of unit `normals` (n, 3) that face the camera with `axes` (right, up, forward).

    A key light over the viewer's left shoulder and a fill from the right travel with the camera; a sky brighter than
    the ground stays with the world's y axis, so that upper faces are told from lower ones in every view.
    """
    right, up, forward = axes
    key = _unit(-0.45 * right + 0.65 * up - 0.75 * forward)
    fill = _unit(0.8 * right + 0.1 * up - 0.5 * forward)
    sky = _GROUND + (_SKY - _GROUND) * 0.5 * (1.0 + normals[:, 1])
    total = sky + _KEY * np.maximum(normals @ key, 0.0) + _FILL * np.maximum(normals @ fill, 0.0)
    # Light never exceeds 1: a colour that clips in one channel would no longer be the colour map's.
    return np.minimum(total, 1.0)


def _unit(vector: Floats) -> Floats:
    return vector / np.linalg.norm(vector)
