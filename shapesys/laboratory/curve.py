"""Curves of the plane made of straight segments: distance, its gradient, and queries as SAL draws them.

Legend: K segments, N points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from shapesys.laboratory.fitting import Samples

_ON_THE_CURVE = 1e-7
"""Below this distance the direction is rounding, and counts as unknown."""


@dataclass(frozen=True)
class Curve:
    """Segments from `starts` to `ends`, (K, 2) each."""

    starts: Tensor
    ends: Tensor

    @classmethod
    def through(cls, corners: Tensor | Sequence[tuple[float, float]], closed: bool) -> Curve:
        """The path through (m, 2) corners, back to the first where it is closed."""
        path = torch.as_tensor(corners, dtype=torch.float32)
        return cls(path, path.roll(-1, dims=0)) if closed else cls(path[:-1], path[1:])

    @property
    def lengths(self) -> Tensor:
        """(K,) of the segments."""
        return (self.ends - self.starts).norm(dim=1)

    def distance(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """(..., 2) points -> (...) distance to the curve and (..., 2) its gradient, 0 on the curve."""
        along = self.ends - self.starts
        share = ((points.unsqueeze(-2) - self.starts) * along).sum(dim=-1) / along.square().sum(dim=-1)
        away = points.unsqueeze(-2) - (self.starts + share.clamp(0.0, 1.0).unsqueeze(-1) * along)
        distance, nearest = away.norm(dim=-1).min(dim=-1)
        away = torch.take_along_dim(away, nearest[..., None, None], dim=-2).squeeze(-2)
        known = (distance > _ON_THE_CURVE).unsqueeze(-1)
        return distance, torch.where(known, away / distance.clamp(min=_ON_THE_CURVE).unsqueeze(-1), 0.0)

    def area(self) -> float:
        """Enclosed by a closed curve that does not cross itself."""
        (x, y), (u, v) = self.starts.T, self.ends.T
        return abs(float((x * v - u * y).sum())) / 2.0

    def drawn(self, count: int, generator: torch.Generator) -> Tensor:
        """(count, 2) points of the curve, uniform in length."""
        along = self.lengths.cumsum(dim=0)
        which = torch.searchsorted(along, along[-1] * torch.rand(count, generator=generator)).clamp(max=len(along) - 1)
        share = torch.rand(count, 1, generator=generator)
        return self.starts[which] + share * (self.ends - self.starts)[which]


@dataclass(frozen=True)
class Queries:
    """How points are drawn at which a distance is asked for.

    Attributes:
        count: of all points.
        near: share of points that are points of the curve, each moved by a Gaussian; others fill [-1, 1]^2.
        deviation: of the Gaussian along each axis.
    """

    count: int
    near: float = 0.5
    deviation: float = 0.05

    def of(self, curve: Curve, seeds: Sequence[int]) -> Samples:
        """The unsigned distance at points that each seed draws for itself."""
        points = torch.stack([self._points(curve, torch.Generator().manual_seed(seed)) for seed in seeds])
        return Samples(points, *curve.distance(points))

    def _points(self, curve: Curve, generator: torch.Generator) -> Tensor:
        near = round(self.near * self.count)
        moved = curve.drawn(near, generator) + self.deviation * torch.randn(near, 2, generator=generator)
        others = 2.0 * torch.rand(self.count - near, 2, generator=generator) - 1.0
        # Batches are consecutive points, and each is to have points of both kinds.
        return torch.cat([moved, others])[torch.randperm(self.count, generator=generator)]


BOOT = Curve.through(
    [(-0.65, -0.55), (0.65, -0.55), (0.65, -0.47), (-0.05, -0.40), (0.0, 0.55), (-0.65, 0.35)], closed=True
)
"""A closed curve with corners, one of them pointing inwards, and a toe that is 0.08 thick at its end."""
