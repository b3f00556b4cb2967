"""Network, codes and loss of DiGS.

Legend: B shapes, N points on the surface of each, M = N points off it, D latent dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from shapesys.families.base import Batch, TrainingData
from shapesys.families.digs.config import DiGSConfig
from shapesys.families.fields.eikonal import (
    OFF_SURFACE,
    EikonalObjective,
    Measured,
    PointErrors,
    has_normals,
    uniform_in_box,
)
from shapesys.families.fields.losses import (
    divergence_error,
    eikonal_error,
    normal_angle_error,
    off_surface_error,
    surface_error,
)
from shapesys.fields.field import FieldTraits
from shapesys.nets.dropout import Noise
from shapesys.nets.spatial_derivatives import with_gradient, with_laplacian


class DiGSObjective(EikonalObjective):
    """Zero on the surface and nowhere else, of slope 1, and of little divergence for as long as that helps.

    Attributes:
        divergence_factor: what is left of the divergence's weight; 1 before training begins.
    """

    def __init__(self, config: DiGSConfig, shapes: int) -> None:
        super().__init__(config.decoder(), shapes, config.code_std, config.code_weight, FieldTraits())
        self.config = config
        self.normal_weight = config.normal_weight
        self.divergence_factor = 1.0

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Lower the divergence's weight as the schedule has it."""
        self.divergence_factor = self.config.divergence_factor(epoch / epochs)

    def draw_off_surface(self, batch: Batch, noise: Noise) -> Tensor:
        """(B, N, 3) uniform in the box."""
        return uniform_in_box(batch["surface"], batch["surface"].shape[1], self.config.box, noise)

    def measure(self, codes: Tensor, batch: Batch, searching: bool) -> Measured:
        """Errors of values, slopes and normals; the divergence's while training, 0 once it has no weight left."""
        config = self.config
        weight = 0.0 if searching else config.divergence_weight * self.divergence_factor
        on, slope_on = with_gradient(self.decoder, codes, batch["surface"])
        off, slope_off, divergence = self._off_surface(codes, batch, needs_divergence=weight > 0)
        errors = {
            "surface": PointErrors(surface_error(on[..., 0]), config.surface_weight),
            "off_surface": PointErrors(off_surface_error(off), config.off_surface_weight),
            "eikonal": PointErrors(eikonal_error(torch.cat([slope_on, slope_off], dim=1)), config.eikonal_weight),
            "divergence": PointErrors(divergence, weight),
        }
        if config.normal_weight and has_normals(batch):
            angle = normal_angle_error(slope_on, batch["normals"], config.oriented_normals)
            errors["normal"] = PointErrors(angle, config.normal_weight)
        return Measured(errors, off)

    def _off_surface(self, codes: Tensor, batch: Batch, needs_divergence: bool) -> tuple[Tensor, Tensor, Tensor]:
        """The field (B, M), its gradient (B, M, 3) and the error of its divergence (B, M): 0 where nobody needs it."""
        if needs_divergence:
            output, gradient, laplacian = with_laplacian(self.decoder, codes, batch[OFF_SURFACE])
            return output[..., 0], gradient, divergence_error(laplacian)
        output, gradient = with_gradient(self.decoder, codes, batch[OFF_SURFACE])
        return output[..., 0], gradient, torch.zeros_like(output[..., 0])


def build(config: DiGSConfig, data: TrainingData) -> DiGSObjective:
    """Fresh weights, and one code per training shape."""
    return DiGSObjective(config, data.shapes)
