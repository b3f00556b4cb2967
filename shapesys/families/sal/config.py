"""Settings of SAL: the network, where it starts, the weights of its loss, and how an unseen shape is met."""

from __future__ import annotations

from shapesys.config.base import Search, setting
from shapesys.families.fields.codes import CodeSearch
from shapesys.families.fields.sign_agnostic import SphereConfig
from shapesys.samples.settings import UnsignedConfig


class SALConfig(SphereConfig):
    """The network and its loss."""

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


class SALInference(CodeSearch):
    """Test-time optimisation of the latent code, the network frozen; and queries drawn around a user's own scan."""

    cloud_queries: int = setting(100_000, help="queries drawn around a point cloud", ge=100)
    cloud_neighbour: int = setting(50, help="k: half of them as wide as the distance to a point's k-th neighbour", ge=1)
    cloud_std: float = setting(0.2, help="standard deviation of the other half", ge=0)

    def of_cloud(self) -> UnsignedConfig:
        """The sampler of a point cloud."""
        return UnsignedConfig(count=self.cloud_queries, neighbour=self.cloud_neighbour, global_std=self.cloud_std)
