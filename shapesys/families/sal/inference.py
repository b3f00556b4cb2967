"""What SAL sees of a point cloud: positions are enough."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shapesys.families.sal.config import SALInference
from shapesys.samples.unsigned_queries import unsigned_of_points


def observe_points(points: np.ndarray, config: SALInference, seed: int) -> Mapping[str, np.ndarray]:
    """The ``udf`` columns of a point cloud (n, 3) in its normalised frame, in random order."""
    queries = unsigned_of_points(points, config.sampler(), seed)
    order = np.random.default_rng(seed).permutation(config.cloud_queries)
    return {name: values[order] for name, values in queries.items() if len(values)}
