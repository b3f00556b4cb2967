"""Operations on batches of points that networks share: look-up, distances, and interpolation from the nearest.

Legend: B shapes, N points, S coarse points, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

NEAREST = 3
FLOOR = 1e-10

CPU_BLOCK = 1 << 19
"""Distances computed at once on a CPU: two megabytes, which stay near the core."""
GPU_BLOCK = 1 << 27

Weighting = Literal["floor", "plus"]


def gather_points(values: Tensor, indices: Tensor) -> Tensor:
    """Rows of each shape's own values: (B, N, C) at (B, ...) int64 -> (B, ..., C)."""
    batch, size, channels = values.shape
    return values.reshape(batch * size, channels)[flat_rows(indices, size)].view(*indices.shape, channels)


def flat_rows(indices: Tensor, size: int) -> Tensor:
    """(B * ...,) rows of the flattened (B * size, ...) that the indices (B, ...) of each shape stand for."""
    first = torch.arange(len(indices), device=indices.device) * size
    return (indices + first.view(-1, *[1] * (indices.ndim - 1))).reshape(-1)


def squared_distances(queries: Tensor, points: Tensor) -> Tensor:
    """(B, S, N) squared distances of (B, S, 3) to (B, N, 3), by differences: never negative, exact to rounding."""
    total: Tensor | None = None
    for axis in range(queries.shape[-1]):
        term = (points[..., axis].unsqueeze(-2) - queries[..., axis].unsqueeze(-1)).square_()
        total = term if total is None else total.add_(term)
    assert total is not None
    return total


def blocks(shapes: int, queries: int, points: int, device: torch.device) -> Iterator[tuple[slice, slice]]:
    """Cut a (shapes, queries, points) table into blocks of shapes and queries that fit the device's cache or memory."""
    limit = CPU_BLOCK if device.type == "cpu" else GPU_BLOCK
    rows = max(1, min(queries, limit // points))
    together = max(1, limit // (rows * points)) if rows == queries else 1
    for shape in range(0, shapes, together):
        for query in range(0, queries, rows):
            yield slice(shape, shape + together), slice(query, query + rows)


def three_nearest(points: Tensor, coarse: Tensor, weighting: Weighting = "floor") -> tuple[Tensor, Tensor]:
    """The three nearest coarse points of every point, and the share of each.

    Args:
        points: (B, N, 3).
        coarse: (B, S, 3); fewer than three serve as far as they go.
        weighting: shares go with the inverse squared distance d; ``floor`` is 1 / max(d, 1e-10) as in the authors'
            code, ``plus`` is 1 / (d + 1e-8) as in ports.

    Returns:
        (B, N, 3) int64 indices, nearest first, and (B, N, 3) shares with sum 1. Shares carry gradients to both
        sets of points, indices none.
    """
    indices = _nearest(points.detach(), coarse.detach(), min(NEAREST, coarse.shape[1]))
    offsets = points.unsqueeze(2) - gather_points(coarse, indices)
    squared = offsets.square().sum(dim=-1)
    closeness = (squared.clamp_min(FLOOR) if weighting == "floor" else squared + 1e-8).reciprocal()
    return indices, closeness / closeness.sum(dim=-1, keepdim=True)


def three_interpolate(values: Tensor, indices: Tensor, shares: Tensor) -> Tensor:
    """Weighted sums of coarse values: (B, S, C) at (B, N, k) with shares (B, N, k) -> (B, N, C)."""
    batch, size, channels = values.shape
    rows = flat_rows(indices, size).view(-1, indices.shape[-1])
    table = values.reshape(batch * size, channels)
    if shares.requires_grad or values.dtype not in (torch.float32, torch.float64):
        picked = table[rows.reshape(-1)].view(*rows.shape, channels)
        mixed = (picked * shares.reshape(*rows.shape, 1)).sum(dim=1)
    else:
        weights = shares.reshape(rows.shape).to(values.dtype)
        mixed = F.embedding_bag(rows, table, mode="sum", per_sample_weights=weights)
    return mixed.view(batch, indices.shape[1], channels)


def _nearest(points: Tensor, coarse: Tensor, count: int) -> Tensor:
    batch, size = points.shape[:2]
    found = torch.empty(batch, size, count, dtype=torch.int64, device=points.device)
    for shapes, rows in blocks(batch, size, coarse.shape[1], points.device):
        squared = squared_distances(points[shapes, rows], coarse[shapes])
        found[shapes, rows] = squared.topk(count, dim=-1, largest=False).indices
    return found
