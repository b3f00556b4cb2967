"""Features in space, as Convolutional Occupancy Networks (Peng et al., ECCV 2020) keep them: on planes and in grids.

A map is a regular lattice over two or three axes of a cube. Points write to the cell that they lie in; queries read
between cells, linearly. The features of all maps of a shape are rows of one table, so that whatever a query reads, on
three planes and in a grid, is one weighted sum of rows.

As released, a point writes to cell floor(R u) of R and a query reads at (R - 1) u between them, u from 0 to 1 across
the cube; beyond the cube, both take its border.

Legend: B shapes, N points, T cells of all maps, K rows that a query reads, C channels, R resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from shapesys.nets.point_ops import flat_rows
from shapesys.nets.scatter import Cells, all_cells, occupied, summed

PLANE_SLACK, GRID_SLACK = 1e-5, 1e-3
"""By which the released code divides positions further, so that the box's border lies in the last cell."""
PLANES = ((0, 2), (0, 1), (1, 2))
"""Axes of the planes xz, xy and yz, in the order of the released code."""


@dataclass(frozen=True)
class FeatureMap:
    """A lattice of `resolution` cells along each of these axes; the first axis runs fastest."""

    axes: tuple[int, ...]
    resolution: int

    @property
    def cells(self) -> int:
        """Of the lattice."""
        return self.resolution ** len(self.axes)

    @property
    def strides(self) -> tuple[int, ...]:
        """By which the number of a cell grows along each axis."""
        return tuple(self.resolution**place for place in range(len(self.axes)))

    def unit(self, points: Tensor, side: float) -> Tensor:
        """(..., 3) points of the cube about the origin -> (..., axes) from 0 to just below 1."""
        slack = PLANE_SLACK if len(self.axes) == 2 else GRID_SLACK
        scaled = points[..., list(self.axes)] / (side + slack) + 0.5
        return scaled.clamp(0.0, 1.0 - slack)

    def cell(self, points: Tensor, side: float) -> Tensor:
        """(..., 3) -> (...) int64 number of the cell that each point lies in."""
        place = (self.unit(points, side) * self.resolution).long()
        return (place * place.new_tensor(self.strides)).sum(dim=-1)

    def between(self, points: Tensor, side: float) -> tuple[Tensor, Tensor]:
        """(..., 3) -> the 2 or 4 or 8 cells around each query, and the weight of each: (..., corners)."""
        place = self.unit(points, side) * (self.resolution - 1)
        low = place.floor().clamp(max=self.resolution - 2)
        corners = torch.cartesian_prod(*[torch.arange(2, device=points.device)] * len(self.axes))
        strides = corners.new_tensor(self.strides)
        fraction = (place - low).unsqueeze(-2)
        weights = torch.where(corners.bool(), fraction, 1.0 - fraction).prod(dim=-1)
        first = (low.long() * strides).sum(dim=-1, keepdim=True)
        return first + (corners * strides).sum(dim=-1), weights


@dataclass(frozen=True)
class FeatureSpace:
    """The maps of a shape, and the cube about the origin that they cover.

    Attributes:
        maps: in the order of their features in the table.
        side: of the cube.
        in_cells: resolution of the cells in which networks are told where a point is; 0: they are told where it is in
            the cube.
    """

    maps: tuple[FeatureMap, ...]
    side: float
    in_cells: int = 0

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Row of each map's first cell in the table of a shape, and the table's length T."""
        total = [0]
        for one in self.maps:
            total.append(total[-1] + one.cells)
        return tuple(total)

    @property
    def cells(self) -> int:
        """T, of all maps."""
        return self.offsets[-1]

    def positions(self, points: Tensor) -> Tensor:
        """(..., 3) what networks are told of where points are: the points, or from 0 to 1 where in a cell."""
        if not self.in_cells:
            return points
        place = (points / self.side + 0.5) * self.in_cells
        return place - place.floor()

    def cells_of(self, points: Tensor, dense: bool = False) -> list[Cells]:
        """Of every map the cells that the points (B, N, 3) of B shapes lie in, each shape's behind the last one's.

        Args:
            dense: with a row for every cell of the map, empty or not.
        """
        found = []
        for one in self.maps:
            numbers = flat_rows(one.cell(points, self.side), one.cells)
            found.append(all_cells(numbers, len(points) * one.cells) if dense else occupied(numbers))
        return found

    def reads(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (B, N, K) of a shape's table that the queries (B, N, 3) read, and their weights."""
        found = [one.between(queries, self.side) for one in self.maps]
        rows = torch.cat([cells + first for (cells, _), first in zip(found, self.offsets[:-1], strict=True)], dim=-1)
        return rows, torch.cat([weights for _, weights in found], dim=-1)


def plane_maps(resolution: int, planes: Sequence[tuple[int, int]] = PLANES) -> tuple[FeatureMap, ...]:
    """One map per plane."""
    return tuple(FeatureMap(axes, resolution) for axes in planes)


def grid_map(resolution: int) -> FeatureMap:
    """A map over all of space."""
    return FeatureMap((0, 1, 2), resolution)


def read_features(table: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of features: tables (B, T, C) at rows (B, N, K) with weights (B, N, K) -> (B, N, C).

    Gradients flow to the table alone.
    """
    batch, size, channels = table.shape
    flat = flat_rows(rows, size).view(-1, rows.shape[-1])
    read: Tensor = _Read.apply(table.reshape(batch * size, channels), flat, weights.reshape(flat.shape))
    return read.view(batch, -1, channels)


class _Read(torch.autograd.Function):
    @staticmethod
    def forward(table: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
        if table.dtype in (torch.float32, torch.float64):
            return F.embedding_bag(rows, table, mode="sum", per_sample_weights=weights.to(table.dtype))
        picked = table[rows] * weights.to(table.dtype).unsqueeze(-1)
        return picked.sum(dim=1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
        table, rows, weights = inputs
        ctx.size = len(table)
        ctx.save_for_backward(rows, weights)

    @staticmethod
    def vmap(info: Any, in_dims: Any, table: Tensor, rows: Tensor, weights: Tensor) -> tuple[Tensor, int]:
        tables, rows, weights = (
            one.expand(info.batch_size, *one.shape) if dim is None else one.movedim(dim, 0)
            for one, dim in zip((table, rows, weights), in_dims, strict=True)
        )
        return read_features(tables, rows, weights), 0

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        rows, weights = ctx.saved_tensors
        gradient = gradients[0]
        if gradient.device.type == "cpu":
            # One corner at a time, so that no table of all corners' gradients exists.
            total = gradient.new_zeros(ctx.size, gradient.shape[1])
            for row, weight in zip(rows.unbind(dim=1), weights.to(gradient.dtype).unbind(dim=1), strict=True):
                total.index_add_(0, row, gradient * weight.unsqueeze(1))
            return total, None, None
        spread = gradient.unsqueeze(1) * weights.to(gradient.dtype).unsqueeze(2)
        return summed(spread.flatten(0, 1), rows.flatten(), ctx.size), None, None
