"""PointNet++ (Qi et al., NeurIPS 2017): abstraction in levels, at one scale (SSG) or several (MSG).

What the paper leaves open, and our choice, with the authors' code (TF) and its PyTorch port in mind:
- centroids: farthest points from the first point on, as TF; the port's start is random even at evaluation;
- balls: the first points by index, at distances strictly less than the radius, as both;
- channels: positions before features at every scale; TF and the port turn them round in MSG;
- positions: not repeated among the features, as TF; the port does;
- linear layers before a batch norm have no bias, which the norm would take away;
- global level: absolute positions, no centre.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from shapesys.nets.feature_propagation import FeaturePropagation
from shapesys.nets.heads import CloudScores, Head, PointFeatures, PointScores, told_one_hot
from shapesys.nets.point_batch import PointBatch
from shapesys.nets.set_abstraction import (
    GlobalAbstraction,
    Level,
    SetAbstraction,
    centroids_of,
    saliency_of_centroids,
)


@dataclass(frozen=True)
class PointNet2Spec:
    """The levels of a PointNet++.

    Attributes:
        levels: from fine to coarse; only the last may have npoint None, and a classifier's must.
        propagation: widths of feature propagation, from coarse to fine, one per level; empty for classifiers.
    """

    levels: tuple[Level, ...]
    propagation: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        if not self.levels or any(level.npoint is None for level in self.levels[:-1]):
            raise ValueError("a PointNet++ has at least one level, and only its last may have npoint None")
        if self.propagation and len(self.propagation) != len(self.levels):
            raise ValueError(f"{len(self.levels)} levels need as many propagations; got {len(self.propagation)}")

    def check_classifies(self) -> None:
        """Refuse levels that no classifier can end with.

        Raises:
            ValueError: the last takes some of the points only.
        """
        if self.levels[-1].npoint is not None:
            raise ValueError("a classifier's last level takes all points: give it npoint None")


def _single(npoint: int, radius: float, count: int, *widths: int) -> Level:
    return Level(npoint, (radius,), (count,), (widths,))


_ALL = Level(None, (), (), ((256, 512, 1024),))
_FINE_WIDTHS = ((32, 32, 64), (64, 64, 128), (64, 96, 128))

CLASSIFIER_SSG = PointNet2Spec((_single(512, 0.2, 32, 64, 64, 128), _single(128, 0.4, 64, 128, 128, 256), _ALL))
CLASSIFIER_MSG = PointNet2Spec(
    (
        Level(512, (0.1, 0.2, 0.4), (16, 32, 128), _FINE_WIDTHS),
        Level(128, (0.2, 0.4, 0.8), (32, 64, 128), ((64, 64, 128), (128, 128, 256), (128, 128, 256))),
        _ALL,
    )
)
PARTS_SSG = PointNet2Spec(
    (_single(512, 0.2, 64, 64, 64, 128), _single(128, 0.4, 64, 128, 128, 256), _ALL),
    propagation=((256, 256), (256, 128), (128, 128, 128)),
)
PARTS_MSG = PointNet2Spec(
    (
        Level(512, (0.1, 0.2, 0.4), (32, 64, 128), _FINE_WIDTHS),
        Level(128, (0.4, 0.8), (64, 128), ((128, 128, 256), (128, 196, 256))),
        _ALL,
    ),
    propagation=((256, 256), (256, 128), (128, 128)),
)


class PointNet2Classifier(CloudScores):
    """Scores of a cloud's classes; 1,472,360 parameters for `CLASSIFIER_SSG`, positions alone and 40 classes.

    Args:
        spec: levels; the last with npoint None.
        inputs: channels of the points' features beside their positions; 0 for none.
        classes: scores.
        head: widths of the hidden layers after the last maximum.
        dropout: one chance per hidden layer: (.5, .5) in the authors' SSG, (.6, .6) in their MSG, (.4, .4) in the port.
    """

    def __init__(
        self,
        spec: PointNet2Spec,
        inputs: int,
        classes: int,
        head: Sequence[int] = (512, 256),
        dropout: Sequence[float] = (0.5, 0.5),
    ) -> None:
        super().__init__()
        spec.check_classifies()
        self.levels = abstraction_levels(spec, inputs)
        self.head = Head(spec.levels[-1].outputs, head, classes, dropout)

    def forward(self, batch: PointBatch) -> Tensor:
        """(B, classes) logits."""
        return self.classify(self.encode(batch).weighted, batch.noise_seed)

    def encode(self, batch: PointBatch) -> PointFeatures:
        """The last level's points (B, S, 3) and features (B, S, C), before the maximum over them."""
        return abstract(self.levels, batch)[-1]


