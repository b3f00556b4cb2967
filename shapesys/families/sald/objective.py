"""Network, codes and loss of SALD.

Legend: B shapes, N query points per shape, D latent dimensions.
"""

from __future__ import annotations

from torch import Tensor

from shapesys.families.base import Batch, Term, Terms, TrainingData
from shapesys.families.fields.autodecoder import Autodecoder
from shapesys.families.fields.codes import CodeSearch, Queries
from shapesys.families.fields.losses import sign_agnostic_error, sign_agnostic_gradient_error
from shapesys.families.sald.config import SALDConfig, SALDInference
from shapesys.fields.field import FieldTraits
from shapesys.nets.geometric_start import SKIP_SCALE, start_as_sphere
from shapesys.nets.implicit_decoder import ImplicitDecoder
from shapesys.nets.spatial_derivatives import with_gradient


class SALDObjective(Autodecoder):
    """Sign-agnostic regression of unsigned distances and of their gradients, at the same queries."""

    def __init__(self, config: SALDConfig, shapes: int) -> None:
        decoder = ImplicitDecoder(
            config.latent_dim,
            hidden=config.hidden,
            layers=config.layers,
            skip_at=config.skip_at,
            outputs=1,
            dropout=0.0,
            weight_norm=config.weight_norm,
            read_out="plain",
            activation=config.activation,
            skip_scale=SKIP_SCALE,
        )
        start_as_sphere(decoder, config.radius)
        super().__init__(decoder, shapes, config.code_std, config.code_weight, FieldTraits())
        self.config = config

    def forward(self, batch: Batch) -> Terms:
        """Both errors and the prior. Batch: shape_index (B,), points and direction (B, N, 3), distance (B, N).

        The statistic `inside` is the share of queries with a negative value: 0 for a field that has become unsigned.
        """
        codes = self.codes(batch["shape_index"])
        value, gradient = self._against(codes, batch)
        losses = {
            "distance": Term(self.error(value, batch["distance"]).mean()),
            "derivative": Term(
                sign_agnostic_gradient_error(gradient, batch["direction"]).mean(), self.config.derivative_weight
            ),
            "code": Term(codes.square().sum(dim=1).mean(), self.code_weight),
        }
        return Terms(losses, {"inside": (value.detach() < 0).float().mean()})

    def error(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """tau, elementwise."""
        return sign_agnostic_error(predicted, truth)

    def errors(self, codes: Tensor, queries: Queries, config: CodeSearch) -> Tensor:
        """Both errors (B, N), weighted as test-time optimisation is told."""
        assert isinstance(config, SALDInference)
        value, gradient = self._against(codes, queries)
        derivative = sign_agnostic_gradient_error(gradient, queries["direction"])
        return self.error(value, queries["distance"]) + config.derivative_weight * derivative

    def _against(self, codes: Tensor, queries: Queries) -> tuple[Tensor, Tensor]:
        """The field (B, N) and its gradient (B, N, 3) at the queries."""
        output, gradient = with_gradient(self.decoder, codes, queries["points"])
        return output[..., 0], gradient


def build(config: SALDConfig, data: TrainingData) -> SALDObjective:
    """Fresh weights and one code per training shape."""
    return SALDObjective(config, data.shapes)
