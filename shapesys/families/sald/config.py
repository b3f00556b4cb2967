"""Settings of SALD: the network, where it starts, the weights of its loss, and how an unseen shape is met."""

from __future__ import annotations

from shapesys.config.base import Search, setting
from shapesys.families.fields.sign_agnostic import EncoderConfig
from shapesys.families.sal.config import SALInference
from shapesys.nets.activations import Activation


class SALDConfig(EncoderConfig):
    """The network and its loss."""

    activation: Activation = setting(
        "softplus100",
        help="of hidden layers: softplus100, softplus with beta 100, whose derivative is continuous; or relu",
    )
    derivative_weight: float = setting(
        1.0,
        help="of the error of derivatives, beside that of distances; 0: SAL on the same network",
        ge=0,
        search=Search(1e-2, 1.0, log=True),
    )


class SALDInference(SALInference):
    """Test-time optimisation of the latent code, the network frozen; and queries drawn around a user's own scan."""

    derivative_weight: float = setting(
        0.1, help="of the error of derivatives while codes are optimised; the released code lowers it for that", ge=0
    )
