"""From which side is a patch of faces seen? Rays from both sides, and how many of them leave the shape."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from shapesys.geometry.mesh import Floats, Ints
from shapesys.geometry.topology import Flags

Escapes = Callable[[Floats, Floats], Flags]
"""(n, 3) ray origins and directions -> (n,) bool, True where the ray leaves the shape."""

RAYS_PER_FACE = 24
RAYS_PER_PATCH = 2048
MOST_RAYS = 4_000_000
"""Per side and mesh: a soup of more faces than 1/24 of it gets fewer rays for each."""
LEAST_RAYS_PER_FACE = 4
CHUNK = 1 << 18
OFFSET = 2e-5
"""Distance of ray origins from their face, in a frame where the mesh has a size of about 1."""


def patch_visibility(triangles: Floats, label: Ints, escapes: Escapes, seed: int) -> tuple[Floats, Floats]:
    """Share of rays that escape from the front and from the back of each patch, (P,) each.

    Origins are stratified by area within the patch; directions are uniform over the hemisphere.

    Args:
        triangles: (n, 3, 3) float64 oriented corners; label: (n,) patch 0..P-1.
    """
    rng = np.random.default_rng(seed)
    faces, patch = _stratified_faces(triangles, label, rng)
    count = int(label.max()) + 1
    escaped = np.zeros((2, count))
    # In chunks, because a large soup has millions of rays.
    for start in range(0, len(faces), CHUNK):
        part = slice(start, start + CHUNK)
        free = _two_sided_escapes(triangles[faces[part]], escapes, rng)
        escaped += [np.bincount(patch[part], weights=side, minlength=count) for side in free]
    front, back = escaped / np.bincount(patch, minlength=count)
    return front, back


def _two_sided_escapes(corners: Floats, escapes: Escapes, rng: np.random.Generator) -> tuple[Flags, Flags]:
    """One random ray from the front and one from the back of each triangle (n, 3, 3): whether they escape."""
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    normal = np.divide(normal, length, out=np.zeros_like(normal), where=length > 0)
    weights = rng.dirichlet((1.0, 1.0, 1.0), len(corners))
    points = np.einsum("ij,ijk->ik", weights, corners)
    directions = rng.normal(size=(2, *points.shape))
    directions /= np.linalg.norm(directions, axis=2, keepdims=True)
    towards = np.einsum("sij,ij->si", directions, normal)
    directions *= np.where(towards * [[1.0], [-1.0]] < 0, -1.0, 1.0)[..., None]
    return escapes(points + OFFSET * normal, directions[0]), escapes(points - OFFSET * normal, directions[1])


def _stratified_faces(triangles: Floats, label: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Faces (m,) to shoot from and their patches (m,), by area: up to 24 per face and 2048 per patch."""
    sides = triangles[:, 1:] - triangles[:, :1]
    area = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1) + 1e-30
    order = np.argsort(label, kind="stable")
    sorted_label = label[order]
    total = np.bincount(label, weights=area)
    per_face = int(np.clip(MOST_RAYS // len(label), LEAST_RAYS_PER_FACE, RAYS_PER_FACE))
    rays = np.minimum(per_face * np.bincount(label), RAYS_PER_PATCH)
    # Each patch becomes an interval as long as its number of rays, each face a part of it by area.
    reach = np.cumsum(area[order] / total[sorted_label] * rays[sorted_label])
    patch = np.repeat(np.arange(len(rays)), rays)
    picks = np.searchsorted(reach, np.arange(len(patch)) + rng.random(len(patch)), side="right")
    # Rounding of the running sum may step over a patch's end by one face.
    first, last = np.searchsorted(sorted_label, patch), np.searchsorted(sorted_label, patch, side="right") - 1
    return order[np.clip(picks, first, last)], patch
