"""Network, codes and loss of SALD.

Legend: B shapes, N query points per shape, D latent dimensions.
"""

from __future__ import annotations

from torch import Tensor

from shapesys.families.base import Batch, Term, Terms, TrainingData
from shapesys.families.fields.codes import CodeSearch
from shapesys.families.fields.losses import sign_agnostic_error, sign_agnostic_gradient_error
from shapesys.families.fields.sign_agnostic import SignAgnostic, share_inside
from shapesys.families.observed import Queries
from shapesys.families.sald.config import SALDConfig, SALDInference
from shapesys.nets.spatial_derivatives import with_gradient


class SALDObjective(SignAgnostic):
    """Sign-agnostic regression of unsigned distances and of their gradients, at the same queries."""

    def __init__(self, config: SALDConfig, shapes: int) -> None:
        super().__init__(config, shapes)
        self.config = config

    def forward(self, batch: Batch) -> Terms:
        """Both errors, and what keeps codes small.

        Batch: what `codes_of` takes, points and direction (B, N, 3), distance (B, N).

        The statistic `inside` is the share of queries with a negative value: 0 for a field that has become unsigned.
        """
        codes, losses = self.codes_of(batch)
        value, gradient = self._against(codes, batch)
        losses |= {
            "distance": Term(sign_agnostic_error(value, batch["distance"]).mean()),
            "derivative": Term(
                sign_agnostic_gradient_error(gradient, batch["direction"]).mean(), self.config.derivative_weight
            ),
        }
        return Terms(losses, {"inside": share_inside(value)})

    def errors(self, codes: Tensor, queries: Queries, config: CodeSearch) -> Tensor:
        """Both errors (B, N), weighted as test-time optimisation is told."""
        assert isinstance(config, SALDInference)
        value, gradient = self._against(codes, queries)
        derivative = sign_agnostic_gradient_error(gradient, queries["direction"])
        return sign_agnostic_error(value, queries["distance"]) + config.derivative_weight * derivative

    def _against(self, codes: Tensor, queries: Queries) -> tuple[Tensor, Tensor]:
        """The field (B, N) and its gradient (B, N, 3) at the queries."""
        output, gradient = with_gradient(self.decoder, codes, queries["points"])
        return output[..., 0], gradient


def build(config: SALDConfig, data: TrainingData) -> SALDObjective:
    """Fresh weights, and one code per training shape where there is no encoder."""
    return SALDObjective(config, data.shapes)
