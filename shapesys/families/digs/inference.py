"""What DiGS sees of a point cloud: its points, and normals where there are any."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shapesys.families.fields.codes import CodeSearch


def observe_points(points: np.ndarray, config: CodeSearch, seed: int) -> Mapping[str, np.ndarray]:
    """The ``udf`` columns of a point cloud (n, 3) in its normalised frame, in random order; no normals."""
    return observe_cloud(points, np.empty((0, 3)), config, seed)


def observe_cloud(points: np.ndarray, normals: np.ndarray, config: CodeSearch, seed: int) -> Mapping[str, np.ndarray]:
    """The same of a cloud with normals (n, 3)."""
    order = np.random.default_rng(seed).permutation(len(points))
    seen = {"surface": points[order], "normals": normals[order] if len(normals) else normals}
    return {name: np.asarray(values, np.float32) for name, values in seen.items()}
