"""Sums and maxima over points that share a cell: without extensions, and the same bit for bit in every run.

On CPUs torch adds rows one after the other; on GPUs it adds them in whatever order they come, which rounds differently
each time. There, rows are brought in order first. Maxima are the same in any order.

Legend: M points, K cells, C channels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor


class Cells(NamedTuple):
    """Which cell of a table every point lies in.

    Attributes:
        rows: (M,) int64 of the table.
        counts: (K,) points of each cell, K the length of the table.
        places: (K,) int64 which of all cells each row of the table is; None where the table has a row for every cell.
    """

    rows: Tensor
    counts: Tensor
    places: Tensor | None = None


def occupied(numbers: Tensor) -> Cells:
    """The cells that points lie in, by their numbers (M,), ascending: a table no longer than there are points."""
    places, rows, counts = torch.unique(numbers, return_inverse=True, return_counts=True)
    return Cells(rows, counts, places)


def all_cells(numbers: Tensor, size: int) -> Cells:
    """A table of all cells 0 to size - 1, empty ones among them."""
    return Cells(numbers, summed(numbers.new_ones(len(numbers), 1), numbers, size).squeeze(1))


def cell_means(values: Tensor, cells: Cells) -> Tensor:
    """(K, C) mean of the values (M, C) of each cell; zero of an empty one."""
    total: Tensor = _Sum.apply(values, cells.rows, len(cells.counts))
    return total / cells.counts.clamp_min(1).to(total.dtype).unsqueeze(1)


def cell_maxima(values: Tensor, cells: Cells) -> Tensor:
    """(M, C) of every point the largest of the values (M, C) in its cell; among equals the gradient is shared."""
    told: Tensor = _Maximum.apply(values, cells.rows, len(cells.counts))
    return told


@torch.no_grad()
def summed(values: Tensor, rows: Tensor, size: int) -> Tensor:
    """(size, C) sums of the values (M, C) of each row."""
    total = values.new_zeros(size, values.shape[1])
    if not len(rows):
        return total
    if values.device.type == "cpu" or not values.is_floating_point():
        return total.index_add_(0, rows, values)
    order = torch.argsort(rows, stable=True)
    found, lengths = torch.unique_consecutive(rows[order], return_counts=True)
    total[found] = torch.segment_reduce(values[order].contiguous(), "sum", lengths=lengths, axis=0)
    return total


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(values: Tensor, rows: Tensor, size: int) -> Tensor:
        return summed(values, rows, size)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def vmap(info: Any, in_dims: Any, values: Tensor, rows: Tensor, size: int) -> tuple[Tensor, int]:
        flat, offset = _side_by_side(info.batch_size, in_dims, values, rows, size)
        total: Tensor = _Sum.apply(flat, offset, info.batch_size * size)
        return total.view(info.batch_size, size, -1), 0

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (rows,) = ctx.saved_tensors
        return gradients[0][rows], None, None


class _Maximum(torch.autograd.Function):
    @staticmethod
    def forward(values: Tensor, rows: Tensor, size: int) -> Tensor:
        table = values.new_full((size, values.shape[1]), -torch.inf)
        table.scatter_reduce_(0, rows.unsqueeze(1).expand_as(values), values, "amax")
        return table[rows]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:
        values, rows, ctx.size = inputs
        ctx.save_for_backward(rows, values == output)

    @staticmethod
    def vmap(info: Any, in_dims: Any, values: Tensor, rows: Tensor, size: int) -> tuple[Tensor, int]:
        flat, offset = _side_by_side(info.batch_size, in_dims, values, rows, size)
        told: Tensor = _Maximum.apply(flat, offset, info.batch_size * size)
        return told.view(info.batch_size, -1, flat.shape[1]), 0

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        rows, largest = ctx.saved_tensors
        gradient = gradients[0]
        shares = summed(gradient, rows, ctx.size) / summed(largest.to(gradient.dtype), rows, ctx.size).clamp_min(1.0)
        return shares[rows] * largest, None, None


def _side_by_side(count: int, in_dims: Any, values: Tensor, rows: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Many tables as one: their values one below the other, and rows that point into their own part."""
    values, rows = (
        one.expand(count, *one.shape) if dim is None else one.movedim(dim, 0)
        for one, dim in zip((values, rows), in_dims, strict=False)
    )
    first = size * torch.arange(count, device=rows.device).unsqueeze(1)
    return values.reshape(-1, values.shape[-1]), (rows + first).reshape(-1)
