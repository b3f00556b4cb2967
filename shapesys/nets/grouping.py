"""Differentiable grouping of points (Cheng, Xu and Quan, "Task-driven differentiable grouping for point cloud
analysis", section 3.3, algorithm 1): centroids move to the soft mean of the points around them whose features are like
theirs, take new features there, and so on.

What the paper leaves open is an argument of `Grouping`, with our default and its reason.

Legend: B shapes, N points, S centroids, R pairs of a centroid and a point in its ball, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from shapesys.nets.ball_query import Groups, ball_groups
from shapesys.nets.set_abstraction import Level, abstracted
from shapesys.nets.shared_mlp import SharedMLP

Distance = Literal["l2", "sq"]
Temperature = Literal["width", "one", "learned"]

UNDER_ROOT = 1e-12
"""Added under the root of l2: at first a centroid is one of its points, where the root has no slope."""


@dataclass(frozen=True)
class Grouping:
    """How centroids move.

    Attributes:
        iterations: of algorithm 1; 0 is plain set abstraction, to the bit.
        distance: of features: ``l2``, the norm that algorithm 1 writes, or ``sq``, its square as in equation 1.
        normalise: divide by the sum of similarities, as equation 2 does. Algorithm 1 writes no divisor; without one a
            centroid leaves the cloud, and its ball may be empty.
        temperature: what multiplies distances: ``width`` = 1 / sqrt(C), because distances of C channels grow with
            sqrt(C) and their exponential soon picks one point; ``one`` as written; ``learned``, from 1 / sqrt(C) on.
        regroup: make the balls anew around the moved centroids before their features are computed. The paper
            computes these over the balls it has; the next iteration makes new ones either way.
        mask_copies: weigh every point of a ball once. The padded table repeats the first point of a ball that is not
            full, which would pull the centroid to a point that stands first by chance.
        share_weights: one network for all iterations, so that the iterations do not change the number of parameters.
    """

    iterations: int = 1
    distance: Distance = "l2"
    normalise: bool = True
    temperature: Temperature = "width"
    regroup: bool = False
    mask_copies: bool = True
    share_weights: bool = True

    def __post_init__(self) -> None:
        if self.iterations < 0:
            raise ValueError(f"iterations must be 0 or more; got {self.iterations}")
        if self.distance not in get_args(Distance) or self.temperature not in get_args(Temperature):
            raise ValueError(
                f"distance must be one of {get_args(Distance)} and temperature one of {get_args(Temperature)}; "
                f"got '{self.distance}' and '{self.temperature}'"
            )


class GroupingAbstraction(nn.Module):
    """Set abstraction whose centroids move: algorithm 1.

    Args:
        channels: C, of the points' features and of the centroids'.
        level: one scale, whose widths end in C.
        grouping: how centroids move.
    """

    log_scale: Tensor

    def __init__(self, channels: int, level: Level, grouping: Grouping) -> None:
        super().__init__()
        if level.npoint is None or len(level.widths) != 1 or level.outputs != channels:
            raise ValueError(
                f"differentiable grouping compares features of points and centroids: a level has one scale whose "
                f"widths end in {channels}; got {level}"
            )
        self.level = level
        self.grouping = grouping
        networks = 1 if grouping.share_weights else max(grouping.iterations, 1)
        self.scales = nn.ModuleList(SharedMLP(3 + channels, level.widths[0]) for _ in range(networks))
        start = -0.5 * math.log(channels) if grouping.temperature != "one" else 0.0
        if grouping.temperature == "learned" and grouping.iterations:
            self.log_scale = nn.Parameter(torch.tensor(start))
        else:
            self.register_buffer("log_scale", torch.tensor(start), persistent=False)

    def forward(
        self, points: Tensor, features: Tensor, centroids: Tensor, of_centroids: Tensor
    ) -> tuple[Tensor, Tensor, Mapping[str, Tensor]]:
        """One level.

        Args:
            points: (B, N, 3).
            features: (B, N, C) of the points.
            centroids: (B, S, 3) first centroids.
            of_centroids: (B, S, C) first features of the centroids: those of the points they are.

        Returns:
            (B, S, 3) centroids, (B, S, C) features, and of each shape (B,): ``ball_points``, the mean number of points
            in a ball; ``effective_points``, the mean of how many equally similar points would give weights of the same
            entropy; ``moved``, how far centroids moved, in radii. Means are over centroids, of the last iteration.
        """
        first, groups = centroids, self._groups(points, centroids)
        effective = groups.sizes.to(points.dtype)
        if not self.grouping.iterations:
            of_centroids = abstracted(self.scales[0], groups, points, features, centroids)
        for iteration in range(self.grouping.iterations):
            if iteration:
                groups = self._groups(points, centroids)
            centroids, effective = self._move(groups, points, features, centroids, of_centroids)
            if self.grouping.regroup:
                groups = self._groups(points, centroids)
            network = self.scales[iteration % len(self.scales)]
            of_centroids = abstracted(network, groups, points, features, centroids)
        moved = (centroids - first).detach().norm(dim=-1) / self.level.radii[0]
        facts = {
            "ball_points": groups.sizes.view(moved.shape).to(points.dtype).mean(dim=1),
            "effective_points": effective.view(moved.shape).mean(dim=1),
            "moved": moved.mean(dim=1),
        }
        return centroids, of_centroids, facts

    def _groups(self, points: Tensor, centroids: Tensor) -> Groups:
        return ball_groups(points, centroids, self.level.radii, self.level.counts)[0]

    def _move(
        self, groups: Groups, points: Tensor, features: Tensor, centroids: Tensor, of_centroids: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(B, S, 3) the soft mean of each ball, and (B * S,) the effective number of its points."""
        with torch.autocast(points.device.type, enabled=False):
            at = features.flatten(0, 1).to(points.dtype).index_select(0, groups.neighbour)
            around = of_centroids.flatten(0, 1).to(points.dtype).index_select(0, groups.centroid)
            closeness = -distances(at, around, self.grouping.distance) * self.log_scale.to(points.dtype).exp()
            if not self.grouping.mask_copies:
                closeness = closeness + groups.copies.to(points.dtype).log()
            weights = segment_softmax(closeness, groups)
            neighbours = points.flatten(0, 1).index_select(0, groups.neighbour)
            flat = centroids.flatten(0, 1)
            if self.grouping.normalise:  # as offsets, so that rounding keeps a centroid within its ball, too
                offsets = neighbours - flat.index_select(0, groups.centroid)
                moved = flat + segment_sum(offsets * weights.unsqueeze(1), groups)
            else:
                moved = segment_sum(neighbours * closeness.exp().unsqueeze(1), groups)
        return moved.view(centroids.shape), effective_number(weights.detach(), groups)