class PointNet2Segmenter(PointScores):
    """Scores of every point: of parts, or of what a scene is made of.

    Args:
        spec: levels and propagation.
        inputs: channels of the points' features beside their positions; 0 for none.
        parts: scores per point.
        categories: of clouds, told one-hot to every point; 0 where the network is not told.
        head: widths of the hidden layers after the last propagation.
        dropout: one chance per hidden layer.
    """

    def __init__(
        self,
        spec: PointNet2Spec,
        inputs: int,
        parts: int,
        categories: int = 0,
        head: Sequence[int] = (128,),
        dropout: Sequence[float] = (0.5,),
    ) -> None:
        super().__init__()
        self.categories = categories
        self.levels = abstraction_levels(spec, inputs)
        self.propagation = propagation_levels(spec, [3 + inputs + categories, *(x.outputs for x in spec.levels)])
        self.head = Head(spec.propagation[-1][-1], head, parts, dropout)

    def forward(self, batch: PointBatch) -> Tensor:
        """(B, N, parts) logits. The batch's `category` is needed where categories > 0."""
        return self.classify(self.encode(batch).features, batch.noise_seed)

    def encode(self, batch: PointBatch) -> PointFeatures:
        """The points (B, N, 3) and their features (B, N, C) after the last propagation."""
        known = known_of_points(batch, self.categories)
        return back_to_points(self.propagation, self.levels, known, abstract(self.levels, batch))


def abstraction_levels(spec: PointNet2Spec, inputs: int) -> nn.ModuleList:
    """The levels' modules, from fine to coarse."""
    channels = [inputs, *(level.outputs for level in spec.levels)]
    return nn.ModuleList(
        SetAbstraction(before, level) if level.npoint is not None else GlobalAbstraction(before, level.widths[0])
        for before, level in zip(channels, spec.levels, strict=False)
    )


def propagation_levels(spec: PointNet2Spec, channels: Sequence[int]) -> nn.ModuleList:
    """Propagation modules, from coarse to fine.

    Args:
        spec: with propagation.
        channels: of what is known of the points, and of each level's features.
    """
    if not spec.propagation:
        raise ValueError("a segmenter's spec needs propagation, one tuple of widths per level")
    modules, coarse = [], channels[-1]
    for own, widths in zip(reversed(channels[:-1]), spec.propagation, strict=True):
        modules.append(FeaturePropagation(coarse, own, widths))
        coarse = widths[-1]
    return nn.ModuleList(modules)


def abstract(levels: nn.ModuleList, batch: PointBatch) -> list[PointFeatures]:
    """Centroids and features of every level; a global level's before its maximum."""
    points, features, saliency = batch.points, batch.features, batch.saliency
    found: list[PointFeatures] = []
    for index, level in enumerate(levels):
        if isinstance(level, SetAbstraction):
            assert level.level.npoint is not None
            centroids = centroids_of(batch, points, index, level.level.npoint)
            points, features = centroids, level(points, features, centroids)
            saliency = saliency_of_centroids(batch, saliency, index, level.level.npoint)
        else:
            features = level(points, features)
        found.append(PointFeatures(points, features, saliency=saliency))
    return found


def back_to_points(
    modules: nn.ModuleList, levels: nn.ModuleList, known: PointFeatures, found: Sequence[PointFeatures]
) -> PointFeatures:
    """The points with their features after the last propagation, and the facts of the coarsest level.

    Args:
        modules: of propagation, from coarse to fine.
        levels: what gave `found`.
        known: of the points themselves.
        found: features of every level, from fine to coarse.
    """
    coarsest = found[-1]
    if isinstance(levels[-1], GlobalAbstraction) and coarsest.points.shape[1] > 1:
        coarsest = _pooled(coarsest)
    last = propagate(modules, [known, *found[:-1], coarsest])
    return PointFeatures(last.points, last.features, found[-1].facts)


def _pooled(found: PointFeatures) -> PointFeatures:
    """One point, at the origin, with the maximum of the features."""
    return PointFeatures(torch.zeros_like(found.points[:, :1]), found.features.amax(dim=1, keepdim=True))


def known_of_points(batch: PointBatch, categories: int) -> PointFeatures:
    """What the points know of themselves: category one-hot, position, features.

    Raises:
        ValueError: the network is to be told the category, and the batch does not say it.
    """
    parts = [batch.points] if batch.features is None else [batch.points, batch.features]
    if categories:
        told = told_one_hot(batch.category, categories, batch.points.dtype)
        parts = [told.unsqueeze(1).expand(-1, batch.points.shape[1], -1), *parts]
    return PointFeatures(batch.points, torch.cat(parts, dim=-1))


def propagate(modules: nn.ModuleList, found: Sequence[PointFeatures]) -> PointFeatures:
    """From the coarsest of the levels `found` (fine to coarse, the points themselves first) back to the points."""
    coarse = found[-1]
    for module, own in zip(modules, reversed(found[:-1]), strict=True):
        coarse = PointFeatures(own.points, module(own.points, coarse.points, own.features, coarse.features))
    return coarse
