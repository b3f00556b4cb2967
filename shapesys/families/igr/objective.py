"""Network, codes and loss of IGR.

Legend: B shapes, N points on the surface of each, M = N + N/8 points off it, D latent dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from shapesys.families.base import Batch, TrainingData
from shapesys.families.fields.eikonal import (
    OFF_SURFACE,
    EikonalObjective,
    Measured,
    PointErrors,
    displaced,
    has_normals,
    uniform_in_box,
)
from shapesys.families.fields.losses import eikonal_error, normal_distance_error, surface_error
from shapesys.families.igr.config import IGRConfig
from shapesys.fields.field import FieldTraits
from shapesys.nets.dropout import Noise
from shapesys.nets.spatial_derivatives import with_gradient

UNIFORM_PART = 8
"""One point in so many is drawn again all over the box (`NormalPerPoint` as released)."""


class IGRObjective(EikonalObjective):
    """Zero on the surface, its gradient the normal there, and of slope 1 around it."""

    def __init__(self, config: IGRConfig, shapes: int) -> None:
        super().__init__(config.decoder(), shapes, config.code_std, config.code_weight, FieldTraits())
        self.config = config
        self.normal_weight = config.normal_weight

    def draw_off_surface(self, batch: Batch, noise: Noise) -> Tensor:
        """(B, N + N/8, 3): every point displaced once, and points all over the box."""
        surface = batch["surface"]
        std = self.config.near_std or batch["spread"].unsqueeze(2)
        everywhere = uniform_in_box(surface, max(1, surface.shape[1] // UNIFORM_PART), self.config.box, noise)
        return torch.cat([displaced(surface, std, noise), everywhere], dim=1)

    def measure(self, codes: Tensor, batch: Batch, searching: bool) -> Measured:
        """Errors of values, of normals where there are any, and of slopes off the surface."""
        off, slope_off = with_gradient(self.decoder, codes, batch[OFF_SURFACE])
        errors = self._on_surface(codes, batch)
        errors["eikonal"] = PointErrors(eikonal_error(slope_off).square(), self.config.eikonal_weight)
        return Measured(errors, off[..., 0])

    def _on_surface(self, codes: Tensor, batch: Batch) -> dict[str, PointErrors]:
        """Errors of values, and of gradients where there are normals."""
        if not (self.normal_weight and has_normals(batch)):
            output = self.decoder(codes, batch["surface"])
            return {"surface": PointErrors(surface_error(output[..., 0]), 1.0)}
        output, gradient = with_gradient(self.decoder, codes, batch["surface"])
        return {
            "surface": PointErrors(surface_error(output[..., 0]), 1.0),
            "normal": PointErrors(normal_distance_error(gradient, batch["normals"]), self.normal_weight),
        }


def build(config: IGRConfig, data: TrainingData) -> IGRObjective:
    """Fresh weights, and one code per training shape."""
    return IGRObjective(config, data.shapes)
