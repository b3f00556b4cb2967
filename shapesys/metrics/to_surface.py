"""Distances between surfaces themselves, where those between samples of them would have a floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from shapesys.geometry.distance import MeshDistance
from shapesys.geometry.mesh import Floats, Mesh
from shapesys.geometry.surface import sample_surface
from shapesys.metrics.sampled import why_empty

SAMPLES = 30_000
"""Of each surface, whose distances to another one are averaged."""


def consecutive_distances(meshes: Sequence[Mesh], seed: int = 0) -> list[float | None]:
    """Chamfer distance of each mesh to the next: half the sum of the mean distances both ways, in the meshes' unit.

    Of samples of one surface to the other surface, not to samples of it: equal surfaces have distance 0, and however
    little two differ, it shows.

    Returns:
        One number fewer than there are meshes; None where one of the two has no surface.
    """
    sampled = [None if why_empty(mesh) else _Sampled.of(mesh, seed) for mesh in meshes]
    return [None if one is None or other is None else _chamfer(one, other) for one, other in pairwise(sampled)]


@dataclass(frozen=True)
class _Sampled:
    """Points (n, 3) on a surface, and what answers distances to it."""

    points: Floats
    surface: MeshDistance

    @classmethod
    def of(cls, mesh: Mesh, seed: int) -> _Sampled:
        return cls(sample_surface(mesh, SAMPLES, seed).points, MeshDistance(mesh))

    def mean_distance_of(self, points: Floats) -> float:
        return float(self.surface.closest(points).distance.mean(dtype="float64"))


def _chamfer(one: _Sampled, other: _Sampled) -> float:
    return 0.5 * (other.mean_distance_of(one.points) + one.mean_distance_of(other.points))
