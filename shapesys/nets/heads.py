"""The last layers of networks on points: from features to scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shapesys.nets.batch_norm import BatchNorm
from shapesys.nets.dropout import dropout, shape_noise
from shapesys.nets.linear import PointLinear, linear
from shapesys.nets.weighted_gradient import weighted_gradient


@dataclass(frozen=True)
class PointFeatures:
    """What a network knows of points before its head.

    Attributes:
        points: (B, S, 3) where they are.
        features: (B, S, C).
        facts: numbers of each shape that came up on the way, (B,) each.
        saliency: (B, S) that of the points they are, or started as; None where the batch has none.
    """

    points: Tensor
    features: Tensor
    facts: Mapping[str, Tensor] = field(default_factory=dict)
    saliency: Tensor | None = None

    @property
    def weighted(self) -> Tensor:
        """The features; their gradient is multiplied by the saliency, where there is one, before it goes further back.

        Once, behind the last layer that knows points, so that weights of several layers do not multiply.
        """
        return self.features if self.saliency is None else weighted_gradient(self.features, self.saliency)


def told_one_hot(category: Tensor | None, categories: int, dtype: torch.dtype) -> Tensor:
    """(B, categories) what a network is told of the category (B,) of each cloud.

    Raises:
        ValueError: it is to be told, and the batch does not say it.
    """
    if category is None:
        raise ValueError(f"a network told of {categories} categories needs the batch's category (B,)")
    return F.one_hot(category, categories).to(dtype)


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

    def of_points_and_cloud(self, own: Tensor, shared: Tensor, noise_seed: Tensor | None = None) -> Tensor:
        """Scores (B, N, outputs) of points from their own features (B, N, C), and features (B, D) of their cloud, which
        are the head's last inputs: the first layer takes them once per cloud, not once per point."""
        weight = self.first_weight
        of_own = linear(own, weight[:, : own.shape[-1]])
        of_shared = linear(shared, weight[:, own.shape[-1] :])
        return self.from_first(of_own + of_shared.unsqueeze(1), noise_seed)

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


class CloudScores(nn.Module):
    """A network whose scores are those of whole clouds, from the maximum over points."""

    head: Head

    def classify(self, features: Tensor, noise_seed: Tensor | None = None) -> Tensor:
        """(B, classes) logits of what `encode` gave, (B, S, C)."""
        scores: Tensor = self.head(features.amax(dim=1), noise_seed)
        return scores


class PointScores(nn.Module):
    """A network whose scores are those of every point."""

    head: Head

    def classify(self, features: Tensor, noise_seed: Tensor | None = None) -> Tensor:
        """(B, N, parts) logits of what `encode` gave, (B, N, C)."""
        scores: Tensor = self.head(features, noise_seed)
        return scores
