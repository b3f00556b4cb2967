"""What families share that learn from points on a surface and points drawn off it, where a distance has slope 1.

Points off the surface are drawn anew in every step, each shape's by its own noise seed, so that it sees the same ones
on whichever worker it falls.

Legend: B shapes, N points on the surface of each, M points off it, n of either, D latent dimensions.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from shapesys.errors import ShapesysError
from shapesys.families.base import Batch, Term, Terms
from shapesys.families.fields.autodecoder import Autodecoder
from shapesys.families.fields.codes import CodeSearch
from shapesys.families.fields.sign_agnostic import share_inside
from shapesys.families.observed import Queries
from shapesys.nets.dropout import Noise, shape_noise

OFF_SURFACE = "off_surface"
"""Column of a batch that was completed: (B, M, 3) points off the surface."""


class PointErrors(NamedTuple):
    """A loss before its mean: errors (B, n) at points, and the weight of their mean."""

    values: Tensor
    weight: float


class Measured(NamedTuple):
    """Errors of a batch by their names, and the field (B, M) off the surface."""

    errors: Mapping[str, PointErrors]
    off_surface: Tensor


class EikonalObjective(Autodecoder):
    """A decoder, with a code per training shape or as one shape, and losses at points on and off surfaces.

    Attributes:
        normal_weight: of the error of normals; without, nobody needs to know any.
    """

    normal_weight: float

    @abstractmethod
    def draw_off_surface(self, batch: Batch, noise: Noise) -> Tensor:
        """(B, M, 3) points off the surface for one step, by one generator per shape."""

    @abstractmethod
    def measure(self, codes: Tensor, batch: Batch, searching: bool) -> Measured:
        """All errors of shapes with these codes (B, D) at the points of a completed batch.

        Args:
            searching: for a code, the network trained: without what only training needs, and without the error of
                normals where none were observed.
        """

    def complete(self, batch: Batch) -> Batch:
        """The batch with points off the surface (B, M, 3). Batch: surface (B, N, 3), noise_seed (B,)."""
        if OFF_SURFACE in batch:
            return batch
        noise = shape_noise(batch["noise_seed"], batch["surface"].device)
        return {**batch, OFF_SURFACE: self.draw_off_surface(batch, noise)}

    def forward(self, batch: Batch) -> Terms:
        """The mean of every error, and what keeps codes small.

        Batch: shape_index (B,), noise_seed (B,) where points off the surface are still to be drawn, and the family's
        columns of the view `udf`. The statistic `inside` is the share of points off the surface with a negative value.

        Raises:
            ShapesysError: normals have a weight, and the shapes have none.
        """
        if self.normal_weight and not has_normals(batch):
            raise ShapesysError(
                f"model.normal_weight is {self.normal_weight:g}, but the shapes have no normals: they are scans that "
                "were read without any; prepare scans with normals, or set --model.normal-weight 0"
            )
        completed = self.complete(batch)
        codes, losses = self.codes_of({**completed, "points": completed["surface"]})
        measured = self.measure(codes, completed, searching=False)
        terms = {name: Term(error.values.mean(), error.weight) for name, error in measured.errors.items()}
        return Terms(terms | losses, {"inside": share_inside(measured.off_surface)})

    def errors(self, codes: Tensor, queries: Queries, config: CodeSearch) -> Tensor:
        """The weighted mean of all errors (B, N): the same at all points of a shape, since others lie elsewhere."""
        found = self.measure(codes, queries, searching=True).errors.values()
        total = torch.stack([error.weight * error.values.mean(dim=1) for error in found]).sum(dim=0)
        return total.unsqueeze(1).expand(-1, queries["surface"].shape[1])


def has_normals(batch: Batch) -> bool:
    """Whether normals were observed of a batch's shapes."""
    return "normals" in batch and batch["normals"].shape[-2] > 0


def uniform_in_box(like: Tensor, count: int, half: float, noise: Noise) -> Tensor:
    """(B, count, 3) points of [-half, half]^3, as precise as `like`, drawn by one generator per shape."""
    drawn = [torch.rand(count, 3, dtype=like.dtype, device=like.device, generator=one) for one in noise]
    return (2.0 * torch.stack(drawn) - 1.0) * half


def displaced(points: Tensor, std: Tensor | float, noise: Noise) -> Tensor:
    """Points (B, N, 3), each with Gaussian noise, by one generator per shape.

    Args:
        std: standard deviation of every point (B, N, 1), or one for all.
    """
    like = points[0]
    drawn = [torch.randn(like.shape, dtype=like.dtype, device=like.device, generator=one) for one in noise]
    return points + std * torch.stack(drawn)
