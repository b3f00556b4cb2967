"""The k nearest neighbours of every row among the rows of its own shape, in as many dimensions as rows have.

Exact: every distance is computed, block by block, and none is left out by a tree or a hash. On CPUs distance and column
share one 64-bit key, so that numpy's vectorised partition carries both: it takes a seventh of the time of
`torch.topk`, and a fortieth of that of a sort.

Legend: B shapes, N rows, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shapesys.errors import ShapesysError
from shapesys.nets.linear import product
from shapesys.nets.point_ops import squared_distances

CPU_BLOCK = 1 << 18
"""Distances held at once for each thread of a CPU: with their keys, three megabytes."""
GPU_BLOCK = 1 << 27

DIFFERENCES_UP_TO = 3
"""Channels up to which distances are sums of squared differences, the more exact way and then also the faster one."""


@torch.no_grad()
def k_nearest_rows(x: Tensor, k: int) -> Tensor:
    """The k nearest rows of every row of x, nearest first; the first is always the row itself.

    Distances are computed in x's precision, float32 at least: up to three channels from differences, above from
    products of the rows around their shape's mean, clamped at zero. Rows at equal computed distance come lowest index
    first where x is float32 on a CPU and nothing is compiled, in no promised order elsewhere. Memory is that of the
    answer and a fixed block.

    Args:
        x: (B, N, C), any device.
        k: neighbours of each row, itself included.

    Returns:
        (B, N, k) int64 indices within each shape.

    Raises:
        ShapesysError: a shape has fewer than k rows, or k is below 1.
    """
    batch, size = x.shape[:2]
    check_neighbours(k, size)
    search = _Search(x)
    found = torch.empty(batch, size, k, dtype=torch.int64, device=x.device)
    with _helpers(x.device) as helpers:
        for shapes, rows in _blocks(batch, size, x.device):
            distances = search.squared(shapes, rows)
            # Below all others, so that a row is its own first neighbour whatever coincides with it.
            distances.diagonal(offset=rows.start, dim1=1, dim2=2).fill_(-1.0)
            found[shapes, rows] = _smallest(distances, k, helpers)
    return found


def check_neighbours(k: int, size: int) -> None:
    """Refuse what k neighbours cannot be found in.

    Raises:
        ShapesysError: says which k and how many points there are.
    """
    if not 1 <= k <= size:
        raise ShapesysError(
            f"k is {k}, but each shape has {size} points: a point has 1..{size} neighbours, itself included; "
            "lower k, or give more points per shape"
        )


class _Search:
    """Squared distances among the rows of each shape."""

    def __init__(self, x: Tensor) -> None:
        x = x.detach().to(torch.promote_types(x.dtype, torch.float32))
        # Around the mean fewer digits cancel; distances are the same.
        centred = x - x.mean(dim=1, keepdim=True)
        self.by_differences = x.shape[2] <= DIFFERENCES_UP_TO
        if self.by_differences:
            # Each coordinate contiguous: differences then run over whole vectors.
            self.points = x.transpose(1, 2).contiguous().transpose(1, 2)
            return
        norms = centred.square().sum(dim=2, keepdim=True)
        ones = torch.ones_like(norms)
        # |a|^2 + |b|^2 - 2ab as one product of longer rows.
        self.left = torch.cat([-2.0 * centred, norms, ones], dim=2)
        self.right = torch.cat([centred, ones, norms], dim=2)

    def squared(self, shapes: slice, rows: slice) -> Tensor:
        """(b, r, N) distances from the rows of a block to all rows of their shapes."""
        if self.by_differences:
            return squared_distances(self.points[shapes, rows], self.points[shapes])
        left, right = self.left[shapes, rows], self.right[shapes]
        if left.device.type == "cpu":
            each = [product(a, b) for a, b in zip(left, right, strict=True)]
            products = torch.stack(each) if len(each) > 1 else each[0].unsqueeze(0)
        else:
            products = torch.bmm(left, right.transpose(1, 2))
        return products.clamp_(min=0.0)


def _smallest(distances: Tensor, k: int, helpers: Executor | None) -> Tensor:
    """(b, r, k) columns of each row's smallest distances, in ascending order."""
    if distances.dtype != torch.float32 or distances.device.type != "cpu" or torch.compiler.is_compiling():
        return distances.topk(k, dim=-1, largest=False).indices
    # The bits of floats that are not negative are in the order of the floats; -1 is negative as an integer too.
    keys = distances.view(torch.int32).to(torch.int64).bitwise_left_shift_(32)
    keys |= torch.arange(keys.shape[-1])
    table = keys.view(-1, keys.shape[-1]).numpy()
    if helpers is None:
        _partition(table, k)
    else:
        parts = np.array_split(table, torch.get_num_threads())
        list(helpers.map(_partition, parts, [k] * len(parts)))
    return keys[..., :k] & 0xFFFFFFFF


def _partition(table: NDArray[np.int64], k: int) -> None:
    """Move each row's k smallest keys to its front, in ascending order."""
    table.partition(k - 1, axis=-1)
    table[:, :k].sort(axis=-1)


@contextmanager
def _helpers(device: torch.device) -> Iterator[Executor | None]:
    """Threads for numpy, which has none of its own, as many as torch may use; None where one does all."""
    threads = torch.get_num_threads() if device.type == "cpu" and not torch.compiler.is_compiling() else 1
    if threads == 1:
        yield None
        return
    with ThreadPoolExecutor(threads) as pool:
        yield pool


def _blocks(batch: int, size: int, device: torch.device) -> Iterator[tuple[slice, slice]]:
    """Cut a (batch, size, size) table into blocks of shapes and rows."""
    limit = CPU_BLOCK * torch.get_num_threads() if device.type == "cpu" else GPU_BLOCK
    rows = max(1, min(size, limit // size))
    together = max(1, limit // (rows * size)) if rows == size else 1
    for shape in range(0, batch, together):
        for row in range(0, size, rows):
            yield slice(shape, shape + together), slice(row, row + rows)
