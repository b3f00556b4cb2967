"""Light on surfaces: normals that keep creases, and a key, a fill and a sky."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shapesys.geometry.mesh import Floats, Mesh

_BUSY_VERTEX = 64

Direction = tuple[float, float, float]
"""Along the camera's right, its up and its view; of any length."""


@dataclass(frozen=True)
class Lights:
    """A key light over the viewer's left shoulder and a fill from the right, which travel with the camera, and a sky.

    Attributes:
        key, fill: strength of either.
        sky, ground: light from straight above and from straight below, by the world's y axis.
        key_from, fill_from: where they stand.
    """

    key: float = 0.68
    fill: float = 0.25
    sky: float = 0.55
    ground: float = 0.3
    key_from: Direction = (-0.45, 0.65, -0.75)
    fill_from: Direction = (0.8, 0.1, -0.5)


LIGHTS = Lights()


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


def light(normals: Floats, axes: Floats, lights: Lights = LIGHTS) -> Floats:
    """(n,) brightness, 0 to 1, of unit `normals` (n, 3) that face the camera with `axes` (right, up, forward).

    The sky, brighter than the ground, stays with the world's y axis, so that upper faces are told from lower ones in
    every view.
    """
    right, up, forward = axes
    key, fill = (_unit(x * right + y * up + z * forward) for x, y, z in (lights.key_from, lights.fill_from))
    sky = lights.ground + (lights.sky - lights.ground) * 0.5 * (1.0 + normals[:, 1])
    total = sky + lights.key * np.maximum(normals @ key, 0.0) + lights.fill * np.maximum(normals @ fill, 0.0)
    # Light never exceeds 1: a colour that clips in one channel would no longer be the colour map's.
    return np.minimum(total, 1.0)


def _unit(vector: Floats) -> Floats:
    return vector / np.linalg.norm(vector)
