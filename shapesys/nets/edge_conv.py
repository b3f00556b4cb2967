"""Edge convolution (Wang et al., TOG 2019): every point takes the maximum of a network over edges to its neighbours.

The network sees the edge feature [x_j - x_i, x_i] of a point i and its neighbour j, through a linear layer without
bias, batch norm over all edges of all workers, and LeakyReLU; once or twice. Nothing of the size of the edges is kept:

- the first linear layer is applied to points, before neighbours are gathered (see `edge_ops`);
- batch norm's statistics over edges follow from points and their neighbours' sums;
- batch norm and LeakyReLU keep the order of a channel's values, or turn it where batch norm's weight is negative; the
  sign then goes into the linear layer, and the maximum is taken before both.

Under autocast these layers stay in float32: the difference between near points is lost in less.

Legend: B shapes, N points, k neighbours, R = B N, C channels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shapesys.nets.batch_norm import BatchNorm
from shapesys.nets.edge_ops import Edges, edge_layer_max, edge_max, edge_moments, neighbour_sum
from shapesys.nets.linear import linear

SLOPE = 0.2


class EdgeConv(nn.Module):
    """y_i = max over j of LeakyReLU(BatchNorm(W [x_j - x_i, x_i])).

    Args:
        inputs: channels of x.
        outputs: channels of y.
        slope: of LeakyReLU below zero; above 0, so that order is kept.
    """

    def __init__(self, inputs: int, outputs: int, slope: float = SLOPE) -> None:
        super().__init__()
        self.edge_linear = _EdgeLinear(inputs, outputs)
        self.slope = checked_slope(slope)
        self.outputs = outputs

    def forward(self, x: Tensor, neighbours: Tensor) -> Tensor:
        """Features (B, N, inputs) and neighbours (B, N, k) int64 within each shape -> (B, N, outputs)."""
        with torch.autocast(x.device.type, enabled=False):
            rows, edges = _flattened(x, neighbours)
            p, q, scale, shift = self.edge_linear(rows, edges)
            y = F.leaky_relu_(torch.addcmul(shift, edge_max(p, q, edges), scale), self.slope)
        return y.view(*x.shape[:2], self.outputs)


class EdgeConvStack(nn.Module):
    """y_i = max over j of h(V g(W [x_j - x_i, x_i])) with g and h each LeakyReLU of BatchNorm.

    What the edges hold between the layers is made chunk by chunk, and again for the gradients.

    Args:
        inputs: channels of x.
        hidden: channels between the layers.
        outputs: channels of y.
        slope: of LeakyReLU below zero; above 0, so that order is kept.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int, slope: float = SLOPE) -> None:
        super().__init__()
        self.edge_linear = _EdgeLinear(inputs, hidden)
        self.weight = _new_weight(hidden, outputs)
        self.norm = BatchNorm(outputs)
        self.slope = checked_slope(slope)
        self.outputs = outputs

    def forward(self, x: Tensor, neighbours: Tensor) -> Tensor:
        """Features (B, N, inputs) and neighbours (B, N, k) int64 within each shape -> (B, N, outputs)."""
        with torch.autocast(x.device.type, enabled=False):
            rows, edges = _flattened(x, neighbours)
            p, q, scale, shift = self.edge_linear(rows, edges)
            sign = _sign(self.norm)
            second = self.weight * sign.unsqueeze(1)
            top, mean, squares = edge_layer_max(p * scale, torch.addcmul(shift, q, scale), second, self.slope, edges)
            if self.training:
                scale, shift = self.norm.folded(mean * sign, squares, edges.count)
            else:
                scale, shift = self.norm.folded_running()
            y = F.leaky_relu_(torch.addcmul(shift, top, scale * sign), self.slope)
        return y.view(*x.shape[:2], self.outputs)


class _EdgeLinear(nn.Module):
    """The linear layer on edge features and its batch norm, as shares of points.

    Norm(W [x_j - x_i, x_i]) = (p_j + q_i) * scale + shift with scale >= 0.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = _new_weight(2 * inputs, outputs)
        self.norm = BatchNorm(outputs)

    def forward(self, x: Tensor, edges: Edges) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Rows (R, inputs) -> p and q (R, outputs), scale and shift (outputs,)."""
        sign = _sign(self.norm)
        of_offset, of_point = (self.weight * sign.unsqueeze(1)).chunk(2, dim=1)
        p, q = linear(x, of_offset), linear(x, of_point - of_offset)
        if not self.training:
            scale, shift = self.norm.folded_running()
            return p, q, scale * sign, shift
        p_sums = linear(neighbour_sum(x, edges), of_offset)
        mean, squares = edge_moments(p, q, p_sums, edges)
        scale, shift = self.norm.folded(mean * sign, squares, edges.count)
        return p, q, scale * sign, shift


def checked_slope(slope: float) -> float:
    """The slope, or a ValueError where LeakyReLU would not keep order."""
    if not 0.0 < slope <= 1.0:
        raise ValueError(f"slope is {slope}; LeakyReLU keeps the order of its inputs with a slope in (0, 1]")
    return slope


def _flattened(x: Tensor, neighbours: Tensor) -> tuple[Tensor, Edges]:
    """(R, C) rows in float32 at least, and the edges between them."""
    if x.ndim != 3 or neighbours.ndim != 3 or neighbours.shape[:2] != x.shape[:2]:
        raise ValueError(
            f"edge convolution takes features (B, N, C) and neighbours (B, N, k); "
            f"got {tuple(x.shape)} and {tuple(neighbours.shape)}"
        )
    rows = x.flatten(0, 1).to(torch.promote_types(x.dtype, torch.float32))
    return rows, Edges.of(neighbours, rows.dtype)


def _sign(norm: BatchNorm) -> Tensor:
    """(C,) -1 where a norm turns the order of a channel's values, else 1."""
    return torch.where(norm.weight.detach() < 0, -1.0, 1.0).to(norm.weight.dtype)


def _new_weight(inputs: int, outputs: int) -> nn.Parameter:
    """(outputs, inputs), drawn as torch's linear layers are."""
    bound = 1.0 / math.sqrt(inputs)
    return nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
