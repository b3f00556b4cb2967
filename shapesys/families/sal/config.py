"""Settings of SAL: the network, where it starts, the weights of its loss, and how an unseen shape is met."""

from __future__ import annotations

from pydantic import model_validator

from shapesys.config.base import Config, Search, setting
from shapesys.families.fields.codes import CodeSearch
from shapesys.nets.activations import Activation
from shapesys.nets.implicit_decoder import check_shape
from shapesys.samples.settings import UnsignedConfig


class SALConfig(Config):
    """The network and its loss."""

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
    saliency_weight: float = setting(
        0.0,
        help="lambda of ISSN's equation 1, on sign-agnostic errors; 0 builds no saliency head",
        ge=0,
        search=Search(1e-3, 1e-1, log=True),
    )

    @property
    def learns_saliency(self) -> bool:
        """Whether the decoder has a saliency head."""
        return self.saliency_weight > 0

    @property
    def outputs(self) -> int:
        """Heads of the decoder."""
        return 2 if self.learns_saliency else 1

    @model_validator(mode="after")
    def _decoder_can_be_built(self) -> SALConfig:
        check_shape(self.latent_dim, self.hidden, self.layers, self.skip_at, self.outputs, 0.0, self.activation)
        return self


class SALInference(CodeSearch):
    """Test-time optimisation of the latent code, the network frozen; and queries drawn around a user's own scan."""

    cloud_queries: int = setting(100_000, help="queries drawn around a point cloud", ge=100)
    cloud_neighbour: int = setting(50, help="k: half of them as wide as the distance to a point's k-th neighbour", ge=1)
    cloud_std: float = setting(0.2, help="standard deviation of the other half", ge=0)

    def of_cloud(self) -> UnsignedConfig:
        """The sampler of a point cloud."""
        return UnsignedConfig(count=self.cloud_queries, neighbour=self.cloud_neighbour, global_std=self.cloud_std)
