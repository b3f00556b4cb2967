"""Small networks of R^d that start as a ball, several of different seeds at once.

Softplus with beta 100 and the start of IGR and SALD (Gropp et al., ICML 2020; Atzmon and Lipman, ICLR 2021): hidden
layers keep the length of their input on average, and a head of equal weights reads it off. The head is then rescaled so
that the mean over directions is 0 on the sphere and its radius at twice the radius: f is about |x - centre| - radius,
negative inside. On the line, where the sphere is a pair of points, the start about one of them is a line of slope 1.

Networks of this size cost as much in calls as in arithmetic, so that S of them, in one matrix product each layer, cost
little more than one. None sees another: the weights and what they learn are those of each seed alone.

Legend: S networks, N points, d dimensions, H units.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from shapesys.laboratory.functions import Functions
from shapesys.nets.activations import BETA

_DIRECTIONS = 512


@dataclass(frozen=True)
class Shape:
    """How large each network is, and the ball that it starts as.

    Attributes:
        dim: d, of the points.
        width: H, units of a hidden layer.
        layers: hidden layers.
        radius: of the ball.
        centre: of the ball, the same number along every axis.
    """

    dim: int
    width: int = 64
    layers: int = 3
    radius: float = 0.5
    centre: float = 0.0

    def __post_init__(self) -> None:
        if min(self.dim, self.width, self.layers) < 1 or not self.radius > 0:
            raise ValueError(f"dim, width and layers must be 1 or more and radius positive; got {self}")


class Networks(Functions):
    """S independent networks R^d -> R.

    Args:
        shape: of each.
        seeds: S seeds, one for the start of each.
    """

    def __init__(self, shape: Shape, seeds: Sequence[int]) -> None:
        super().__init__()
        self.shape = shape
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        sizes = [shape.dim, *[shape.width] * shape.layers]
        hidden = [_kept_lengths(*pair, generators) for pair in itertools.pairwise(sizes)]
        head = torch.full((len(seeds), shape.width, 1), math.sqrt(math.pi / shape.width))
        self.weights = nn.ParameterList([*hidden, head])
        self.biases = nn.ParameterList([weight.new_zeros(len(seeds), 1, weight.shape[-1]) for weight in self.weights])
        self._start_as_ball()

    def forward(self, points: Tensor) -> Tensor:
        values = self._placed(points)
        for weight, bias in self._hidden():
            values = softplus(torch.baddbmm(bias, values, weight), beta=BETA)
        return torch.baddbmm(self.biases[-1], values, self.weights[-1]).squeeze(-1)

    def with_gradients(self, points: Tensor) -> tuple[Tensor, Tensor]:
        # The derivatives along the axes go forward with the values, layer by layer, as SALD's code has it.
        values = self._placed(points)
        count, dim = values.shape[1:]
        # (S, d N, d): the derivatives of a point's own coordinates, axis by axis.
        tangents = torch.eye(dim).to(values).repeat_interleave(count, dim=0).expand(len(values), -1, -1)
        for weight, bias in self._hidden():
            pre = torch.baddbmm(bias, values, weight)
            slopes = torch.sigmoid(BETA * pre).repeat(1, dim, 1)
            values, tangents = softplus(pre, beta=BETA), slopes * torch.bmm(tangents, weight)
        found = torch.baddbmm(self.biases[-1], values, self.weights[-1]).squeeze(-1)
        gradients = torch.bmm(tangents, self.weights[-1]).view(-1, dim, count)
        return found, gradients.transpose(1, 2)

    def _placed(self, points: Tensor) -> Tensor:
        return points.expand(len(self.weights[0]), *points.shape[-2:]) - self.shape.centre

    def _hidden(self) -> list[tuple[Tensor, Tensor]]:
        return list(zip(self.weights, self.biases, strict=True))[:-1]

    @torch.no_grad()
    def _start_as_ball(self) -> None:
        directions = torch.randn(_DIRECTIONS, self.shape.dim, generator=torch.Generator().manual_seed(0))
        directions /= directions.norm(dim=1, keepdim=True)
        radius, centre = self.shape.radius, self.shape.centre
        here, beyond = (self(centre + length * directions).mean(dim=1) for length in (radius, 2.0 * radius))
        slope = (radius / (beyond - here))[:, None, None]
        self.weights[-1] *= slope
        self.biases[-1].copy_(-slope * here[:, None, None])


def _kept_lengths(inputs: int, units: int, generators: Sequence[torch.Generator]) -> Tensor:
    """(S, inputs, units) weights of layers that keep the length of their input on average."""
    drawn = [torch.randn(inputs, units, generator=generator) for generator in generators]
    return torch.stack(drawn) * math.sqrt(2.0 / units)
