"""What IGR sees of a point cloud: its points, how far apart they are, and normals where there are any."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shapesys.families.igr.config import IGRInference
from shapesys.samples.unsigned_queries import unsigned_of_points


def observe_points(points: np.ndarray, config: IGRInference, seed: int) -> Mapping[str, np.ndarray]:
    """The ``udf`` columns of a point cloud (n, 3) in its normalised frame, in random order; no normals."""
    return _observed(points, None, config, seed)


def observe_cloud(points: np.ndarray, normals: np.ndarray, config: IGRInference, seed: int) -> Mapping[str, np.ndarray]:
    """The same of a cloud with outward normals (n, 3)."""
    return _observed(points, normals, config, seed)


def _observed(
    points: np.ndarray, normals: np.ndarray | None, config: IGRInference, seed: int
) -> Mapping[str, np.ndarray]:
    # Every point is displaced twice there: the first half of the queries has each of them once.
    sampler = config.sampler().override({"count": 2 * len(points)})
    queries = unsigned_of_points(points, sampler, seed, normals)
    return {name: queries[name][: len(points)] for name in ("surface", "normals", "spread")}
