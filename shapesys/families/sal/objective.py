"""Network, codes and loss of SAL.

Legend: B shapes, N query points per shape, D latent dimensions.
"""

from __future__ import annotations

from shapesys.families.base import Batch, Term, Terms, TrainingData
from shapesys.families.fields.saliency import start_saliency, weight_by_saliency
from shapesys.families.fields.sign_agnostic import SignAgnostic, share_inside
from shapesys.families.sal.config import SALConfig


class SALObjective(SignAgnostic):
    """Sign-agnostic regression of unsigned distances, weighted by saliency where there is a head for it."""

    def __init__(self, config: SALConfig, shapes: int) -> None:
        super().__init__(config, shapes)
        if config.learns_saliency:
            start_saliency(self.decoder, config.saliency_weight, config.radius)
        self.config = config

    def forward(self, batch: Batch) -> Terms:
        """Mean of tau, weighted by saliency, and the prior. Batch: shape_index (B,), points (B, N, 3), distance (B, N).

        The statistic `inside` is the share of queries with a negative value: 0 for a field that has become unsigned.
        """
        output, prior = self.decode(batch)
        error = self.error(output[..., 0], batch["distance"])
        losses = {"code": prior}
        statistics = {"error": error.detach().mean(), "inside": share_inside(output[..., 0])}
        if not self.config.learns_saliency:
            return Terms({"distance": Term(error.mean()), **losses}, statistics)
        weighted = weight_by_saliency(error, output[..., 1], self.config.saliency_weight)
        losses |= {"distance": weighted.error, "saliency": weighted.log}
        return Terms(losses, statistics | weighted.statistics)


def build(config: SALConfig, data: TrainingData) -> SALObjective:
    """Fresh weights and one code per training shape."""
    return SALObjective(config, data.shapes)
