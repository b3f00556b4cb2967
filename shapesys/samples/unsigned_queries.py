"""Queries with their unsigned distance to a raw surface: a mesh with any holes and orientation, or a scan's points.

Sampled as SAL does (Atzmon and Lipman, CVPR 2020, `preprocess_dfaust.py`): surface points, each displaced once by a
Gaussian as wide as its distance to the k-th neighbour, once by a Gaussian of one global width. Nothing is drawn again
where it leaves the unit sphere.

Legend: S points on the surface, n queries.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from shapesys.geometry.mesh import Floats, Mesh
from shapesys.geometry.neighbours import k_nearest, nearest
from shapesys.geometry.surface import sample_surface
from shapesys.samples.queries import Points, cut_into_chunks
from shapesys.samples.settings import UnsignedConfig
from shapesys.samples.shape_samples import Row

Distances = Callable[[Points], Floats]
"""(n, 3) queries -> (n,) unsigned distance to the surface."""


def unsigned_of_mesh(mesh: Mesh, distances: Distances, config: UnsignedConfig, seed: int) -> Row:
    """``points`` (n, 3) about a mesh and their ``distance`` (n,), which `distances` measures to its triangles."""
    rng = np.random.default_rng(seed)
    surface = sample_surface(mesh, _origins(config), int(rng.integers(2**32))).points
    return _measured(_displaced(surface, surface, config, rng), distances)


def unsigned_of_points(cloud: Floats, config: UnsignedConfig, seed: int) -> Row:
    """``points`` (n, 3) about a cloud (S, 3) and their ``distance`` (n,) to its nearest point.

    Every point of the cloud is displaced equally often, give or take once.
    """
    rng = np.random.default_rng(seed)
    cloud = np.ascontiguousarray(cloud, dtype=np.float32)
    origins = cloud[np.resize(rng.permutation(len(cloud)), _origins(config))]
    return _measured(_displaced(origins, cloud, config, rng), lambda queries: nearest(cloud, queries).distances)


def chunked(queries: Row, config: UnsignedConfig, seed: int) -> list[Row]:
    """One row per chunk of shuffled queries."""
    rows = cut_into_chunks(len(queries["points"]), config.chunk_size, seed)
    return [{name: values[chunk] for name, values in queries.items()} for chunk in rows]


def _origins(config: UnsignedConfig) -> int:
    """Surface points: every one makes two queries, but for the last of an odd number."""
    return (config.count + 1) // 2


def _displaced(origins: Floats, surface: Floats, config: UnsignedConfig, rng: np.random.Generator) -> Points:
    """(count, 3): all origins displaced locally, then all displaced globally."""
    farthest = min(config.neighbour, len(surface) - 1)
    local = k_nearest(surface, origins, farthest + 1).distances[:, farthest]
    widths = np.concatenate([local, np.full(len(origins), config.global_std)]).astype(np.float32)
    noise = rng.standard_normal((len(widths), 3), dtype=np.float32) * widths[:, None]
    return np.asarray(np.concatenate([origins, origins]) + noise, dtype=np.float32)[: config.count]


def _measured(points: Points, distances: Distances) -> Row:
    return {"points": points, "distance": np.asarray(distances(points), dtype=np.float32)}
