"""Settings of IGR: the network, where it starts, the weights of its loss, and how an unseen shape is met."""

from __future__ import annotations

from shapesys.config.base import Search, setting
from shapesys.families.fields.codes import CodeSearch
from shapesys.families.fields.sign_agnostic import SphereConfig
from shapesys.nets.activations import Activation
from shapesys.samples.settings import UnsignedConfig


class IGRConfig(SphereConfig):
    """The network and its loss."""

    weight_norm: bool = setting(False, help="weight norm on hidden layers")
    activation: Activation = setting(
        "softplus100",
        help="of hidden layers: softplus100, softplus with beta 100, whose derivative is continuous; or relu",
    )
    normal_weight: float = setting(
        1.0,
        help="of |grad f - n| at surface points with outward normals n; 0 needs no normals",
        ge=0,
        search=Search(1e-1, 1e1, log=True),
    )
    eikonal_weight: float = setting(
        0.1, help="of (|grad f| - 1)^2 off the surface", ge=0, search=Search(1e-2, 1.0, log=True)
    )
    near_std: float | None = setting(
        None,
        help="standard deviation of points near the surface about points on it; none: of each, its distance to its "
        "k-th neighbour, as prepared",
        gt=0,
    )
    box: float = setting(1.8, help="an eighth as many points are uniform in [-box, box]^3", gt=0)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the view ``udf`` beside surface points."""
        spread = () if self.near_std else ("spread",)
        return (*spread, "normals") if self.normal_weight else spread


class IGRInference(CodeSearch):
    """Test-time optimisation of the latent code, the network frozen; and what is seen of a user's own scan."""

    cloud_neighbour: int = setting(
        50, help="k: where near_std is none, points near a scan are as far as their k-th neighbour", ge=1
    )

    def sampler(self) -> UnsignedConfig:
        """Of a scan's points, and of a mesh."""
        return UnsignedConfig(neighbour=self.cloud_neighbour)
