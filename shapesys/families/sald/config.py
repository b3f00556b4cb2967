"""Settings of SALD: the network, where it starts, the weights of its loss, and how an unseen shape is met."""

from __future__ import annotations

from pydantic import model_validator

from shapesys.config.base import Config, Search, setting
from shapesys.families.sal.config import SALInference
from shapesys.nets.activations import Activation
from shapesys.nets.implicit_decoder import check_shape


class SALDConfig(Config):
    """The network and its loss."""

    latent_dim: int = setting(256, help="dimensions of a latent code", ge=1, search=Search(16, 64, log=True))
    hidden: int = setting(512, help="width of the trunk", ge=8, search=Search(choices=(128, 256, 512)))
    layers: int = setting(8, help="hidden layers", ge=2, le=32)
    skip_at: int = setting(4, help="layer that sees code and point again", ge=1)
    weight_norm: bool = setting(True, help="weight norm on hidden layers")
    activation: Activation = setting(
        "softplus100",
        help="of hidden layers: softplus100, softplus with beta 100, whose derivative is continuous; or relu",
    )
    radius: float = setting(
        1.0, help="the field starts as a sphere of this radius, negative inside", gt=0, le=2, search=Search(0.25, 1.0)
    )
    code_std: float = setting(0.0, help="standard deviation of initial codes; large ones deform the first sphere", ge=0)
    code_weight: float = setting(4e-6, help="of the prior |z|^2", ge=0, search=Search(1e-6, 1e-2, log=True))
    derivative_weight: float = setting(
        1.0,
        help="of the error of derivatives, beside that of distances; 0: SAL on the same network",
        ge=0,
        search=Search(1e-2, 1.0, log=True),
    )

    @model_validator(mode="after")
    def _decoder_can_be_built(self) -> SALDConfig:
        check_shape(self.latent_dim, self.hidden, self.layers, self.skip_at, 1, 0.0, self.activation)
        if self.activation == "sine30":
            raise ValueError("activation sine30 has no start that is a sphere; choose softplus100 or relu")
        return self


class SALDInference(SALInference):
    """Test-time optimisation of the latent code, the network frozen; and queries drawn around a user's own scan."""

    derivative_weight: float = setting(
        0.1, help="of the error of derivatives while codes are optimised; the released code lowers it for that", ge=0
    )
