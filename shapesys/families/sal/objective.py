"""Network, codes and loss of SAL.

Legend: B shapes, N query points per shape, D latent dimensions.
"""

from __future__ import annotations

from torch import Tensor

from shapesys.families.base import Batch, Term, Terms, TrainingData
from shapesys.families.fields.autodecoder import Autodecoder
from shapesys.families.fields.losses import sign_agnostic_error
from shapesys.families.fields.saliency import start_saliency, weight_by_saliency
from shapesys.families.sal.config import SALConfig
from shapesys.fields.field import FieldTraits
from shapesys.nets.geometric_start import SKIP_SCALE, start_as_sphere
from shapesys.nets.implicit_decoder import ImplicitDecoder


class SALObjective(Autodecoder):
    """Sign-agnostic regression of unsigned distances, weighted by saliency where there is a head for it."""

    def __init__(self, config: SALConfig, shapes: int) -> None:
        decoder = ImplicitDecoder(
            config.latent_dim,
            hidden=config.hidden,
            layers=config.layers,
            skip_at=config.skip_at,
            outputs=config.outputs,
            dropout=0.0,
            weight_norm=config.weight_norm,
            read_out="plain",
            activation=config.activation,
            skip_scale=SKIP_SCALE,
        )
        start_as_sphere(decoder, config.radius)
        if config.learns_saliency:
            start_saliency(decoder, config.saliency_weight, config.radius)
        super().__init__(decoder, shapes, config.code_std, config.code_weight, FieldTraits())
        self.config = config

    def forward(self, batch: Batch) -> Terms:
        """Mean of tau, weighted by saliency, and the prior. Batch: shape_index (B,), points (B, N, 3), distance (B, N).

        The statistic `inside` is the share of queries with a negative value: 0 for a field that has become unsigned.
        """
        output, prior = self.decode(batch)
        error = self.error(output[..., 0], batch["distance"])
        losses = {"code": prior}
        statistics = {"error": error.detach().mean(), "inside": (output[..., 0].detach() < 0).float().mean()}
        if not self.config.learns_saliency:
            return Terms({"distance": Term(error.mean()), **losses}, statistics)
        weighted = weight_by_saliency(error, output[..., 1], self.config.saliency_weight)
        losses |= {"distance": weighted.error, "saliency": weighted.log}
        return Terms(losses, statistics | weighted.statistics)

    def error(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """tau, elementwise."""
        return sign_agnostic_error(predicted, truth)


def build(config: SALConfig, data: TrainingData) -> SALObjective:
    """Fresh weights and one code per training shape."""
    return SALObjective(config, data.shapes)
