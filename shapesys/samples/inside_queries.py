"""Queries with their inside bit, for networks that classify space, and points of the surface that such networks see.

Occupancy Networks (Mescheder et al., CVPR 2019) draws 100,000 queries uniformly in the cube about a shape, a tenth
larger than the shape on all sides together; its option for more detail displaces surface points instead.

Legend: n queries, c chunks, m surface points per chunk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shapesys.geometry.mesh import Floats, Mesh
from shapesys.geometry.surface import sample_surface
from shapesys.samples.queries import Points, cut_into_chunks
from shapesys.samples.settings import InsideConfig
from shapesys.samples.shape_samples import Row

Draw = Callable[[int, int], Points]
"""(count, seed) -> (count, 3) points of what was observed of a surface, in random order."""


class Solid(Protocol):
    """Knows its inside."""

    def inside(self, points: Floats) -> NDArray[np.bool_]:
        """(n, 3) -> (n,)."""


@dataclass(frozen=True)
class InsideQueries:
    """Points (n, 3), their inside bits (n,), and which were displaced from the surface (n,)."""

    points: Points
    inside: NDArray[np.bool_]
    near: NDArray[np.bool_]


def queries_of_mesh(mesh: Mesh, solid: Solid, config: InsideConfig, seed: int) -> InsideQueries:
    """Uniform queries in the padded cube about a mesh, then queries displaced from its surface."""
    rng = np.random.default_rng(seed)
    near = round(config.count * config.near_share)
    uniform = cube_points(mesh, config.count - near, config.padding, rng)
    surface = sample_surface(mesh, near, int(rng.integers(2**32))).points
    displaced = surface + config.near_std * rng.standard_normal((near, 3), dtype=np.float32)
    points = np.concatenate([uniform, displaced]).astype(np.float32)
    return InsideQueries(points, solid.inside(points), np.arange(config.count) >= len(uniform))


def inside_rows(queries: InsideQueries, draw: Draw, config: InsideConfig, seed: int) -> list[Row]:
    """One row per chunk of shuffled queries, each with surface points of its own.

    Where fewer queries are given than `config.count`, some are used again.
    """
    order = np.random.default_rng(seed).permutation(len(queries.points))
    taken = np.resize(order, config.count)
    chunks = cut_into_chunks(config.count, config.chunk_size, seed)
    surface = draw(len(chunks) * config.surface, seed).reshape(len(chunks), config.surface, 3)
    return [
        {
            "points": queries.points[taken[rows]],
            "inside": queries.inside[taken[rows]],
            "near": queries.near[taken[rows]],
            "surface": points.astype(np.float32),
        }
        for rows, points in zip(chunks, surface, strict=True)
    ]


def draw_from_mesh(mesh: Mesh) -> Draw:
    """Points of a surface, uniform over its area."""

    def draw(count: int, seed: int) -> Points:
        points: Points = sample_surface(mesh, count, seed).points
        return points[np.random.default_rng(seed).permutation(count)]

    return draw


def draw_from_points(cloud: Floats) -> Draw:
    """Points of a scan (S, 3), every one as often as any other, give or take once."""

    def draw(count: int, seed: int) -> Points:
        rng = np.random.default_rng(seed)
        rounds = [rng.permutation(len(cloud)) for _ in range(-(-count // len(cloud)))]
        return np.asarray(cloud, np.float32)[np.concatenate(rounds)[:count]]

    return draw


def cube_points(mesh: Mesh, count: int, padding: float, rng: np.random.Generator) -> Points:
    """(count, 3) points, uniform in the cube about the bounding box, 1 + padding times as wide as its longest side."""
    low, high = mesh.bounds
    side = (1.0 + padding) * float((high - low).max())
    unit = rng.random((count, 3), dtype=np.float32)
    return np.asarray(0.5 * (low + high) + side * (unit - 0.5), np.float32)