def distances(a: Tensor, b: Tensor, distance: Distance) -> Tensor:
    """(R,) squared distance of rows (R, C), or its root, with a finite gradient where rows are equal."""
    squared = (a - b).square().sum(dim=1)
    return squared if distance == "sq" else (squared + UNDER_ROOT).sqrt()


def segment_sum(values: Tensor, groups: Groups) -> Tensor:
    """(B * S, C) sums over each ball of values (R, C)."""
    return values.new_zeros(len(groups.sizes), values.shape[1]).index_add(0, groups.centroid, values)


def segment_softmax(values: Tensor, groups: Groups) -> Tensor:
    """(R,) softmax of values (R,) over each ball."""
    lowest = values.new_full(groups.sizes.shape, -torch.inf)
    largest = lowest.scatter_reduce(0, groups.centroid, values.detach(), "amax")
    exponentials = (values - largest[groups.centroid]).exp()
    total = segment_sum(exponentials.unsqueeze(1), groups)
    return exponentials / total[groups.centroid, 0]


def effective_number(weights: Tensor, groups: Groups) -> Tensor:
    """(B * S,) exp of the entropy of each ball's weights (R,): 1 for one point, n for n equal ones."""
    surprise = -torch.special.xlogy(weights, weights)
    return segment_sum(surprise.unsqueeze(1), groups)[:, 0].exp()
