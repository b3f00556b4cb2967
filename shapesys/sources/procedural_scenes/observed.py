"""What networks are shown of a room: points of its surface, few of them on ground and walls, with noise."""

from __future__ import annotations

import numpy as np

from shapesys.geometry.cloud import Cloud, checked
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.surface import sample_surface
from shapesys.sources.procedural_scenes.layout import CLASSES, Room, labels_of


def observe(room: Room, points: int, shell_weight: float, noise: float, seed: int) -> Cloud:
    """Independent samples of the surface in random order, with the normals and labels of their faces.

    Args:
        points: how many.
        shell_weight: density on the ground's top and the inner sides of walls, as a share of that on objects. What
            looks out of the room has none.
        noise: standard deviation of each coordinate.
        seed: of all of it; the same room and seed give the same points.
    """
    outer = room.outside.mesh
    shell = Mesh(outer.vertices, outer.faces[room.outside.inward], face_labels=labels_of(outer)[room.outside.inward])
    shell_area, area = shell_weight * float(shell.face_areas.sum()), float(room.furniture.face_areas.sum())
    on_shell = round(points * shell_area / (shell_area + area))
    rng = np.random.default_rng(seed)
    one, other = _samples(shell, on_shell, rng), _samples(room.furniture, points - on_shell, rng)
    order = rng.permutation(points)
    position, normals, labels = (np.concatenate(column)[order] for column in zip(one, other, strict=True))
    displaced = position + noise * rng.standard_normal((points, 3))
    return checked(Cloud(displaced.astype(np.float32), normals, None, labels), len(CLASSES))


def _samples(mesh: Mesh, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (n, 3), normals (n, 3) and labels (n,)."""
    found = sample_surface(mesh, count, int(rng.integers(2**32)), stratified=False)
    return found.points, found.normals, labels_of(mesh)[found.faces]
