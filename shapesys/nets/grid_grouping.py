"""Soft clustering of points into cliques that start on a uniform grid: superpixel sampling in three dimensions
(Cheng, Xu and Quan, "Task-driven differentiable grouping for point cloud analysis", sections 3.1 and 3.3).

A point is compared with the 27 cliques around its cell alone, and tables are (B, N, 27), never (B, N, 27, C).

What the paper leaves open, and our choice:
- extent of the grid: the bounding box of each cloud;
- first feature of a clique: the mean of the points in its cell, as superpixel sampling starts;
- cells without points, most of a grid in space: no cliques, as those outside of the grid;
- equation 1 weighs a point by exp(-|F - S|^2) alone. The code of superpixel sampling, which the paper follows, first
  divides by the sum over a point's candidates, so that no point is lost to all of them. That is our default.

Legend: B shapes, N points, M cliques, K = 27 candidates, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from shapesys.nets.point_ops import flat_rows

Assignment = Literal["softmax", "written"]

CANDIDATES = 27
LEAST_MASS = 1e-16
"""A clique with less soft mass stays where it was."""


@dataclass(frozen=True)
class SoftGroups:
    """Soft assignment of points to cliques.

    Attributes:
        cliques: (B, M, C) features of the cliques; zero where no point may belong.
        occupied: (B, M) which cells are cliques: those with points at first.
        candidates: (B, N, K) int64 cliques that each point is compared with; anything where `allowed` is false.
        allowed: (B, N, K) whether a candidate is a clique: inside the grid, and with points in its cell at first.
        shares: (B, N, K) association of point and candidate: sums to 1 over a point's candidates for ``softmax``,
            equation 1 for ``written``.
    """

    cliques: Tensor
    occupied: Tensor
    candidates: Tensor
    allowed: Tensor
    shares: Tensor

    @property
    def hard(self) -> Tensor:
        """(B, N) int64 the clique that each point belongs to most."""
        return self.candidates.gather(2, self.shares.argmax(dim=2, keepdim=True)).squeeze(2)


class GridGrouping(nn.Module):
    """Equations 1 and 2, repeated.

    Args:
        size: cells along each axis.
        iterations: updates of the cliques; shares are those of the last cliques.
        assignment: ``softmax`` over each point's candidates, or ``written`` as equation 1.
    """

    def __init__(self, size: int | tuple[int, int, int], iterations: int, assignment: Assignment = "softmax") -> None:
        super().__init__()
        self.size = (size, size, size) if isinstance(size, int) else size
        self.iterations = iterations
        self.assignment = assignment
        if min(self.size) < 1 or iterations < 0 or assignment not in get_args(Assignment):
            raise ValueError(
                f"size {self.size} must be positive, iterations {iterations} not negative, and assignment "
                f"'{assignment}' one of {get_args(Assignment)}"
            )

    def forward(self, features: Tensor, points: Tensor) -> SoftGroups:
        """features (B, N, C) to cluster, among them positions where cliques shall be compact; points (B, N, 3)."""
        own, candidates, inside = grid_candidates(points.detach(), self.size)
        cells = self.size[0] * self.size[1] * self.size[2]
        rows = flat_rows(own, cells)
        near = flat_rows(candidates, cells).view(-1, CANDIDATES)
        occupied = torch.bincount(rows, minlength=len(own) * cells)
        allowed = inside.flatten(0, 1) & (occupied[near] > 0)
        flat = features.flatten(0, 1)
        sums = flat.new_zeros(len(occupied), flat.shape[1]).index_add(0, rows, flat)
        cliques = sums / occupied.clamp_min(1).unsqueeze(1).to(sums.dtype)
        shares = self._shares(flat, cliques, near, allowed)
        for _ in range(self.iterations):
            cliques = _moved(cliques, shares, flat, near)
            shares = self._shares(flat, cliques, near, allowed)
        return SoftGroups(
            cliques.view(len(own), cells, -1),
            (occupied > 0).view(len(own), cells),
            candidates,
            allowed.view_as(candidates),
            shares.view_as(candidates),
        )

    def _shares(self, features: Tensor, cliques: Tensor, candidates: Tensor, allowed: Tensor) -> Tensor:
        """(B * N, K) association; none with what is not allowed."""
        closeness = -candidate_distances(features, cliques, candidates)
        closeness = closeness.masked_fill(~allowed, -torch.inf)
        return closeness.softmax(dim=1) if self.assignment == "softmax" else closeness.exp()


def grid_candidates(points: Tensor, size: tuple[int, int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Cells of each cloud's own bounding box, numbered with the last axis fastest.

    Args:
        points: (B, N, 3).
        size: cells along each axis.

    Returns:
        (B, N) int64 own cell, (B, N, 27) int64 surrounding cells, and (B, N, 27) whether they are in the grid.
    """
    cells = torch.tensor(size, device=points.device)
    low, high = points.amin(dim=1, keepdim=True), points.amax(dim=1, keepdim=True)
    extent = (high - low).clamp_min(torch.finfo(points.dtype).tiny)
    own = ((points - low) / extent * cells).long().clamp_max(cells - 1)
    steps = torch.arange(-1, 2, device=points.device)
    around = own.unsqueeze(2) + torch.cartesian_prod(steps, steps, steps)
    inside = ((around >= 0) & (around < cells)).all(dim=3)
    strides = torch.tensor([size[1] * size[2], size[2], 1], device=points.device)
    return (own * strides).sum(dim=2), (around.clamp_min(0).minimum(cells - 1) * strides).sum(dim=3), inside


