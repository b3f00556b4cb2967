"""What families of sign-agnostic errors share: a decoder that starts as a sphere, and codes per shape.

Legend: B shapes, N query points per shape.
"""

from __future__ import annotations

from pydantic import model_validator
from torch import Tensor

from shapesys.config.base import Config, Search, setting
from shapesys.families.fields.autodecoder import Autodecoder
from shapesys.families.fields.losses import sign_agnostic_error
from shapesys.fields.field import FieldTraits
from shapesys.nets.activations import Activation
from shapesys.nets.geometric_start import SKIP_SCALE, start_as_sphere
from shapesys.nets.implicit_decoder import ImplicitDecoder, check_shape


class SphereConfig(Config):
    """The network, where it starts, and the prior of its codes."""

    latent_dim: int = setting(256, help="dimensions of a latent code", ge=1, search=Search(16, 64, log=True))
    hidden: int = setting(512, help="width of the trunk", ge=8, search=Search(choices=(128, 256, 512)))
    layers: int = setting(8, help="hidden layers", ge=2, le=32)
    skip_at: int = setting(4, help="layer that sees code and point again", ge=1)
    weight_norm: bool = setting(True, help="weight norm on hidden layers")
    activation: Activation = setting("relu", help="of hidden layers: relu, or softplus100, softplus with beta 100")
    radius: float = setting(
        1.0,
        help="the field starts as a sphere of this radius, negative inside",
        gt=0,
        le=2,
        search=Search(0.25, 1.0),
    )
    code_std: float = setting(0.0, help="standard deviation of initial codes; large ones deform the first sphere", ge=0)
    code_weight: float = setting(4e-6, help="of the prior |z|^2", ge=0, search=Search(1e-6, 1e-2, log=True))

    @property
    def outputs(self) -> int:
        """Heads of the decoder."""
        return 1

    @model_validator(mode="after")
    def _decoder_can_be_built(self) -> SphereConfig:
        check_shape(self.latent_dim, self.hidden, self.layers, self.skip_at, self.outputs, 0.0, self.activation)
        if self.activation == "sine30":
            raise ValueError("activation sine30 has no start that is a sphere; choose softplus100 or relu")
        return self


class SignAgnostic(Autodecoder):
    """Codes, and a decoder whose first output starts as a sphere and is held against distances without signs."""

    def __init__(self, config: SphereConfig, shapes: int) -> None:
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
        super().__init__(decoder, shapes, config.code_std, config.code_weight, FieldTraits())

    def error(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """tau, elementwise."""
        return sign_agnostic_error(predicted, truth)


def share_inside(field: Tensor) -> Tensor:
    """The statistic `inside`: share of queries with a negative value (B, N), 0 for a field that became unsigned."""
    return (field.detach() < 0).float().mean()
