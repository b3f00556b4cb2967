"""Network, codes and loss of SAL.

Legend: B shapes, N query points per shape, D latent dimensions.
"""

from __future__ import annotations

from torch import Tensor, nn

from shapesys.families.base import Batch, Term, Terms, TrainingData
from shapesys.families.fields.autodecoder import Autodecoder
from shapesys.families.fields.saliency import start_saliency, weight_by_saliency
from shapesys.families.sal.config import SALConfig
from shapesys.fields.field import FieldTraits
from shapesys.nets.geometric_start import SKIP_SCALE, start_as_sphere
from shapesys.nets.implicit_decoder import ImplicitDecoder


class SALObjective(Autodecoder):
    """Sign-agnostic regression of unsigned distances, weighted by saliency where there is a head for it."""

    def __init__(self, config: SALConfig, shapes: int) -> None:
        super().__init__()
        self.config = config
        self.code_weight = config.code_weight
        self.field_traits = FieldTraits()
        self.decoder = ImplicitDecoder(
            config.latent_dim,
            hidden=config.hidden,
            layers=config.layers,
            skip_at=config.skip_at,
            outputs=config.outputs,
            dropout=0.0,
            weight_norm=config.weight_norm,
            final_tanh=False,
            activation=config.activation,
            skip_scale=SKIP_SCALE,
        )
        start_as_sphere(self.decoder, config.radius)
        if config.has_saliency:
            start_saliency(self.decoder, config.saliency_weight, config.radius)
        self.codes = nn.Embedding(shapes, config.latent_dim)
        nn.init.normal_(self.codes.weight, std=config.code_std)

    def forward(self, batch: Batch) -> Terms:
        """Mean of tau, weighted by saliency, and the prior. Batch: shape_index (B,), points (B, N, 3), distance (B, N).

        The statistic `inside` is the share of queries with a negative value: 0 for a field that has become unsigned.
        """
        codes = self.codes(batch["shape_index"])
        output = self.decoder(codes, batch["points"], batch.get("noise_seed"))
        error = self.error(output[..., 0], batch["distance"])
        losses = {"code": Term(codes.square().sum(dim=1).mean(), self.code_weight)}
        statistics = {"error": error.detach().mean(), "inside": (output[..., 0].detach() < 0).float().mean()}
        if not self.config.has_saliency:
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


def sign_agnostic_error(predicted: Tensor, unsigned: Tensor) -> Tensor:
    """tau(f, h) = ||f| - h|, elementwise: the same for f and -f. |f - h| would be least for the unsigned distance."""
    return (predicted.abs() - unsigned).abs()
