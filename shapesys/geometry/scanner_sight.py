"""What scanners around a shape see of it: points of its surface from which a ray reaches one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shapesys.errors import ShapeRejected
from shapesys.geometry.distance import MeshDistance
from shapesys.geometry.mesh import Floats, Ints, Mesh
from shapesys.geometry.surface import sample_surface
from shapesys.geometry.topology import Flags
from shapesys.geometry.visibility import OFFSET

STAGE = "scan"
LEAST_BATCH, MOST_BATCH = 1 << 12, 1 << 18
PATIENCE = 1 << 20
LEAST_SHARE = 1e-3
"""A scan is given up where, after so many candidates, a smaller share of them than this was measured."""


@dataclass(frozen=True)
class Sighting:
    """Points that were seen.

    Attributes:
        points: (n, 3) positions on the surface.
        normals: (n, 3) unit normals on the side of the scanner.
        rays: (n, 3) unit directions from the scanner to the points.
    """

    points: Floats
    normals: Floats
    rays: Floats

    def __len__(self) -> int:
        return len(self.points)

    def take(self, rows: Ints | Flags) -> Sighting:
        """Those of these rows."""
        return Sighting(self.points[rows], self.normals[rows], self.rays[rows])

    @classmethod
    def joined(cls, parts: list[Sighting]) -> Sighting:
        """All of them, in order."""
        columns = zip(*((part.points, part.normals, part.rays) for part in parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))


def standpoints(count: int, distance: float, lowest: float, highest: float, rng: np.random.Generator) -> Floats:
    """(count, 3) places about the origin, y up: azimuths evenly apart, one elevation in each even part of the range.

    Args:
        distance: of each from the origin.
        lowest, highest: elevations in degrees.
    """
    azimuth = 2 * np.pi * (np.arange(count) + rng.random()) / count
    share = (rng.permutation(count) + rng.random(count)) / count
    elevation = np.deg2rad(lowest + (highest - lowest) * share)
    flat = np.cos(elevation)
    return distance * np.stack([flat * np.cos(azimuth), np.sin(elevation), flat * np.sin(azimuth)], axis=1)


class Sight:
    """The view of a mesh from some places. Faces are seen from both sides, however they are oriented.

    A place measures a point with a density, per area of surface, that goes with (cos(incidence) / distance²)^falloff:
    at falloff 1 it is even in the scanner's own angles, as that of a scanner that turns.

    Args:
        mesh: its bounding box centred at the origin, its farthest vertex at radius 1.
        places: (k, 3) outside of that sphere. A ray from the mesh to one of them then cannot meet the mesh beyond it.
        falloff: 0 or more.
    """

    def __init__(self, mesh: Mesh, places: Floats, falloff: float) -> None:
        self._mesh = mesh
        self._places = places
        self._falloff = falloff
        # A mesh of this size is computed in its own frame, so rays need no translation into another.
        distance = MeshDistance(mesh)
        self._escapes = distance.tree.escapes
        self._nearest = float(distance.closest(places).distance.min())

    def measure(self, count: int, rng: np.random.Generator, keep: Callable[[Floats], Flags] | None = None) -> Sighting:
        """`count` points, drawn independently of each other's place, in random order.

        Args:
            keep: (n, 3) points -> (n,) False for those to pass over.

        Raises:
            ShapeRejected: hardly any of the surface is seen and kept.
        """
        parts: list[Sighting] = []
        found, tried, batch = 0, 0, 4 * count
        while found < count:
            if tried >= PATIENCE and found < LEAST_SHARE * tried:
                reason = "too little of the shape is seen, or a position is too near it"
                raise ShapeRejected(STAGE, f"{found} of {tried} candidates measured; {reason}")
            batch = int(np.clip(batch, LEAST_BATCH, MOST_BATCH))
            part = self._look(batch, rng)
            parts.append(part if keep is None else part.take(keep(part.points)))
            found, tried = found + len(parts[-1]), tried + batch
            batch = int(1.1 * (count - found) * tried / max(found, 1))
        # The candidates come in face order, so the surplus must not be cut off the end.
        return Sighting.joined(parts).take(rng.permutation(found)[:count])

    def _look(self, candidates: int, rng: np.random.Generator) -> Sighting:
        """Those of so many surface points that the place drawn for each measures."""
        surface = sample_surface(self._mesh, candidates, int(rng.integers(2**32)))
        points, normals = surface.points.astype(np.float64), surface.normals.astype(np.float64)
        towards = self._places[rng.integers(len(self._places), size=candidates)] - points
        length = np.linalg.norm(towards, axis=1)
        towards /= length[:, None]
        cosine = np.einsum("ij,ij->i", towards, normals)
        # Rejection by a bound that no point exceeds leaves exactly the wanted density, and spares most of the rays.
        density = (np.abs(cosine) * (self._nearest / length) ** 2) ** self._falloff
        drawn = np.flatnonzero((rng.random(candidates) < density) & (cosine != 0.0))
        facing = normals[drawn] * np.sign(cosine[drawn])[:, None]
        free = self._escapes(points[drawn] + OFFSET * facing, towards[drawn])
        return Sighting(points[drawn], facing, -towards[drawn]).take(free)
