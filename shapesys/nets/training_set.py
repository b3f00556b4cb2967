"""A network that writes the training set of a classifier, and one that bends the space in which it is trained (TDGN,
arXiv 2010.08276, section 4).

The paper leaves widths, depths and starts open; they are ours. Positions are in units in which shapes fill the cube
[-1, 1]^3. Both start plainly: the written points are in a ball and around it, and space is not bent.

Legend: B shapes, N training points, M positions, C features of what was seen, H hidden units.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shapesys.nets.linear import PointLinear, in_full, linear
from shapesys.nets.residual_block import ResidualBlock

INNER, OUTER = (0.0, 0.4), (0.7, 1.1)
"""Distances from the origin of points that are written at first, of those inside and of those outside."""
WIDTH = 0.6
"""Width of the kernel at first."""
LEAST_WIDTH = 1e-2
"""A kernel that is narrower than the details of a shape tells its training points apart, and nothing else."""


def labels_of(points: int) -> Tensor:
    """(N,) +1 for the first half of the points, which are inside, and -1 for the others."""
    half = points // 2
    return torch.cat([torch.ones(half), -torch.ones(points - half)])


class PointGenerator(nn.Module):
    """From features to points, half of them inside, and to the kernel's width, one for every axis or for all.

    Args:
        features: C.
        points: N, even.
        hidden: H.
        blocks: residual blocks between.
        axes: widths of the kernel: 1, or 3.
    """

    def __init__(self, features: int, points: int, hidden: int, blocks: int, axes: int) -> None:
        super().__init__()
        if points < 2 or points % 2:
            raise ValueError(f"points = {points} cannot be half inside and half outside; take an even number")
        self.points = points
        self.first = nn.Linear(features, hidden)
        self.blocks = nn.Sequential(*(ResidualBlock(hidden, hidden) for _ in range(blocks)))
        self.out = nn.Linear(hidden, 3 * points + axes)
        with torch.no_grad():
            self.out.weight.mul_(0.1)
            self.out.bias[: 3 * points] = _about_a_ball(points).flatten()
            self.out.bias[3 * points :] = math.log(math.expm1(WIDTH - LEAST_WIDTH))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C) -> points (B, N, 3) and widths (B, 1 or 3), in full precision."""
        hidden = self.blocks(in_full(self.first, features))
        written = in_full(self.out, hidden.relu())
        points, widths = written.split([3 * self.points, written.shape[1] - 3 * self.points], dim=1)
        return points.view(-1, self.points, 3), F.softplus(widths) + LEAST_WIDTH


def _about_a_ball(points: int) -> Tensor:
    """(N, 3) at random, the first half within the ball and the others around it."""
    half = points // 2
    directions = F.normalize(torch.randn(points, 3), dim=1)
    low, high = (
        torch.cat([torch.full((half,), inner), torch.full((points - half,), outer)])
        for inner, outer in zip(INNER, OUTER, strict=True)
    )
    return directions * (low + (high - low) * torch.rand(points)).unsqueeze(1)


class PointEmbedding(nn.Module):
    """Positions moved as the features say: x + f(x, features), where f starts as 0.

    The features are the same for all of a shape's positions, and are multiplied once per shape.

    Args:
        features: C.
        hidden: H.
        blocks: residual blocks between.
    """

    def __init__(self, features: int, hidden: int, blocks: int) -> None:
        super().__init__()
        self.position = nn.Linear(3, hidden)
        self.of_shape = PointLinear(features, hidden, bias=False)
        self.blocks = nn.Sequential(*(ResidualBlock(hidden, hidden) for _ in range(blocks)))
        self.out = nn.Linear(hidden, 3)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, positions: Tensor, features: Tensor) -> Tensor:
        """(B, M, 3) and (B, C) -> (B, M, 3), in full precision."""
        shared = linear(features, self.of_shape.weight).unsqueeze(1)
        hidden = self.blocks(in_full(self.position, positions) + shared)
        return positions + in_full(self.out, hidden.relu())
