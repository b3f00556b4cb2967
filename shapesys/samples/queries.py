"""Where a shape is asked: near the surface, in the unit ball, in its box; shuffled once and cut into chunks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shapesys.geometry.mesh import Mesh
from shapesys.geometry.surface import sample_surface
from shapesys.samples.settings import QueryConfig

Points = NDArray[np.float32]


def query_points(mesh: Mesh, config: QueryConfig, surface_seed: int, noise_seed: int) -> Points:
    """(config.count, 3) points: displaced surface points in face order, then points uniform in the unit ball.

    Every second surface point is displaced by the wider Gaussian, the others by the narrower one.
    """
    near = round(config.count * config.near_share)
    rng = np.random.default_rng(noise_seed)
    surface = sample_surface(mesh, near, surface_seed).points
    std = np.where(np.arange(near) % 2 == 0, config.wide_std, config.narrow_std).astype(np.float32)
    noise = rng.standard_normal((near, 3), dtype=np.float32) * std[:, None]
    return np.concatenate([surface + noise, ball_points(config.count - near, rng)])


def ball_points(count: int, rng: np.random.Generator) -> Points:
    """(count, 3) points, uniform in the unit ball."""
    directions = rng.standard_normal((count, 3), dtype=np.float32)
    directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return directions * np.cbrt(rng.random((count, 1), dtype=np.float32))


def box_points(mesh: Mesh, count: int, padding: float, seed: int) -> Points:
    """(count, 3) points, uniform in the bounding box with a margin of `padding` times its longest side in all."""
    low, high = mesh.bounds
    margin = 0.5 * padding * float((high - low).max())
    unit = np.random.default_rng(seed).random((count, 3), dtype=np.float32)
    return ((low - margin) + unit * (high - low + 2 * margin)).astype(np.float32)


def cut_into_chunks(count: int, size: int, seed: int) -> NDArray[np.int64]:
    """(chunks, size) rows of a shuffled set; the last chunk is completed with the first rows, so none is dropped."""
    order = np.random.default_rng(seed).permutation(count)
    return np.resize(order, (-(-count // size), size))
