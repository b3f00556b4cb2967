"""PointNet (Qi et al., CVPR 2017): every point alone through one MLP, then the maximum over all.

As published, small networks of the same kind (T-Nets) first turn the points, and after the second layer the features.
The DGCNN repository's variant has none: `PointNetClassifier(0, 40, transforms=False, head=(512,), dropout=(0.5,))`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from shapesys.nets.heads import CloudScores, Head, PointFeatures, told_one_hot
from shapesys.nets.point_batch import PointBatch
from shapesys.nets.shared_mlp import SharedMLP

TURNED_AFTER = 2
"""Layers before the transform of features."""

PENALTY = "penalty"


class TransformNet(nn.Module):
    """T-Net: a (C, C) matrix for each cloud, the identity at first (appendix C).

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.mlp = SharedMLP(channels, (64, 128, 1024))
        self.head = Head(1024, (512, 256), channels * channels, (0.0, 0.0))
        nn.init.zeros_(self.head.scores.weight)
        self.head.scores.bias = nn.Parameter(torch.eye(channels).flatten())

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, C) -> (B, C, C), in full precision."""
        matrix: Tensor = self.head(self.mlp(x).amax(dim=1))
        return matrix.float().to(x.dtype).view(-1, self.channels, self.channels)


class PointNetEncoder(nn.Module):
    """Features of every point, after each of several stages.

    Args:
        inputs: channels beside the positions.
        stages: widths of each stage's layers; with transforms, the first stage ends where features are turned.
        turned: the stages before the transform of features; 0 for a network without transforms.
    """

    def __init__(self, inputs: int, stages: Sequence[Sequence[int]], turned: int) -> None:
        super().__init__()
        self.turned = turned
        entering = [3 + inputs, *(stage[-1] for stage in stages)]
        self.stages = nn.ModuleList(SharedMLP(before, stage) for before, stage in zip(entering, stages, strict=False))
        self.of_points = TransformNet(3) if turned else None
        self.of_features = TransformNet(entering[turned]) if turned else None

    def forward(self, batch: PointBatch) -> tuple[list[Tensor], Tensor]:
        """(B, N, width) after each stage, and the penalty (B,): |I - A A^T|^2 of the features' transform (equation 2),
        zero without transforms."""
        points = batch.points
        if self.of_points is not None:
            points = _turned(points, self.of_points(points))
        x = points if batch.features is None else torch.cat([points, batch.features], dim=-1)
        penalty = x.new_zeros(len(x))
        outputs = []
        for index, stage in enumerate(self.stages):
            if index == self.turned and self.of_features is not None:
                matrix = self.of_features(x)
                x, penalty = _turned(x, matrix), orthogonality(matrix)
            x = stage(x)
            outputs.append(x)
        return outputs, penalty


class PointNetClassifier(CloudScores):
    """Scores of a cloud's classes.

    Args:
        inputs: channels of the points' features beside their positions; 0 for none.
        classes: scores.
        widths: of the layers applied to every point.
        transforms: with T-Nets, of the positions and of the features after the second layer.
        head: widths of the hidden layers after the maximum.
        dropout: one chance per hidden layer; .3 as published.
    """

    def __init__(
        self,
        inputs: int,
        classes: int,
        widths: Sequence[int] = (64, 64, 64, 128, 1024),
        transforms: bool = True,
        head: Sequence[int] = (512, 256),
        dropout: Sequence[float] = (0.3, 0.3),
    ) -> None:
        super().__init__()
        stages = [widths[:TURNED_AFTER], widths[TURNED_AFTER:]] if transforms else [widths]
        self.encoder = PointNetEncoder(inputs, stages, int(transforms))
        self.head = Head(widths[-1], head, classes, dropout)

    def forward(self, batch: PointBatch) -> tuple[Tensor, Tensor]:
        """(B, classes) logits, and the penalty (B,) of transforms that are not orthogonal."""
        found = self.encode(batch)
        return self.classify(found.weighted, batch.noise_seed), found.facts[PENALTY]

    def encode(self, batch: PointBatch) -> PointFeatures:
        """The points (B, N, 3) and their features (B, N, widths[-1]), before the maximum; fact ``penalty``."""
        outputs, penalty = self.encoder(batch)
        return PointFeatures(batch.points, outputs[-1], {PENALTY: penalty}, batch.saliency)


class PointNetSegmenter(nn.Module):
    """Scores of every point, from its features after each layer and the maximum of the last, as in the authors' network
    for parts (appendix C, figure 9), whose transform of features follows the third layer.

    Args:
        inputs: channels of the points' features beside their positions; 0 for none.
        parts: scores per point.
        categories: of clouds, told one-hot; 0 where the network is not told.
        widths: of the layers applied to every point; at least four with transforms.
        transforms: with T-Nets.
        head: widths of the hidden layers.
        dropout: one chance per hidden layer.
    """

    def __init__(
        self,
        inputs: int,
        parts: int,
        categories: int = 0,
        widths: Sequence[int] = (64, 128, 128, 512, 2048),
        transforms: bool = True,
        head: Sequence[int] = (256, 256, 128),
        dropout: Sequence[float] = (0.2, 0.2, 0.0),
    ) -> None:
        super().__init__()
        if not head:
            raise ValueError("head is empty; a segmenter's head has at least one hidden layer")
        self.categories = categories
        self.widths = tuple(widths)
        self.encoder = PointNetEncoder(inputs, [(width,) for width in widths], 3 * transforms)
        self.head = Head(sum(widths) + widths[-1] + categories, head, parts, dropout)

    def forward(self, batch: PointBatch) -> tuple[Tensor, Tensor]:
        """(B, N, parts) logits, and the penalty (B,) of transforms that are not orthogonal.

        The batch's `category` is needed where categories > 0.
        """
        found = self.encode(batch)
        return self.classify(found.features, batch.category, batch.noise_seed), found.facts[PENALTY]

    def encode(self, batch: PointBatch) -> PointFeatures:
        """The points (B, N, 3) and their features after all layers, (B, N, sum(widths)); fact ``penalty``."""
        outputs, penalty = self.encoder(batch)
        return PointFeatures(batch.points, torch.cat(outputs, dim=-1), {PENALTY: penalty})

    def classify(self, features: Tensor, category: Tensor | None = None, noise_seed: Tensor | None = None) -> Tensor:
        """(B, N, parts) logits of what `encode` gave, (B, N, C)."""
        shared = features[..., -self.widths[-1] :].amax(dim=1)
        if self.categories:
            shared = torch.cat([shared, told_one_hot(category, self.categories, shared.dtype)], dim=-1)
        return self.head.of_points_and_cloud(features, shared, noise_seed)


def orthogonality(matrix: Tensor) -> Tensor:
    """(B,) |I - A A^T|^2, the squared Frobenius norm, of matrices (B, C, C) (equation 2), in their precision."""
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    with torch.autocast(matrix.device.type, enabled=False):
        return (identity - matrix @ matrix.transpose(1, 2)).square().sum(dim=(1, 2))


def _turned(x: Tensor, matrix: Tensor) -> Tensor:
    with torch.autocast(x.device.type, enabled=False):
        return x @ matrix.to(x.dtype)
