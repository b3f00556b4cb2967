"""SAL's encoder of raw point clouds: a posterior of the latent code, from positions alone.

The simple PointNet of Occupancy Networks (Mescheder et al., CVPR 2019), as `SimplePointnet_VAE` of SAL's released code
has it: after each of three blocks the cloud's maximum is told to every point.

Legend: B shapes, N points, D latent dimensions, W width.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shapesys.nets.linear import PointLinear, linear

BLOCKS = 4
_FIRST_LOG_STD = -10.0


class Posterior(NamedTuple):
    """A Gaussian for every shape: its mean (B, D) and the logarithm (B, D) of its standard deviation."""

    mean: Tensor
    log_std: Tensor

    def draw(self, noise: Tensor) -> Tensor:
        """(B, D) a code of every shape, from standard normal noise (B, D)."""
        return self.mean + self.log_std.exp() * noise

    def size(self) -> Tensor:
        """SAL's regulariser, which is not the divergence from a standard normal: mean |mu| + mean |log sigma + 1|."""
        return self.mean.abs().mean() + (self.log_std + 1.0).abs().mean()


class PointEncoder(nn.Module):
    """2,365,952 parameters for 256 latent dimensions and the released width of 512.

    It starts as the same narrow posterior around 0 for every cloud: the heads' weights are zero.

    Args:
        latent_dim: D.
        width: W of the features; twice the latent dimensions as released.
    """

    def __init__(self, latent_dim: int, width: int) -> None:
        super().__init__()
        self.positions = nn.Linear(3, 2 * width)
        self.blocks = nn.ModuleList(PointLinear(2 * width, width) for _ in range(BLOCKS))
        self.mean = nn.Linear(width, latent_dim)
        self.log_std = nn.Linear(width, latent_dim)
        for head, bias in ((self.mean, 0.0), (self.log_std, _FIRST_LOG_STD)):
            nn.init.zeros_(head.weight)
            nn.init.constant_(head.bias, bias)

    def forward(self, points: Tensor) -> Posterior:
        """The posteriors of clouds (B, N, 3), whatever the order of their points.

        Half of every block's input is its cloud's maximum, the same for all points: it is multiplied once per cloud.
        """
        first, *others = self.blocks
        features = first(self._positions(points).relu())
        for block in others:
            features = features.relu()
            own, of_cloud = cast(Tensor, block.weight).chunk(2, dim=1)
            shared = F.linear(features.amax(dim=1), of_cloud, cast(Tensor, block.bias))
            features = linear(features, own) + shared.unsqueeze(1)
        # Occupancy Networks and SAL activate once more behind the last maximum.
        pooled = features.amax(dim=1).relu()
        with torch.autocast(pooled.device.type, enabled=False):
            pooled = pooled.to(self.mean.weight.dtype)
            return Posterior(self.mean(pooled), self.log_std(pooled))

    def _positions(self, points: Tensor) -> Tensor:
        """(B, N, 2 W) in full precision, since coordinates need their digits."""
        with torch.autocast(points.device.type, enabled=False):
            return cast(Tensor, self.positions(points.to(self.positions.weight.dtype)))
