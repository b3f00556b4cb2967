"""What edge convolutions take from edges without keeping them: maxima, sums and second moments.

An edge runs from point i to one of its k neighbours j. A linear layer on the edge feature [x_j - x_i, x_i] is a sum
p_j + q_i of products of single points, since W [x_j - x_i, x_i] = W1 x_j + (W2 - W1) x_i. So all that batch norm and
maximum need of R k edges follows from p, q, and the sum of p over each point's neighbours. Equal to the formula up to
rounding; far from the origin, where p_j + q_i cancels, more digits are lost than in x_j - x_i: normalise clouds first.

Legend: R points of all shapes, k neighbours, C channels; H channels between two linear layers of an edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from shapesys.nets.largest import largest, packs, tagged, untagged
from shapesys.nets.linear import chunks, product
from shapesys.nets.point_ops import flat_rows

CPU_CHUNK = 1 << 18
"""Numbers gathered at once on a CPU: two megabytes at most, which stay near the core."""
GPU_CHUNK = 1 << 26


@dataclass(frozen=True)
class Edges:
    """The edges of a batch.

    Attributes:
        rows: (R, k) int64 neighbours of each point, as rows of the flattened batch.
        degree: (R,) how many points each point is a neighbour of.
    """

    rows: Tensor
    degree: Tensor

    @classmethod
    def of(cls, neighbours: Tensor, dtype: torch.dtype) -> Edges:
        """From neighbours (B, N, k) within each shape; degrees in the precision of what will be summed."""
        size, k = neighbours.shape[1:]
        rows = flat_rows(neighbours, size)
        degree = torch.bincount(rows, minlength=len(rows) // k)
        return cls(rows.view(-1, k), degree.to(dtype))

    @property
    def k(self) -> int:
        """Neighbours of each point."""
        return self.rows.shape[1]

    @property
    def count(self) -> int:
        """R k."""
        return self.rows.numel()

    def chunks(self, channels: int) -> Iterator[slice]:
        """Runs of points whose edges are few enough for a core's cache, or a device's memory."""
        limit = CPU_CHUNK if self.rows.device.type == "cpu" else GPU_CHUNK
        step = max(1, limit // (self.k * channels))
        for start in range(0, len(self.rows), step):
            yield slice(start, min(start + step, len(self.rows)))


def neighbour_sum(x: Tensor, edges: Edges) -> Tensor:
    """(R, C) sum of x (R, C) over each point's neighbours."""
    return F.embedding_bag(edges.rows, x, mode="sum")


def edge_max(p: Tensor, q: Tensor, edges: Edges) -> Tensor:
    """(R, C) largest p_j + q_i over each point's neighbours j; one neighbour gets the gradient where several tie."""
    result: Tensor = _EdgeMax.apply(p, q, edges)
    return result


def edge_moments(p: Tensor, q: Tensor, p_sums: Tensor, edges: Edges) -> tuple[Tensor, Tensor]:
    """Mean (C,) of p_j + q_i over all edges, and their summed squares (C,) around it.

    Args:
        p_sums: (R, C) p summed over each point's neighbours, as far as gradients go a variable of its own.
    """
    mean, squares = _EdgeMoments.apply(p, q, p_sums, edges)
    return mean, squares


def edge_layer_max(p: Tensor, q: Tensor, weight: Tensor, slope: float, edges: Edges) -> tuple[Tensor, Tensor, Tensor]:
    """A second linear layer on edges, its maximum over neighbours, and its moments over all edges.

    z_ij = W LeakyReLU(p_j + q_i), remade chunk by chunk wherever it is needed. The gradients of squares are those
    around a mean that is held.

    Args:
        p, q: (R, H) shares of the first layer, batch norm folded in.
        weight: (C, H).
        slope: of LeakyReLU, above 0.

    Returns:
        (R, C) largest z of each point, (C,) mean of z, and (C,) summed squares around it.
    """
    top, mean, squares = _EdgeLayerMax.apply(p, q, weight, slope, edges)
    return top, mean, squares


class _EdgeMax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, p: Tensor, q: Tensor, edges: Edges) -> Tensor:
        top, winners = _largest_neighbour(p, edges)
        ctx.save_for_backward(winners)
        return top.add_(q)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        (winners,) = ctx.saved_tensors
        of_top = gradients[0]
        return torch.zeros_like(of_top).scatter_add_(0, winners.long(), of_top), of_top, None


