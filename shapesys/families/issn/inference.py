"""What ISSN sees of a point cloud."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shapesys.families.issn.config import ISSNInference
from shapesys.samples.cloud_queries import signed_queries_from_cloud


def observe_cloud(
    points: np.ndarray, normals: np.ndarray, config: ISSNInference, seed: int
) -> Mapping[str, np.ndarray]:
    """The ``sdf`` columns of an oriented point cloud (n, 3) in its normalised frame."""
    queries, distance = signed_queries_from_cloud(points, normals, config.cloud_queries, config.cloud_stds, seed)
    return {"points": queries, "distance": distance}
