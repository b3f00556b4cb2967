"""Network, codes and losses of SAL.

Legend: B shapes, N query points per shape, D latent dimensions.
"""

from __future__ import annotations

from torch import Tensor

from shapesys.families.base import Batch, Term, Terms, TrainingData
from shapesys.families.fields.codes import CodeSearch
from shapesys.families.fields.losses import sign_agnostic_error
from shapesys.families.fields.saliency import start_saliency, weight_by_saliency
from shapesys.families.fields.sign_agnostic import SignAgnostic, share_inside
from shapesys.families.observed import Queries
from shapesys.families.sal.config import SALConfig

SURFACE_WEIGHT = 2.0
"""Of the surface in the loss l0, as released."""


class SALObjective(SignAgnostic):
    """Sign-agnostic regression of unsigned distances, weighted by saliency where there is a head for it."""

    def __init__(self, config: SALConfig, shapes: int) -> None:
        super().__init__(config, shapes)
        if config.learns_saliency:
            start_saliency(self.decoder, config.saliency_weight, config.radius)
        self.config = config

    def forward(self, batch: Batch) -> Terms:
        """The loss, weighted by saliency, and what keeps codes small.

        Batch: what `codes_of` takes, points (B, N, 3), distance (B, N), and surface (B, N, 3) for loss l0. The
        statistic `inside` is the share of queries with a negative value: 0 for a field that has become unsigned.
        """
        codes, losses = self.codes_of(batch)
        output = self.decoder(codes, batch["points"])
        field = output[..., 0]
        statistics = {"inside": share_inside(field)}
        if self.config.loss == "l0":
            on_surface = self.decoder(codes, batch["surface"])[..., 0].abs().mean()
            off = Term(sign_agnostic_error(field, 1.0).mean())
            return Terms({"off_surface": off, "on_surface": Term(on_surface, SURFACE_WEIGHT), **losses}, statistics)
        error = self.error(field, batch["distance"])
        statistics["error"] = error.detach().mean()
        if not self.config.learns_saliency:
            return Terms({"distance": Term(error.mean()), **losses}, statistics)
        weighted = weight_by_saliency(error, output[..., 1], self.config.saliency_weight)
        losses |= {"distance": weighted.error, "saliency": weighted.log}
        return Terms(losses, statistics | weighted.statistics)

    def errors(self, codes: Tensor, queries: Queries, config: CodeSearch) -> Tensor:
        """The loss (B, N) of what is observed, without saliency."""
        field = self.decoder(codes, queries["points"])[..., 0]
        if self.config.loss == "l0":
            on_surface = self.decoder(codes, queries["surface"])[..., 0].abs()
            return sign_agnostic_error(field, 1.0) + SURFACE_WEIGHT * on_surface
        return self.error(field, queries["distance"])

    def error(self, predicted: Tensor, unsigned: Tensor) -> Tensor:
        """tau, or the plain errors of the ablation, elementwise."""
        if self.config.loss == "plain_l1":
            return (predicted - unsigned).abs()
        if self.config.loss == "plain_l2":
            return (predicted - unsigned).square()
        return sign_agnostic_error(predicted, unsigned)


def build(config: SALConfig, data: TrainingData) -> SALObjective:
    """Fresh weights, and one code per training shape where there is no encoder."""
    return SALObjective(config, data.shapes)
