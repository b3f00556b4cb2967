"""Settings of ISSN: the network, equations 1 and 2, and how an unseen shape is met."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from shapesys.config.base import Config, Search, setting
from shapesys.families.fields.codes import CodeSearch
from shapesys.families.fields.saliency import saliency_warnings
from shapesys.nets.implicit_decoder import check_shape

ClampGradient = Literal["published", "pull_back"]


class ISSNConfig(Config):
    """The network and equations 1 and 2."""

    latent_dim: int = setting(256, help="dimensions of a latent code", ge=1, search=Search(16, 64, log=True))
    hidden: int = setting(512, help="width of the trunk", ge=8, search=Search(choices=(128, 256, 512)))
    layers: int = setting(8, help="hidden layers", ge=2, le=32)
    skip_at: int = setting(4, help="layer that sees code and point again", ge=1)
    dropout: float = setting(0.2, help="dropout of hidden units", ge=0, lt=1, search=Search(0.0, 0.3))
    weight_norm: bool = setting(True, help="weight norm on hidden layers")
    saliency_weight: float = setting(
        1e-3, help="lambda of equation 1; 0 leaves DeepSDF, without saliency", ge=0, search=Search(1e-4, 1e-2, log=True)
    )
    code_weight: float = setting(0.1, help="beta of equation 1, on |z|^2", ge=0, search=Search(1e-4, 1.0, log=True))
    clamp: float = setting(0.1, help="delta of equation 2, in units of the unit sphere", gt=0, le=1)
    clamp_gradient: ClampGradient = setting(
        "pull_back",
        help="beyond the clamp: published = no gradient, so a network that starts there never leaves; pull_back = the "
        "same loss values, with the gradient of the unclamped prediction wherever the error is not zero",
    )

    @property
    def learns_saliency(self) -> bool:
        """Whether any term of the loss trains a saliency head; without, the decoder has none."""
        return self.saliency_weight > 0

    @property
    def outputs(self) -> int:
        """Of the decoder: signed distance, and saliency where it is learned."""
        return 2 if self.learns_saliency else 1

    @model_validator(mode="after")
    def _decoder_can_be_built(self) -> ISSNConfig:
        check_shape(self.latent_dim, self.hidden, self.layers, self.skip_at, self.outputs, self.dropout, "relu")
        return self


class ISSNInference(CodeSearch):
    """Test-time optimisation of the latent code, the network frozen."""

    cloud_queries: int = setting(100_000, help="queries drawn around a point cloud", ge=100)
    cloud_stds: tuple[float, ...] = setting((0.0707, 0.0224), help="standard deviations of cloud perturbations")


def warnings(config: ISSNConfig) -> list[str]:
    """Values of lambda that appendix A.1 reports to fail."""
    if config.saliency_weight == 0:
        return ["saliency_weight = 0 leaves DeepSDF: the network will predict no saliency"]
    return saliency_warnings(config.saliency_weight)