def candidate_distances(features: Tensor, cliques: Tensor, candidates: Tensor) -> Tensor:
    """(R, K) squared distances of features (R, C) to cliques (M, C) at candidates (R, K), with gradients."""
    found: Tensor = _CandidateDistances.apply(features, cliques, candidates)
    return found


def candidate_sums(shares: Tensor, features: Tensor, candidates: Tensor, count: int) -> Tensor:
    """(count, C) sums over rows and candidates of shares (R, K) times features (R, C), with gradients."""
    found: Tensor = _CandidateSums.apply(shares, features, candidates, count)
    return found


def _moved(cliques: Tensor, shares: Tensor, features: Tensor, candidates: Tensor) -> Tensor:
    """Equation 2: (M, C) means of the features, weighted with the shares; the cliques (M, C) that none has a share of
    stay. Divided by almost nothing, they would land anywhere up to the origin."""
    ones = features.new_ones(len(features), 1)
    mass = candidate_sums(shares, ones, candidates, len(cliques))
    means = candidate_sums(shares, features, candidates, len(cliques)) / mass.clamp_min(LEAST_MASS)
    return torch.where(mass > LEAST_MASS, means, cliques)


def _scattered(weights: Tensor, features: Tensor, candidates: Tensor, count: int) -> Tensor:
    sums = features.new_zeros(count, features.shape[1])
    for weight, rows in zip(weights.unbind(dim=1), candidates.unbind(dim=1), strict=True):
        sums.index_add_(0, rows, features * weight.unsqueeze(1))
    return sums


class _CandidateDistances(torch.autograd.Function):
    """One candidate of all points at a time, so that no table of K features per point exists."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, cliques: Tensor, candidates: Tensor) -> Tensor:
        ctx.save_for_backward(features, cliques, candidates)
        columns = [(features - cliques[rows]).square_().sum(dim=1) for rows in candidates.unbind(dim=1)]
        return torch.stack(columns, dim=1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        features, cliques, candidates = ctx.saved_tensors
        of_features, of_cliques = torch.zeros_like(features), torch.zeros_like(cliques)
        for weight, rows in zip(gradients[0].unbind(dim=1), candidates.unbind(dim=1), strict=True):
            part = (features - cliques[rows]).mul_(2.0 * weight.unsqueeze(1))
            of_features += part
            of_cliques.index_add_(0, rows, part, alpha=-1)
        return of_features, of_cliques, None


class _CandidateSums(torch.autograd.Function):
    """The sums of equation 2, again one candidate of all points at a time."""

    @staticmethod
    def forward(ctx: Any, shares: Tensor, features: Tensor, candidates: Tensor, count: int) -> Tensor:
        ctx.save_for_backward(shares, features, candidates)
        return _scattered(shares, features, candidates, count)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        shares, features, candidates = ctx.saved_tensors
        of_sums = gradients[0]
        of_shares, of_features = torch.empty_like(shares), torch.zeros_like(features)
        for column, rows in enumerate(candidates.unbind(dim=1)):
            picked = of_sums[rows]
            of_shares[:, column] = (picked * features).sum(dim=1)
            of_features += picked.mul_(shares[:, column].unsqueeze(1))
        return of_shares, of_features, None, None
