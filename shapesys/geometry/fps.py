"""Farthest point sampling: exact, greedy, from a start of the caller's choice.

Every path returns the same indices: the next sample is the point whose squared distance (float32) to the samples
so far is largest, the lowest index among equals. The order of n samples is a prefix of the order of more. A sample
is never taken twice, so coincident points follow only after all distinct ones.

The compiled path sorts the points along a space-filling curve, cuts them into buckets with bounding boxes, and
updates a bucket only when a new sample can change its farthest point; other samples wait until then (QuickFPS,
Han et al. 2023).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args, overload

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import missing_extra, unknown_name
from shapesys.geometry.mesh import Floats, Ints
from shapesys.geometry.morton import morton_order
from shapesys.geometry.neighbours import installed

if TYPE_CHECKING:
    from torch import Tensor

Backend = Literal["auto", "warp", "numpy"]

COMPILED_FROM = 1_000_000
"""Points times samples from which the compiled path repays loading it."""

POINTS_PER_BUCKET = 256
WAITING_ROOM = 16


@overload
def farthest_points(
    points: Floats, count: int, start: int | Ints = 0, backend: Backend = "auto"
) -> NDArray[np.int64]: ...
@overload
def farthest_points(points: Tensor, count: int, start: int | Tensor = 0, backend: Backend = "auto") -> Tensor: ...
def farthest_points(
    points: Floats | Tensor, count: int, start: int | Ints | Tensor = 0, backend: Backend = "auto"
) -> NDArray[np.int64] | Tensor:
    """Indices of ``count`` points, each the farthest from those before it.

    Args:
        points: (n, 3) one cloud or (b, n, 3) a batch; a tensor is sampled by torch on its own device.
        start: index of the first sample, one for all clouds or (b,).
        backend: for arrays, ``warp`` (compiled, needs warp-lang), ``numpy``, or ``auto``.

    Returns:
        (count,) or (b, count) int64 indices, an array or a tensor like ``points``.

    Raises:
        ValueError: wrong shape, a coordinate that is not finite, ``count`` outside 0..n, or ``start`` outside 0..n-1.
        UsageError: no such backend.
    """
    if not isinstance(points, np.ndarray):
        from shapesys.geometry.fps_torch import farthest_points_torch

        return farthest_points_torch(points, count, start)
    clouds = _checked(points)
    size = clouds.shape[1]
    first = check_request(size, count, np.broadcast_to(np.asarray(start, np.int64), len(clouds)))
    if count == 0:
        indices = np.zeros((len(clouds), 0), np.int64)
    elif _choose(backend, size * count) == "warp":
        indices = _sample_buckets(clouds, count, first)
    else:
        indices = np.stack([_sample_all(cloud, count, int(at)) for cloud, at in zip(clouds, first, strict=True)])
    return indices if points.ndim == 3 else indices[0]


def check_request(size: int, count: int, start: NDArray[np.int64]) -> NDArray[np.int64]:
    """``start`` as given, or a ValueError when the cloud of ``size`` points cannot serve the request."""
    if not 0 <= count <= size:
        raise ValueError(f"count is {count}; a cloud of {size} points gives 0..{size} samples")
    if count and (start.min() < 0 or start.max() >= size):
        raise ValueError(f"start is {start.tolist()}; it must be within 0..{size - 1}")
    return start


def _checked(points: Floats) -> NDArray[np.float32]:
    """(b, n, 3) float32, or a ValueError."""
    if points.ndim not in (2, 3) or points.shape[-1] != 3 or points.shape[0] == 0:
        raise ValueError(f"points has shape {points.shape}; expected (n, 3) or (b, n, 3)")
    clouds = np.ascontiguousarray(points.reshape(-1, *points.shape[-2:]), dtype=np.float32)
    if not np.isfinite(clouds).all():
        raise ValueError("points holds coordinates that are not finite")
    return clouds


def _choose(backend: str, work: int) -> str:
    if backend not in get_args(Backend):
        raise unknown_name("farthest point backend", backend, get_args(Backend))
    if backend == "warp" and not installed("warp"):
        raise missing_extra("warp-lang", "sampling", "farthest point backend 'warp'")
    if backend == "auto":
        return "warp" if work >= COMPILED_FROM and installed("warp") else "numpy"
    return backend


def _sample_all(cloud: NDArray[np.float32], count: int, at: int) -> NDArray[np.int64]:
    """(count,) samples of one cloud, touching every point at every step."""
    x, y, z = (np.ascontiguousarray(axis) for axis in cloud.T)
    nearest = np.full(len(cloud), np.inf, np.float32)
    squared, term = np.empty_like(nearest), np.empty_like(nearest)
    chosen = np.empty(count, np.int64)
    for step in range(count):
        chosen[step] = at
        np.square(np.subtract(x, x[at], out=squared), out=squared)
        squared += np.square(np.subtract(y, y[at], out=term), out=term)
        squared += np.square(np.subtract(z, z[at], out=term), out=term)
        np.minimum(nearest, squared, out=nearest)
        nearest[at] = -1.0
        at = int(nearest.argmax())
    return chosen


def _sample_buckets(clouds: NDArray[np.float32], count: int, start: NDArray[np.int64]) -> NDArray[np.int64]:
    """(b, count) samples by the compiled bucketed search."""
    from shapesys.geometry.fps_kernel import bound_buckets, sample_farthest
    from shapesys.geometry.warp_runtime import wp

    batch, size = clouds.shape[:2]
    buckets = -(-size // POINTS_PER_BUCKET)
    starts = (np.arange(buckets + 1) * size // buckets).astype(np.int32)
    order = np.stack([morton_order(cloud) for cloud in clouds])
    first = np.argmax(order == start[:, None], axis=1).astype(np.int32)

    def view(array: NDArray[np.generic], dtype: type) -> wp.array:
        return wp.array(array, dtype=dtype, device="cpu", copy=False)

    points = view(np.stack([cloud.take(row, axis=0) for cloud, row in zip(clouds, order, strict=True)]), wp.vec3)
    low, high = (view(np.empty((batch, buckets, 3), np.float32), wp.vec3) for _ in range(2))
    tables = [points, view(order, wp.int32), view(starts, wp.int32), low, high, view(first, wp.int32)]
    state = [
        view(np.full((batch, size), np.inf, np.float32), wp.float32),
        view(np.repeat(starts[None, :-1], batch, axis=0), wp.int32),
        view(np.full((batch, buckets), np.inf, np.float32), wp.float32),
        view(np.empty((batch, buckets, WAITING_ROOM, 3), np.float32), wp.vec3),
        view(np.zeros((batch, buckets), np.int32), wp.int32),
    ]
    chosen = np.empty((batch, count), np.int32)
    wp.launch(bound_buckets, dim=(batch, buckets), inputs=[points, tables[2]], outputs=[low, high], device="cpu")
    wp.launch(sample_farthest, dim=batch, inputs=tables + state, outputs=[view(chosen, wp.int32)], device="cpu")
    return chosen.astype(np.int64)
