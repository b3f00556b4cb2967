"""Ball query: the points within a radius of each centroid, as PointNet++ groups them (Qi et al., NeurIPS 2017, 3.2).

A ball of few points is published as a row of fixed width, padded with copies of its first point. Most of such a table
is copies, so here a ball is a run of a flat list: each point once, and beside it how many copies it stands for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from shapesys.nets.linear import product
from shapesys.nets.point_ops import blocks, squared_distances

ROUNDINGS = 16.0
"""Of a sum of five products in the precision at hand, more than it takes."""


@dataclass(frozen=True)
class Groups:
    """Balls around B * S centroids, as pairs of a centroid and a point, ordered by centroid, then by point.

    Attributes:
        neighbour: (R,) int64 rows of the points, flattened to (B * N, ...).
        centroid: (R,) int64 rows of the centroids, flattened to (B * S, ...).
        copies: (R,) float32 times each pair stands in the padded table: 1, and what is missing for the first of a ball.
        sizes: (B * S,) int64 points in each ball, at least 1.
        capacity: K, the width of the padded table.
    """

    neighbour: Tensor
    centroid: Tensor
    copies: Tensor
    sizes: Tensor
    capacity: int

    @property
    def starts(self) -> Tensor:
        """(B * S,) the pair at which each ball starts."""
        return self.sizes.cumsum(0) - self.sizes


@torch.no_grad()
def ball_groups(points: Tensor, centroids: Tensor, radii: Sequence[float], counts: Sequence[int]) -> list[Groups]:
    """Balls of several radii around the same centroids.

    Args:
        points: (B, N, 3).
        centroids: (B, S, 3).
        radii: of the balls; a point belongs to a ball when its distance is less than the radius.
        counts: K for each radius: of more points than K, those with the K lowest indices are taken.

    Returns:
        One `Groups` per radius. A ball without a point, which no centroid that is a point can have, holds the nearest.

    Raises:
        ValueError: a radius or count that is not positive, or as many of one as not of the other.
    """
    if len(radii) != len(counts) or min(radii) <= 0 or min(counts) < 1:
        raise ValueError(f"radii {tuple(radii)} and counts {tuple(counts)} must be as many, and positive")
    batch, centres = centroids.shape[:2]
    size = points.shape[1]
    places: list[list[Tensor]] = [[] for _ in radii]
    estimate = _Estimate(centroids, points)
    for shapes, rows in blocks(batch, centres, size, points.device):
        squared = estimate.squares(shapes, rows)
        before = (shapes.start * centres + rows.start) * size
        for found, radius in zip(places, radii, strict=True):
            found.append(_places_below(squared, radius * radius + estimate.error).add_(before))
    return [_groups(torch.cat(x), r, k, points, centroids) for x, r, k in zip(places, radii, counts, strict=True)]


def ball_query(points: Tensor, centroids: Tensor, radius: float, count: int) -> tuple[Tensor, Tensor]:
    """The padded table of one radius.

    Args:
        points: (B, N, 3).
        centroids: (B, S, 3).
        radius: distances must be less.
        count: K.

    Returns:
        (B, S, K) int64 indices of points in ascending order, padded with copies of the first, and (B, S) int64 how
        many of them are points rather than copies.
    """
    batch, centres = centroids.shape[:2]
    groups = ball_groups(points, centroids, [radius], [count])[0]
    local = groups.neighbour % points.shape[1]
    table = local[groups.starts].unsqueeze(1).repeat(1, count)
    place = torch.arange(len(local), device=local.device) - groups.starts[groups.centroid]
    table[groups.centroid, place] = local
    return table.view(batch, centres, count), groups.sizes.view(batch, centres)


class _Estimate:
    """Squared distances (B, S, N) of centroids (B, S, 3) to points (B, N, 3), and a bound of their error.

    On a CPU one product, [-2 c, 1, |c|^2] with [p, |p|^2, 1], takes a fraction of the time of differences, and errs by
    a few roundings of its largest term.
    """

    def __init__(self, centroids: Tensor, points: Tensor) -> None:
        self.exact = centroids.device.type != "cpu" or torch.get_float32_matmul_precision() != "highest"
        self.left, self.right, self.error = centroids, points, 0.0
        if self.exact:
            return
        middle = points.mean(dim=1, keepdim=True)  # fewest digits cancel near the origin
        centroids, points = centroids - middle, points - middle
        of_centroids, of_points = (x.square().sum(dim=-1, keepdim=True) for x in (centroids, points))
        self.left = torch.cat([-2.0 * centroids, torch.ones_like(of_centroids), of_centroids], dim=-1)
        self.right = torch.cat([points, of_points, torch.ones_like(of_points)], dim=-1)
        self.error = ROUNDINGS * torch.finfo(points.dtype).eps * float(of_centroids.max() + of_points.max())

    def squares(self, shapes: slice, rows: slice) -> Tensor:
        """(b, s, N) of these shapes and centroids."""
        left, right = self.left[shapes, rows], self.right[shapes]
        if self.exact:
            return squared_distances(left, right)
        with torch.autocast("cpu", enabled=False):
            if len(left) == 1:
                return product(left[0], right[0]).unsqueeze(0)
            return torch.stack([product(a, b) for a, b in zip(left, right, strict=True)])


def _groups(places: Tensor, radius: float, count: int, points: Tensor, centroids: Tensor) -> Groups:
    """Of places (B, S, N), flattened, that may lie within the radius, those that do by their differences, and the
    first of each ball."""
    (batch, size), centres, device = points.shape[:2], centroids.shape[1], points.device
    sizes = torch.searchsorted(places, torch.arange(batch * centres + 1, device=device) * size).diff()
    rows = torch.arange(batch * centres, device=device)
    shift = (rows // centres - rows) * size
    centroid = rows.repeat_interleave(sizes, output_size=len(places))
    neighbour = places + shift.repeat_interleave(sizes, output_size=len(places))
    offsets = points.flatten(0, 1).index_select(0, neighbour) - centroids.flatten(0, 1).index_select(0, centroid)
    inside = offsets.square_().sum(dim=1) < radius * radius
    if not bool(inside.all()):
        centroid, neighbour = centroid[inside], neighbour[inside]
        sizes = torch.bincount(centroid, minlength=batch * centres)
    if not bool(sizes.all()):
        centroid, neighbour, sizes = _with_nearest(centroid, neighbour, sizes, points, centroids)
    if bool((sizes > count).any()):
        starts = (sizes.cumsum(0) - sizes).repeat_interleave(sizes, output_size=len(centroid))
        first = torch.arange(len(centroid), device=device) - starts < count
        centroid, neighbour, sizes = centroid[first], neighbour[first], sizes.clamp_max(count)
    copies = torch.ones(len(centroid), device=device)
    copies[sizes.cumsum(0) - sizes] = (count + 1 - sizes).to(copies.dtype)
    return Groups(neighbour, centroid, copies, sizes, count)


def _with_nearest(
    centroid: Tensor, neighbour: Tensor, sizes: Tensor, points: Tensor, centroids: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The pairs, and one more for each ball that has none: its nearest point."""
    size, centres = points.shape[1], centroids.shape[1]
    empty = (sizes == 0).nonzero().view(-1)
    nearest = [
        squared_distances(centroids.flatten(0, 1)[row].view(1, 1, 3), points[row // centres, None]).argmin()
        + row // centres * size
        for row in empty.tolist()
    ]
    centroid, neighbour = torch.cat([centroid, empty]), torch.cat([neighbour, torch.stack(nearest)])
    order = centroid.argsort(stable=True)
    return centroid[order], neighbour[order], sizes.clamp_min(1)


def _places_below(values: Tensor, limit: float) -> Tensor:
    """Places of the flattened values that are less than the limit."""
    if values.device.type == "cpu":  # NumPy compares ten times, and finds four times as fast as torch
        return torch.from_numpy(np.flatnonzero(values.numpy() < limit))
    return (values < limit).view(-1).nonzero().view(-1)
