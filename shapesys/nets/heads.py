"""The last layers of networks on points: from features to scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from shapesys.nets.batch_norm import BatchNorm
from shapesys.nets.dropout import dropout, shape_noise
from shapesys.nets.linear import PointLinear


@dataclass(frozen=True)
class PointFeatures:
    """What a network knows of points before its head.

    Attributes:
        points: (B, S, 3) where they are.
        features: (B, S, C).
        facts: numbers of each shape that came up on the way, (B,) each.
    """

    points: Tensor
    features: Tensor
    facts: Mapping[str, Tensor] = field(default_factory=dict)


class Head(nn.Module):
    """Linear, batch norm, (leaky) relu and dropout, once per width; then a linear layer to the scores.

    Args:
        inputs: channels that enter.
        widths: channels of the hidden layers.
        outputs: scores.
        dropout: chance of a hidden unit to be dropped, one per hidden layer.
        slope: of the relu below zero.
    """

    def __init__(
        self, inputs: int, widths: Sequence[int], outputs: int, dropout: Sequence[float], slope: float = 0.0
    ) -> None:
        super().__init__()
        if len(dropout) != len(widths):
            raise ValueError(f"dropout {tuple(dropout)} must have one chance per hidden layer of {tuple(widths)}")
        self.dropout = tuple(dropout)
        self.slope = slope
        self.linears = nn.ModuleList(
            PointLinear(before, after, bias=False)
            for before, after in zip([inputs, *widths][: len(widths)], widths, strict=True)
        )
        self.norms = nn.ModuleList(BatchNorm(width) for width in widths)
        self.scores = PointLinear([inputs, *widths][-1], outputs)

    @property
    def first_weight(self) -> Tensor:
        """(widths[0], inputs) of the first hidden layer."""
        return cast(PointLinear, self.linears[0]).weight

    def forward(self, x: Tensor, noise_seed: Tensor | None = None) -> Tensor:
        """Features (B, C) or (B, N, C) -> scores of as many rows; noise_seed (B,) int64 draws each shape's dropout."""
        first = self.linears[0](x) if self.linears else x
        return self.from_first(first, noise_seed)

    def from_first(self, first: Tensor, noise_seed: Tensor | None = None) -> Tensor:
        """What `forward` makes of the first layer's product, for callers that have it in parts."""
        noise = shape_noise(noise_seed, first.device) if self.training and any(self.dropout) else ()
        x = first
        for index, (norm, chance) in enumerate(zip(self.norms, self.dropout, strict=True)):
            if index:
                x = self.linears[index](x)
            x = F.leaky_relu(norm(x), self.slope) if self.slope else norm(x).relu()
            x = dropout(x, chance, self.training, noise)
        scores: Tensor = self.scores(x)
        return scores
