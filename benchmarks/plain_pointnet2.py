"""PointNet++ as it is usually written in PyTorch, to compare with: padded tables, separate operations.

Centroids come from the caller, as they do for ours; everything else follows the published steps one by one.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shapesys.nets.heads import Head
from shapesys.nets.pointnet2 import PointNet2Classifier
from shapesys.nets.set_abstraction import GlobalAbstraction, SetAbstraction
from shapesys.nets.shared_mlp import SharedMLP


class PlainMLP(nn.Module):
    """1 x 1 convolutions over (B, C, K, S) with batch norm and relu, with the weights of ours."""

    def __init__(self, ours: SharedMLP) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList()
        self.norms = nn.ModuleList()
        for layer in ours.linears:
            outputs, inputs = layer.weight.shape
            convolution = nn.Conv2d(inputs, outputs, 1, bias=False)
            convolution.weight.data.copy_(layer.weight.data[:, :, None, None])
            self.convolutions.append(convolution)
            self.norms.append(nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = F.relu(norm(convolution(x)))
        return x


class PlainAbstraction(nn.Module):
    """Ball query by sorting a dense table, gather, concatenate, MLP per neighbour, maximum."""

    def __init__(self, ours: SetAbstraction) -> None:
        super().__init__()
        self.level = ours.level
        self.scales = nn.ModuleList(PlainMLP(scale) for scale in ours.scales)

    def forward(self, points: Tensor, features: Tensor | None, centroids: Tensor) -> Tensor:
        found = []
        for mlp, radius, count in zip(self.scales, self.level.radii, self.level.counts, strict=True):
            rows = dense_ball_query(points, centroids, radius, count)
            group = gather(points, rows) - centroids.unsqueeze(2)
            if features is not None:
                group = torch.cat([group, gather(features, rows)], dim=-1)
            found.append(mlp(group.permute(0, 3, 2, 1)).max(dim=2)[0].transpose(1, 2))
        return torch.cat(found, dim=-1)


class PlainClassifier(nn.Module):
    """`PointNet2Classifier` with the same weights, in training mode without dropout."""

    def __init__(self, ours: PointNet2Classifier) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            PlainAbstraction(level) if isinstance(level, SetAbstraction) else _global(level) for level in ours.levels
        )
        self.hidden, self.norms, self.scores = _head(ours.head)

    def forward(self, points: Tensor, features: Tensor | None, order: Tensor) -> Tensor:
        for index, level in enumerate(self.levels):
            if isinstance(level, PlainAbstraction):
                assert level.level.npoint is not None
                rows = order[:, : level.level.npoint]
                centroids = gather(points, rows) if index == 0 else points[:, : level.level.npoint]
                points, features = centroids, level(points, features, centroids)
            else:
                joined = points if features is None else torch.cat([points, features], dim=-1)
                features = level(joined.transpose(1, 2).unsqueeze(3)).max(dim=2)[0].squeeze(2)
        assert features is not None
        for layer, norm in zip(self.hidden, self.norms, strict=True):
            features = F.relu(norm(layer(features)))
        scores: Tensor = self.scores(features)
        return scores


def _global(level: nn.Module) -> PlainMLP:
    assert isinstance(level, GlobalAbstraction)
    return PlainMLP(level.mlp)


def _head(ours: Head) -> tuple[nn.ModuleList, nn.ModuleList, nn.Linear]:
    hidden, norms = nn.ModuleList(), nn.ModuleList()
    for layer in ours.linears:
        outputs, inputs = layer.weight.shape
        hidden.append(nn.Linear(inputs, outputs, bias=False))
        hidden[-1].weight.data.copy_(layer.weight.data)
        norms.append(nn.BatchNorm1d(outputs))
    scores = nn.Linear(ours.scores.weight.shape[1], ours.scores.weight.shape[0])
    scores.load_state_dict(ours.scores.state_dict())
    return hidden, norms, scores


def dense_ball_query(points: Tensor, centroids: Tensor, radius: float, count: int) -> Tensor:
    """(B, S, count) indices: those outside get the index N, sorting brings the lowest first, the first pads."""
    batch, size, _ = points.shape
    squared = -2 * centroids @ points.transpose(1, 2)
    squared += centroids.square().sum(-1, keepdim=True)
    squared += points.square().sum(-1).unsqueeze(1)
    rows = torch.arange(size, device=points.device).repeat(batch, centroids.shape[1], 1)
    rows[squared >= radius**2] = size
    rows = rows.sort(dim=-1)[0][:, :, :count]
    first = rows[:, :, :1].expand_as(rows)
    return torch.where(rows == size, first, rows)


def gather(values: Tensor, rows: Tensor) -> Tensor:
    """(B, N, C) at (B, ...) -> (B, ..., C)."""
    shapes = torch.arange(len(values), device=values.device).view(-1, *[1] * (rows.ndim - 1))
    return values[shapes, rows]


def gradients_of_ours(ours: PointNet2Classifier) -> list[Tensor]:
    """Of every parameter, in the order of `gradients_of_plain`; of convolutions as matrices."""
    found: list[Tensor] = []
    for level in ours.levels:
        for mlp in level.scales if isinstance(level, SetAbstraction) else [level.mlp]:
            found += _of_layers(mlp.linears, mlp.norms)
    return found + _of_layers(ours.head.linears, ours.head.norms) + _of_layers([ours.head.scores], [])


def gradients_of_plain(plain: PlainClassifier) -> list[Tensor]:
    """Of every parameter."""
    found: list[Tensor] = []
    for level in plain.levels:
        for mlp in level.scales if isinstance(level, PlainAbstraction) else [level]:
            found += _of_layers(mlp.convolutions, mlp.norms)
    return found + _of_layers(plain.hidden, plain.norms) + _of_layers([plain.scores], [])


def _of_layers(linears: Iterable[nn.Module], norms: Iterable[nn.Module]) -> list[Tensor]:
    weights = [layer.weight.grad.flatten(1) for layer in linears]
    return weights + [x for norm in norms for x in (norm.weight.grad, norm.bias.grad)]