class _EdgeMoments(torch.autograd.Function):
    """With p and q around their means over the edges, and s the sums of such p over neighbours: the squares of all
    edges, (p_j + q_i)^2, sum to those of degree p^2 plus those of q (2 s + k q) over the points."""

    @staticmethod
    def forward(ctx: Any, p: Tensor, q: Tensor, p_sums: Tensor, edges: Edges) -> tuple[Tensor, Tensor]:
        known = _AroundMeans(edges.k, p, q, p_sums, edges.degree @ p / edges.count, q.mean(dim=0))
        ctx.save_for_backward(*known[1:])
        ctx.edges = edges
        squares = torch.zeros_like(known.mean_p)
        for points in chunks(len(p), p.device):
            p_off, q_off, sums_off = known.off(points)
            squares += edges.degree[points] @ p_off.square_()
            squares += sums_off.mul_(2.0).add_(q_off, alpha=edges.k).mul_(q_off).sum(dim=0)
        return known.mean_p + known.mean_q, squares.clamp_min_(0.0)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        edges, each, twice = ctx.edges, gradients[0] / ctx.edges.count, 2.0 * gradients[1]
        known = _AroundMeans(edges.k, *ctx.saved_tensors)
        of_p, of_q, of_sums = (torch.empty_like(x) for x in known[1:4])
        for points in chunks(len(of_p), of_p.device):
            p_off, q_off, sums_off = known.off(points)
            of_sums[points] = q_off * twice
            of_p[points] = p_off.mul_(twice).add_(each).mul_(edges.degree[points].unsqueeze(1))
            of_q[points] = sums_off.add_(q_off, alpha=edges.k).mul_(twice).add_(each, alpha=edges.k)
        return of_p, of_q, of_sums, None


class _AroundMeans(NamedTuple):
    """p, q and the neighbours' sums of p, and the means over edges to see them around."""

    k: int
    p: Tensor
    q: Tensor
    p_sums: Tensor
    mean_p: Tensor
    mean_q: Tensor

    def off(self, points: slice) -> tuple[Tensor, Tensor, Tensor]:
        """Fresh p, q and sums of some points with the means taken off."""
        sums = self.p_sums[points] - self.k * self.mean_p
        return self.p[points] - self.mean_p, self.q[points] - self.mean_q, sums


class _EdgeLayerMax(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, p: Tensor, q: Tensor, weight: Tensor, slope: float, edges: Edges
    ) -> tuple[Tensor, Tensor, Tensor]:
        top = p.new_empty(len(p), len(weight))
        places = torch.empty(top.shape, dtype=torch.int32, device=p.device)
        around: Tensor | None = None
        sums, squares = torch.zeros_like(weight[:, 0]), torch.zeros_like(weight[:, 0])
        for points in edges.chunks(max(weight.shape)):
            z = product(_hidden(p, q, slope, edges, points), weight)
            top[points], places[points] = largest(z.view(-1, edges.k, len(weight)))
            # Around the first chunk's mean instead of zero, so that no digits cancel.
            around = z.mean(dim=0) if around is None else around
            sums += z.sub_(around).sum(dim=0)
            squares += z.square_().sum(dim=0)
        assert around is not None
        shift = sums / edges.count
        mean = around + shift
        ctx.save_for_backward(p, q, weight, places, mean)
        ctx.extras = slope, edges
        return top, mean, (squares - shift * sums).clamp_min_(0.0)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        p, q, weight, places, mean = ctx.saved_tensors
        slope, edges = ctx.extras
        of_top, twice = gradients[0], 2.0 * gradients[2]
        each = gradients[1] / edges.count - twice * mean
        of_p, of_q = torch.zeros_like(p), torch.empty_like(q)
        of_weight = torch.zeros_like(weight.t())
        for points in edges.chunks(max(weight.shape)):
            hidden = _hidden(p, q, slope, edges, points)
            of_z = torch.addcmul(each, product(hidden, weight), twice)
            winners = places[points].long().unsqueeze(1)
            of_z.view(-1, edges.k, len(weight)).scatter_add_(1, winners, of_top[points].unsqueeze(1))
            of_weight += product(hidden.t(), of_z.t())
            of_hidden = torch.ops.aten.leaky_relu_backward(product(of_z, weight.t()), hidden, slope, True)
            torch.sum(of_hidden.view(-1, edges.k, p.shape[1]), dim=1, out=of_q[points])
            of_p.index_add_(0, edges.rows[points].view(-1), of_hidden)
        return of_p, of_q, of_weight.t(), None, None


def _hidden(p: Tensor, q: Tensor, slope: float, edges: Edges, points: slice) -> Tensor:
    """(r k, H) LeakyReLU(p_j + q_i) on the edges of some points."""
    rows = edges.rows[points]
    pre = p.index_select(0, rows.reshape(-1))
    pre.view(*rows.shape, -1).add_(q[points].unsqueeze(1))
    return F.leaky_relu_(pre, slope)


def _largest_neighbour(p: Tensor, edges: Edges) -> tuple[Tensor, Tensor]:
    """(R, C) the largest p over each point's neighbours, and the rows they are of, int32."""
    packed = packs(p)
    table = _tagged_rows(p) if packed else p
    top = torch.empty_like(p)
    winners = torch.empty(p.shape, dtype=torch.int32, device=p.device)
    for points in edges.chunks(p.shape[1]):
        rows = edges.rows[points]
        edge = table.index_select(0, rows.reshape(-1)).view(*rows.shape, -1)
        if packed:
            top[points], winners[points] = untagged(edge.amax(dim=1))
        else:
            top[points], places = edge.max(dim=1)
            winners[points] = rows.gather(1, places)
    return top, winners


def _tagged_rows(p: Tensor) -> Tensor:
    """(R, C) int64 in the order of p, each with its row."""
    table = torch.empty(p.shape, dtype=torch.int64)
    rows = torch.arange(len(p)).unsqueeze(1)
    for points in chunks(len(p), p.device):
        table[points] = tagged(p[points], rows[points])
    return table
