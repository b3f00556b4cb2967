"""Set abstraction: the layer of PointNet++ that makes features of centroids from those of the points around them
(Qi et al., NeurIPS 2017, sections 3.2 and 3.3).

The first product of a ball's network is taken per point, before points are gathered into balls:
W [x_j - c_i, f_j] = (Wx x_j + Wf f_j) - Wx c_i. With `Groups`, no product is taken of a padding copy either.

Legend: B shapes, N points, S centroids, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from shapesys.geometry.fps import farthest_points
from shapesys.nets.ball_query import Groups, ball_groups
from shapesys.nets.linear import linear
from shapesys.nets.point_batch import PointBatch
from shapesys.nets.point_ops import gather_points
from shapesys.nets.shared_mlp import SharedMLP


@dataclass(frozen=True)
class Level:
    """One level of abstraction, at one or more scales.

    Attributes:
        npoint: centroids; None for one that stands for all points, around the origin, without radii or counts.
        radii: of the balls, one per scale.
        counts: the most points a ball takes, one per scale.
        widths: channels of the ball's network, one tuple per scale.
    """

    npoint: int | None
    radii: tuple[float, ...]
    counts: tuple[int, ...]
    widths: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        scales = 1 if self.npoint is None else len(self.widths)
        balls = 0 if self.npoint is None else scales
        if not len(self.widths) == scales >= 1 or not len(self.radii) == len(self.counts) == balls:
            raise ValueError(
                f"a level with npoint {self.npoint} has radii {self.radii}, counts {self.counts} and widths "
                f"{self.widths}; give one of each per scale, or widths alone, of one scale, where npoint is None"
            )

    @property
    def outputs(self) -> int:
        """Channels of all scales together."""
        return sum(widths[-1] for widths in self.widths)


class SetAbstraction(nn.Module):
    """Features of centroids, from balls of one or more radii, concatenated.

    Args:
        inputs: C, channels of the points' features; 0 for none.
        level: with npoint.
    """

    def __init__(self, inputs: int, level: Level) -> None:
        super().__init__()
        self.level = level
        self.scales = nn.ModuleList(SharedMLP(3 + inputs, widths) for widths in level.widths)

    def forward(self, points: Tensor, features: Tensor | None, centroids: Tensor) -> Tensor:
        """points (B, N, 3), features (B, N, C) or None, centroids (B, S, 3) -> (B, S, level.outputs)."""
        found = ball_groups(points, centroids, self.level.radii, self.level.counts)
        scales = zip(self.scales, found, strict=True)
        return torch.cat([abstracted(mlp, groups, points, features, centroids) for mlp, groups in scales], dim=-1)


class GlobalAbstraction(nn.Module):
    """The level that takes all points for one group, at their absolute positions, before its maximum over them.

    Args:
        inputs: C.
        widths: channels of its network.
    """

    def __init__(self, inputs: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.mlp = SharedMLP(3 + inputs, widths)

    def forward(self, points: Tensor, features: Tensor | None) -> Tensor:
        """points (B, N, 3), features (B, N, C) or None -> (B, N, widths[-1])."""
        weight = self.mlp.first_weight
        first = linear(points, weight[:, :3])
        if features is not None:
            first = first + linear(features, weight[:, 3:])
        return self.mlp.from_first(first)


def abstracted(mlp: nn.Module, groups: Groups, points: Tensor, features: Tensor | None, centroids: Tensor) -> Tensor:
    """The maximum over each ball of the network of [x_j - c_i, f_j]: (B, S, mlp.outputs)."""
    assert isinstance(mlp, SharedMLP)
    weight = mlp.first_weight
    of_point = linear(points, weight[:, :3])
    of_centroid = linear(centroids, -weight[:, :3]).flatten(0, 1)
    if features is not None:
        of_point = of_point + linear(features, weight[:, 3:])
    first = of_point.flatten(0, 1).index_select(0, groups.neighbour)
    first = first.add_(of_centroid.index_select(0, groups.centroid))
    return mlp.pooled(first, groups).view(*centroids.shape[:2], mlp.outputs)


def first_centroids(batch: PointBatch, npoint: int) -> Tensor:
    """(B, npoint) int64 rows of a farthest point sample: the known order's prefix, or our own from the first point.

    The sample is in farthest point order itself, so that further levels take its prefix.

    Raises:
        ValueError: the clouds have fewer points than npoint.
    """
    if batch.order is not None and batch.order.shape[1] >= npoint:
        return batch.order[:, :npoint]
    if batch.points.shape[1] < npoint:
        raise ValueError(
            f"a level of {npoint} centroids needs as many points; the clouds have {batch.points.shape[1]}: "
            "give more points per shape, or a spec with fewer centroids"
        )
    return farthest_points(batch.points, npoint, 0)


def centroids_of(batch: PointBatch, points: Tensor, level: int, npoint: int) -> Tensor:
    """(B, npoint, 3) centroids of a level: a farthest point sample of the input, then prefixes of it."""
    if level:
        if points.shape[1] < npoint:
            raise ValueError(f"level {level + 1} has {npoint} centroids, but the one before only {points.shape[1]}")
        return points[:, :npoint]
    return gather_points(points, first_centroids(batch, npoint))


def saliency_of_centroids(batch: PointBatch, saliency: Tensor | None, level: int, npoint: int) -> Tensor | None:
    """(B, npoint) saliency of the points that a level's centroids are, or started as, given that of the level before;
    None where the batch has none."""
    if saliency is None:
        return None
    return saliency[:, :npoint] if level else saliency.gather(1, first_centroids(batch, npoint))
