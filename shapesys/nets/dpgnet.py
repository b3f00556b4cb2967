"""DPGNet: PointNet++ with differentiable grouping (Cheng, Xu and Quan, section 3.3).

The paper alters PointNet++ so that features of points and centroids have the same number of channels; how, it does not
say. Here one MLP lifts every point (position and features) to C channels, every level with balls keeps them, and the
level that takes all points, where there is nothing to group, is PointNet++'s own. With `Grouping(iterations=0)` this is
the paper's baseline of the same width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from shapesys.nets.grouping import Grouping, GroupingAbstraction
from shapesys.nets.heads import CloudScores, Head, PointFeatures, PointScores
from shapesys.nets.point_batch import PointBatch
from shapesys.nets.point_ops import gather_points
from shapesys.nets.pointnet2 import PointNet2Spec, back_to_points, known_of_points, propagation_levels
from shapesys.nets.set_abstraction import GlobalAbstraction, Level, first_centroids, saliency_of_centroids
from shapesys.nets.shared_mlp import SharedMLP

_BALLS = (
    Level(512, (0.2,), (32,), ((128, 128, 128),)),
    Level(128, (0.4,), (64,), ((128, 128, 128),)),
)
_ALL = Level(None, (), (), ((256, 512, 1024),))

SAME_WIDTH_CLASSIFIER = PointNet2Spec((*_BALLS, _ALL))
SAME_WIDTH_PARTS = PointNet2Spec((*_BALLS, _ALL), propagation=((256, 256), (256, 128), (128, 128, 128)))


class GroupingEncoder(nn.Module):
    """Lift, and levels of grouping.

    Args:
        spec: levels with balls, of one scale each, that keep lift[-1] channels; perhaps a last one with npoint None.
        inputs: channels of the points' features beside their positions.
        grouping: how centroids move.
        lift: widths of the MLP that gives points their first features.
    """

    def __init__(self, spec: PointNet2Spec, inputs: int, grouping: Grouping, lift: Sequence[int]) -> None:
        super().__init__()
        self.lift = SharedMLP(3 + inputs, lift)
        self.levels = nn.ModuleList(
            GroupingAbstraction(lift[-1], level, grouping)
            if level.npoint is not None
            else GlobalAbstraction(lift[-1], level.widths[0])
            for level in spec.levels
        )

    def forward(self, batch: PointBatch) -> list[PointFeatures]:
        """Centroids and features of every level, a global level's before its maximum; the last has all levels' facts,
        named as those of `GroupingAbstraction` with the level's number behind, from 1."""
        points, saliency = batch.points, batch.saliency
        features = self.lift(known_of_points(batch, 0).features)
        found: list[PointFeatures] = []
        facts: dict[str, Tensor] = {}
        for index, level in enumerate(self.levels):
            if isinstance(level, GroupingAbstraction):
                points, features, known = level(points, features, *_first(batch, points, features, index, level))
                facts |= {f"{name}_{index + 1}": value for name, value in known.items()}
                saliency = saliency_of_centroids(batch, saliency, index, points.shape[1])
            else:
                features = level(points, features)
            found.append(PointFeatures(points, features, facts, saliency))
        return found


class DPGNetClassifier(CloudScores):
    """Scores of a cloud's classes.

    Args:
        spec: levels; the last with npoint None.
        inputs: channels of the points' features beside their positions; 0 for none.
        classes: scores.
        grouping: how centroids move.
        lift: widths of the MLP that gives points their first features.
        head: widths of the hidden layers after the last maximum.
        dropout: one chance per hidden layer.
    """

    def __init__(
        self,
        spec: PointNet2Spec,
        inputs: int,
        classes: int,
        grouping: Grouping,
        lift: Sequence[int] = (64, 128),
        head: Sequence[int] = (512, 256),
        dropout: Sequence[float] = (0.5, 0.5),
    ) -> None:
        super().__init__()
        spec.check_classifies()
        self.encoder = GroupingEncoder(spec, inputs, grouping, lift)
        self.head = Head(spec.levels[-1].outputs, head, classes, dropout)

    def forward(self, batch: PointBatch) -> tuple[Tensor, Mapping[str, Tensor]]:
        """(B, classes) logits, and facts (B,) of the grouping."""
        found = self.encode(batch)
        return self.classify(found.weighted, batch.noise_seed), found.facts

    def encode(self, batch: PointBatch) -> PointFeatures:
        """The last level's points (B, S, 3) and features (B, S, C), before the maximum over them."""
        last: PointFeatures = self.encoder(batch)[-1]
        return last


class DPGNetSegmenter(PointScores):
    """Scores of every point: of parts, or, with categories=0 and colours among the inputs, of what a scene is made of.

    Args:
        spec: levels and propagation.
        inputs: channels of the points' features beside their positions; 0 for none.
        parts: scores per point.
        grouping: how centroids move.
        categories: of clouds, told one-hot to every point; 0 where the network is not told.
        lift: widths of the MLP that gives points their first features.
        head: widths of the hidden layers after the last propagation.
        dropout: one chance per hidden layer.
    """

    def __init__(
        self,
        spec: PointNet2Spec,
        inputs: int,
        parts: int,
        grouping: Grouping,
        categories: int = 0,
        lift: Sequence[int] = (64, 128),
        head: Sequence[int] = (128,),
        dropout: Sequence[float] = (0.5,),
    ) -> None:
        super().__init__()
        self.categories = categories
        self.encoder = GroupingEncoder(spec, inputs, grouping, lift)
        self.propagation = propagation_levels(spec, [3 + inputs + categories, *(x.outputs for x in spec.levels)])
        self.head = Head(spec.propagation[-1][-1], head, parts, dropout)

    def forward(self, batch: PointBatch) -> tuple[Tensor, Mapping[str, Tensor]]:
        """(B, N, parts) logits, and facts (B,) of the grouping. The batch's `category` is needed where told."""
        found = self.encode(batch)
        return self.classify(found.features, batch.noise_seed), found.facts

    def encode(self, batch: PointBatch) -> PointFeatures:
        """The points (B, N, 3) and their features (B, N, C) after the last propagation.

        Features are interpolated from where the centroids moved to, so gradients also reach the grouping from there.
        """
        known = known_of_points(batch, self.categories)
        return back_to_points(self.propagation, self.encoder.levels, known, self.encoder(batch))


def _first(
    batch: PointBatch, points: Tensor, features: Tensor, index: int, level: GroupingAbstraction
) -> tuple[Tensor, Tensor]:
    """First centroids (B, S, 3) of a level and their features (B, S, C): those of the points they are."""
    npoint = level.level.npoint
    assert npoint is not None
    if index == 0:
        rows = first_centroids(batch, npoint)
        return gather_points(points, rows), gather_points(features, rows)
    if points.shape[1] < npoint:
        raise ValueError(f"level {index + 1} has {npoint} centroids, but the one before only {points.shape[1]}")
    return points[:, :npoint], features[:, :npoint]
