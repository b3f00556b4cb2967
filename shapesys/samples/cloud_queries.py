"""Signed-distance queries from an oriented point cloud: what a user's own scan offers in place of a mesh.

The ISSN paper (section 5.1) observes unseen shapes so: queries near the points, distances from points and normals.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from shapesys.errors import ShapeRejected
from shapesys.geometry.mesh import Floats

NEIGHBOURS = 11
"""Normals that vote on a sign, as in DeepSDF's PreprocessMesh.cpp."""


def signed_queries_from_cloud(
    points: Floats, normals: Floats, count: int, stds: tuple[float, ...], seed: int
) -> tuple[Floats, Floats]:
    """Perturb cloud points and sign their distances by a vote of the nearest normals.

    A query closer to its nearest point than its perturbation is measured to that point's tangent plane, otherwise
    to the point itself. Queries whose neighbours disagree on the side are dropped, as DeepSDF drops them.

    Args:
        points: (n, 3) cloud, normalised frame.
        normals: (n, 3) outward normals, unit length.
        count: queries to draw, before dropping.
        stds: standard deviations of the perturbations; the queries are shared equally among them.
        seed: of the draw.

    Returns:
        points (m, 3) and signed distance (m,), float32, m <= count, in random order.

    Raises:
        ShapeRejected: fewer than 11 points, no normals, or no query on whose side the normals agree.
    """
    if len(points) < NEIGHBOURS or normals.shape != points.shape:
        raise ShapeRejected("observe", f"needs at least {NEIGHBOURS} points with normals; got {len(points)} points")
    rng = np.random.default_rng(seed)
    origin = rng.integers(len(points), size=count)
    std = np.asarray(stds, dtype=np.float64)[rng.integers(len(stds), size=count)]
    queries = points[origin] + rng.standard_normal((count, 3)) * std[:, None]
    distance, neighbours = cKDTree(points).query(queries, k=NEIGHBOURS)
    offsets = queries[:, None, :] - points[neighbours]
    heights = np.einsum("qkd,qkd->qk", offsets, normals[neighbours])
    outside = (heights > 0).sum(axis=1)
    agreed = (outside == 0) | (outside == NEIGHBOURS)
    if not agreed.any():
        raise ShapeRejected("observe", "the normals agree on no query's side; are they oriented outward?")
    nearest = distance[:, 0]
    magnitude = np.where(nearest < std, np.abs(heights[:, 0]), nearest)
    signed = np.where(outside == NEIGHBOURS, magnitude, -magnitude)
    return queries[agreed].astype(np.float32), signed[agreed].astype(np.float32)
