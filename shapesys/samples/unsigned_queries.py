"""Queries with their unsigned distance to a raw surface: a mesh with any holes and orientation, or a scan's points.

Sampled as SAL does (Atzmon and Lipman, CVPR 2020, `preprocess_dfaust.py`): surface points, each displaced once by a
Gaussian as wide as its distance to the k-th neighbour, once by a Gaussian of one global width. Nothing is drawn again,
however far it goes. Where a point is repeated so often that its k-th neighbour is itself, its width is the distance to
the k-th of the distinct points: else half of its queries would lie on it. As SALD's sampler does (ICLR 2021), each
query keeps the direction away from the surface, which is the gradient of its distance; and the surface point that it
was displaced from.

Legend: S points on the surface, n queries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shapesys.geometry.mesh import Floats, Ints
from shapesys.geometry.neighbours import k_nearest, nearest
from shapesys.samples.queries import Points, cut_into_chunks
from shapesys.samples.settings import UnsignedConfig
from shapesys.samples.shape_samples import Row

ON_SURFACE = 1e-5
"""Nearer to the surface, in radii of the shape (1 in the unit sphere), no direction away from it is known: single
precision has lost it."""

Nearest = Callable[[Points], tuple[Floats, Floats]]
"""(n, 3) queries -> (n,) unsigned distance to the surface, and (n, 3) the closest point on it."""


@dataclass(frozen=True)
class Origins:
    """Surface points (S, 3) that are displaced, and their normals (S, 3) where they are known."""

    points: Floats
    normals: Floats | None = None

    def take(self, rows: Ints) -> Origins:
        """Those of these rows, in their order."""
        return Origins(self.points[rows], None if self.normals is None else self.normals[rows])


def unsigned_of_mesh(
    sample: Callable[[int, int], Origins], to: Nearest, config: UnsignedConfig, seed: int, radius: float = 1.0
) -> Row:
    """Queries about a mesh, measured to its triangles, or to the points drawn on them where `config.to` says so.

    Args:
        sample: (count, seed) -> that many points of its surface.
        to: measures queries to its triangles.
        radius: of the shape; see `Framing.radius_of`.

    Returns:
        ``points`` (n, 3), ``distance`` (n,), ``direction`` (n, 3), ``surface`` (n, 3), ``normals`` (n, 3) or (0, 3),
        and ``spread`` (n,), as the view `udf` declares them.
    """
    rng = np.random.default_rng(seed)
    origins = sample(_origins(config), int(rng.integers(2**32)))
    measured = to if config.to == "triangles" else _to_points(origins.points)
    return _displaced(origins, origins.points, measured, config, rng, radius)


def unsigned_of_points(
    cloud: Floats, config: UnsignedConfig, seed: int, normals: Floats | None = None, radius: float = 1.0
) -> Row:
    """The same about a cloud (S, 3), measured to its nearest point.

    Every point of the cloud is displaced equally often, give or take once.
    """
    rng = np.random.default_rng(seed)
    cloud = np.ascontiguousarray(cloud, dtype=np.float32)
    rows = np.resize(rng.permutation(len(cloud)), _origins(config))
    return _displaced(Origins(cloud, normals).take(rows), cloud, _to_points(cloud), config, rng, radius)


def chunked(queries: Row, config: UnsignedConfig, seed: int) -> list[Row]:
    """One row per chunk of shuffled queries."""
    rows = cut_into_chunks(len(queries["points"]), config.chunk_size, seed)
    return [{name: values[chunk] if len(values) else values for name, values in queries.items()} for chunk in rows]


def _origins(config: UnsignedConfig) -> int:
    """Surface points: every one makes two queries, but for the last of an odd number."""
    return (config.count + 1) // 2


def _to_points(surface: Floats) -> Nearest:
    def to(queries: Points) -> tuple[Floats, Floats]:
        found = nearest(surface, queries)
        return found.distances, surface[found.indices]

    return to


def _displaced(
    origins: Origins, surface: Floats, to: Nearest, config: UnsignedConfig, rng: np.random.Generator, radius: float
) -> Row:
    """All origins displaced locally, then all displaced globally."""
    local = _local_widths(surface, origins.points, config.neighbour)
    widths = np.concatenate([local, np.full(len(local), config.global_std, np.float32)])
    noise = rng.standard_normal((len(widths), 3), dtype=np.float32) * widths[:, None]
    twice = np.resize(np.arange(len(local)), len(widths))[: config.count]
    doubled = origins.take(twice)
    points = np.asarray(doubled.points + noise[: config.count], dtype=np.float32)
    distance, closest = to(points)
    return {
        "points": points,
        "distance": np.asarray(distance, dtype=np.float32),
        "direction": _directions(points, closest, distance, ON_SURFACE * radius),
        "surface": np.asarray(doubled.points, dtype=np.float32),
        "normals": np.empty((0, 3), np.float32) if doubled.normals is None else doubled.normals.astype(np.float32),
        "spread": local[twice],
    }


def _local_widths(surface: Floats, points: Floats, neighbour: int) -> Floats:
    """(n,) distance of surface points to their k-th neighbour, or to the last one where there are fewer."""
    widths = _distance_to_neighbour(surface, points, neighbour)
    repeated = widths == 0
    if repeated.any():
        widths[repeated] = _distance_to_neighbour(np.unique(surface, axis=0), points[repeated], neighbour)
    return widths


def _distance_to_neighbour(surface: Floats, points: Floats, neighbour: int) -> Floats:
    farthest = min(neighbour, len(surface) - 1)
    return k_nearest(surface, points, farthest + 1).distances[:, farthest].astype(np.float32)


def _directions(points: Points, closest: Floats, distance: Floats, on_surface: float) -> Points:
    """(n, 3) unit vectors from the closest points to the queries; zero where they are too near to have one."""
    away = points - np.asarray(closest, dtype=np.float32)
    length = np.linalg.norm(away, axis=1)
    known = np.minimum(length, distance) > on_surface
    return np.asarray(away / np.where(known, length, np.inf)[:, None], dtype=np.float32)
