"""Network, codes and loss of ISSN.

Legend: B shapes, N query points per shape, D latent dimensions.
"""

from __future__ import annotations

from torch import Tensor

from shapesys.families.base import Batch, Term, Terms, TrainingData
from shapesys.families.fields.autodecoder import Autodecoder
from shapesys.families.fields.codes import CodeSearch
from shapesys.families.fields.saliency import Weighted, start_saliency, weight_by_saliency
from shapesys.families.issn.config import ClampGradient, ISSNConfig
from shapesys.families.observed import Queries
from shapesys.fields.field import FieldTraits
from shapesys.nets.implicit_decoder import ImplicitDecoder


class ISSNObjective(Autodecoder):
    """Equation 1."""

    def __init__(self, config: ISSNConfig, shapes: int) -> None:
        decoder = ImplicitDecoder(
            config.latent_dim,
            hidden=config.hidden,
            layers=config.layers,
            skip_at=config.skip_at,
            outputs=config.outputs,
            dropout=config.dropout,
            weight_norm=config.weight_norm,
        )
        if config.learns_saliency:
            start_saliency(decoder, config.saliency_weight, config.clamp)
        super().__init__(decoder, shapes, config.latent_dim**-0.5, config.code_weight, FieldTraits(clamp=config.clamp))
        self.config = config

    def forward(self, batch: Batch) -> Terms:
        """Equation 1. Batch: shape_index (B,), points (B, N, 3), distance (B, N)."""
        if self.config.learns_saliency:
            return self.salient_terms(batch)[0]
        output, code = self.decode(batch)
        error = self.error(output[..., 0], batch["distance"])
        return Terms({"sdf": Term(error.mean()), **code}, {"clamped_error": error.detach().mean()})

    def salient_terms(self, batch: Batch) -> tuple[Terms, Tensor, Weighted]:
        """Equation 1, the predicted distance (B, N) and the saliency behind it."""
        output, code = self.decode(batch)
        error = self.error(output[..., 0], batch["distance"])
        weighted = weight_by_saliency(error, output[..., 1], self.config.saliency_weight)
        losses = {"sdf": weighted.error, "saliency": weighted.log, **code}
        statistics = {"clamped_error": error.detach().mean(), **weighted.statistics}
        return Terms(losses, statistics), output[..., 0], weighted

    def error(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """Equation 2, elementwise."""
        return clamped_error(predicted, truth, self.config.clamp, self.config.clamp_gradient)

    def errors(self, codes: Tensor, queries: Queries, config: CodeSearch) -> Tensor:
        """Equation 2 (B, N)."""
        return self.error(self.decoder(codes, queries["points"])[..., 0], queries["distance"])


def build(config: ISSNConfig, data: TrainingData) -> ISSNObjective:
    """Fresh weights and one code per training shape."""
    return ISSNObjective(config, data.shapes)


def clamped_error(predicted: Tensor, truth: Tensor, clamp: float, gradient: ClampGradient = "published") -> Tensor:
    """Equation 2: |clamp(f) - clamp(f^)|, elementwise.

    Predictions beyond the clamp have no gradient in equation 2, which is how DeepSDF networks get stuck all positive
    or all negative. ``pull_back`` keeps every value and lets the gradient through the clamp of the prediction.
    """
    difference = predicted.clamp(-clamp, clamp) - truth.clamp(-clamp, clamp)
    if gradient == "published":
        return difference.abs()
    side = difference.detach().sign()
    return difference.detach().abs() + side * (predicted - predicted.detach())
