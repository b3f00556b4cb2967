"""The straightforward extension of superpixel sampling to clouds (Cheng, Xu and Quan, sections 3.1 and 3.3): an MLP
gives every point a feature, points are grouped softly into cliques that start on a uniform grid, and the task is solved
on them.

What the paper leaves open, and our choice: points are clustered by their features and, scaled, their positions, as
superpixels are; a cloud is classified by the maximum over its cliques, through one more MLP; a point is labelled from
its own feature, the mean of its cliques', weighted with its shares, and the maximum of all cliques'.

Legend: B clouds, N points, M cliques, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from shapesys.nets.grid_grouping import Assignment, GridGrouping, SoftGroups
from shapesys.nets.heads import CloudScores, Head, PointFeatures, PointScores
from shapesys.nets.point_batch import PointBatch
from shapesys.nets.point_ops import gather_points
from shapesys.nets.pointnet2 import known_of_points
from shapesys.nets.shared_mlp import SharedMLP


class GridEncoder(nn.Module):
    """Features of points, and of the cliques that they are grouped into.

    Args:
        inputs: channels of what is known of a point, its position among them.
        widths: of the MLP of points.
        size: cells of the grid along each axis.
        iterations: updates of the cliques.
        assignment: as `GridGrouping`.
        position_scale: what positions are multiplied by where points are compared with cliques.
    """

    def __init__(
        self,
        inputs: int,
        widths: Sequence[int],
        size: int,
        iterations: int,
        assignment: Assignment,
        position_scale: float,
    ) -> None:
        super().__init__()
        self.position_scale = position_scale
        self.mlp = SharedMLP(inputs, widths)
        self.grouping = GridGrouping(size, iterations, assignment)

    def forward(self, batch: PointBatch, known: Tensor) -> tuple[Tensor, SoftGroups]:
        """(B, N, C) features of points, and the groups, whose cliques hold scaled positions, then features."""
        features = self.mlp(known)
        compared = torch.cat([self.position_scale * batch.points, features], dim=-1)
        return features, self.grouping(compared.to(batch.points.dtype), batch.points)


class GridClassifier(CloudScores):
    """Scores of a cloud's classes.

    Args:
        inputs: channels of the points' features beside their positions; 0 for none.
        classes: scores.
        widths, size, iterations, assignment, position_scale: as `GridEncoder`.
        clique_widths: of the MLP of cliques.
        head: widths of the hidden layers after the maximum.
        dropout: one chance per hidden layer.
    """

    def __init__(
        self,
        inputs: int,
        classes: int,
        widths: Sequence[int] = (64, 64, 128),
        size: int = 8,
        iterations: int = 5,
        assignment: Assignment = "softmax",
        position_scale: float = 5.0,
        clique_widths: Sequence[int] = (128, 256, 1024),
        head: Sequence[int] = (512, 256),
        dropout: Sequence[float] = (0.5, 0.5),
    ) -> None:
        super().__init__()
        self.encoder = GridEncoder(3 + inputs, widths, size, iterations, assignment, position_scale)
        self.of_cliques = SharedMLP(3 + widths[-1], clique_widths)
        self.head = Head(clique_widths[-1], head, classes, dropout)

    def forward(self, batch: PointBatch) -> tuple[Tensor, Mapping[str, Tensor]]:
        """(B, classes) logits, and facts (B,) of the grouping."""
        found = self.encode(batch)
        return self.classify(found.features, batch.noise_seed), found.facts

    def encode(self, batch: PointBatch) -> PointFeatures:
        """The cliques (B, M, 3) and their features (B, M, C) before the maximum; those of empty cells are the least."""
        _, groups = self.encoder(batch, known_of_points(batch, 0).features)
        return PointFeatures(groups.cliques[..., :3], occupied_alone(groups, self.of_cliques), facts_of(groups))


class GridSegmenter(PointScores):
    """Scores of every point.

    Args:
        inputs: channels of the points' features beside their positions; 0 for none.
        parts: scores per point.
        categories: of clouds, told one-hot to every point; 0 where the network is not told.
        widths, size, iterations, assignment, position_scale: as `GridEncoder`.
        clique_widths: of the MLP of cliques.
        head: widths of the hidden layers.
        dropout: one chance per hidden layer.
    """

    def __init__(
        self,
        inputs: int,
        parts: int,
        categories: int = 0,
        widths: Sequence[int] = (64, 64, 128),
        size: int = 8,
        iterations: int = 5,
        assignment: Assignment = "softmax",
        position_scale: float = 5.0,
        clique_widths: Sequence[int] = (128, 128),
        head: Sequence[int] = (128, 128),
        dropout: Sequence[float] = (0.5, 0.0),
    ) -> None:
        super().__init__()
        self.categories = categories
        self.encoder = GridEncoder(3 + inputs + categories, widths, size, iterations, assignment, position_scale)
        self.of_cliques = SharedMLP(3 + widths[-1], clique_widths)
        self.head = Head(widths[-1] + 2 * clique_widths[-1], head, parts, dropout)

    def forward(self, batch: PointBatch) -> tuple[Tensor, Mapping[str, Tensor]]:
        """(B, N, parts) logits, and facts (B,) of the grouping. The batch's `category` is needed where told."""
        found = self.encode(batch)
        return self.classify(found.features, batch.noise_seed), found.facts

    def encode(self, batch: PointBatch) -> PointFeatures:
        """The points and, of each, its own feature, its cliques' and the maximum of all cliques': (B, N, C)."""
        features, groups = self.encoder(batch, known_of_points(batch, self.categories).features)
        cliques = occupied_alone(groups, self.of_cliques)
        around = shared_by(groups, cliques)
        everywhere = cliques.amax(dim=1, keepdim=True).expand(-1, features.shape[1], -1)
        return PointFeatures(batch.points, torch.cat([features, around, everywhere], dim=-1), facts_of(groups))


def occupied_alone(groups: SoftGroups, network: nn.Module) -> Tensor:
    """(B, M, C) the cliques' features of a network that ends in relu, zero where there is no clique: nothing is below
    zero then, so that an empty cell never is the maximum."""
    features: Tensor = network(groups.cliques)
    return features.masked_fill(~groups.occupied.unsqueeze(2), 0.0)


def shared_by(groups: SoftGroups, cliques: Tensor) -> Tensor:
    """(B, N, C) mean of the features (B, M, C) of each point's candidates, weighted with its shares; one candidate of
    all points at a time, so that no table of 27 features per point exists."""
    total = groups.shares.sum(dim=2, keepdim=True).clamp_min(1e-16)
    weights = (groups.shares / total).to(cliques.dtype)
    mixed = torch.zeros((), dtype=cliques.dtype, device=cliques.device)
    for weight, rows in zip(weights.unbind(dim=2), groups.candidates.unbind(dim=2), strict=True):
        mixed = mixed + weight.unsqueeze(2) * gather_points(cliques, rows)
    return mixed


def facts_of(groups: SoftGroups) -> Mapping[str, Tensor]:
    """(B,) ``effective_cliques``: the mean over points of how many equally close cliques would share it alike."""
    shares = groups.shares.detach()
    shares = shares / shares.sum(dim=2, keepdim=True).clamp_min(1e-16)
    return {"effective_cliques": (-torch.special.xlogy(shares, shares)).sum(dim=2).exp().mean(dim=1)}
