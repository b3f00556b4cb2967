"""The residual PointNet of Occupancy Networks (Mescheder et al., CVPR 2019): from a cloud to one code.

Between its blocks the maximum over the cloud is told to every point. It is the same for all points, and is multiplied
once per cloud.

Legend: B shapes, N points, C channels of the code.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from shapesys.nets.linear import PointLinear, in_full, linear
from shapesys.nets.residual_block import ResidualBlock


class GlobalPointNet(nn.Module):
    """6,825,472 parameters for the published 512 channels and hidden units, and 5 blocks.

    Args:
        channels: C.
        hidden: width of the blocks.
        blocks: residual blocks.
    """

    def __init__(self, channels: int = 512, hidden: int = 512, blocks: int = 5) -> None:
        super().__init__()
        self.positions = nn.Linear(3, 2 * hidden)
        self.blocks = nn.ModuleList(ResidualBlock(2 * hidden, hidden) for _ in range(blocks))
        self.code = PointLinear(hidden, channels)

    def forward(self, points: Tensor) -> Tensor:
        """Clouds (B, N, 3) -> codes (B, C), whatever the order of points."""
        first, *others = self.blocks
        features = first(in_full(self.positions, points))
        for block in others:
            features = _told(cast(ResidualBlock, block), features, features.amax(dim=1))
        code: Tensor = self.code(features.amax(dim=1).relu())
        return code


def _told(block: ResidualBlock, features: Tensor, of_cloud: Tensor) -> Tensor:
    """What a block makes of features (B, N, H) with those of their cloud (B, H) behind each of them."""
    assert block.shortcut is not None
    own, shared = block.first.weight.chunk(2, dim=1)
    hidden = linear(features.relu(), own) + F.linear(of_cloud.relu(), shared, block.first.bias).unsqueeze(1)
    own, shared = block.shortcut.weight.chunk(2, dim=1)
    kept = linear(features, own) + F.linear(of_cloud, shared).unsqueeze(1)
    change: Tensor = block.second(hidden.relu())
    return kept + change
