"""Settings of SAL: the network, where it starts, its loss, and how an unseen shape is met."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from shapesys.config.base import Search, setting
from shapesys.families.fields.codes import CodeSearch
from shapesys.families.fields.sign_agnostic import EncoderConfig
from shapesys.nets.read_out import ReadOut
from shapesys.samples.settings import UnsignedConfig

Loss = Literal["l2", "l0", "plain_l1", "plain_l2"]
PLAIN = ("plain_l1", "plain_l2")
"""Losses that are least for the unsigned distance itself."""


class SALConfig(EncoderConfig):
    """The network and its loss."""

    loss: Loss = setting(
        "l2",
        help="l2: ||f| - h| of the Euclidean distance h; l0: of h = 0 on the surface and 1 off it; plain_l1 and "
        "plain_l2, |f - h| and its square, are an ablation that learns no inside",
    )
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

    @property
    def read_out(self) -> ReadOut:
        """What becomes of the first head: as released for each loss."""
        return "tanh_plus" if self.loss == "l0" else "plain"

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the view ``udf`` beside points and distances."""
        return ("surface",) if self.loss == "l0" or self.encoder else ()

    @model_validator(mode="after")
    def _saliency_has_errors_to_weigh(self) -> SALConfig:
        if self.learns_saliency and self.loss != "l2":
            raise ValueError(f"saliency weighs the errors of loss l2; set saliency_weight to 0 for loss {self.loss}")
        return self


class SALInference(CodeSearch):
    """Test-time optimisation of the latent code, the network frozen; and queries drawn around a user's own scan."""

    cloud_queries: int = setting(100_000, help="queries drawn around a point cloud", ge=100)
    cloud_neighbour: int = setting(
        50, help="k: half of those around a scan are as wide as the distance to a point's k-th neighbour", ge=1
    )
    cloud_std: float = setting(0.2, help="standard deviation of the other half", ge=0)

    def sampler(self) -> UnsignedConfig:
        """Of a scan's points, and of a mesh."""
        return UnsignedConfig(count=self.cloud_queries, neighbour=self.cloud_neighbour, global_std=self.cloud_std)
