"""The decoder of Convolutional Occupancy Networks: a query's position, and at every block the features read there.

Legend: B shapes, N queries, C channels of features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from shapesys.nets.linear import PointLinear, in_full
from shapesys.nets.residual_block import ResidualBlock


class LocalDecoder(nn.Module):
    """16,001 parameters for the published 32 channels, 32 hidden units and 5 blocks.

    Args:
        channels: C.
        hidden: width of the blocks.
        blocks: residual blocks.
    """

    def __init__(self, channels: int = 32, hidden: int = 32, blocks: int = 5) -> None:
        super().__init__()
        self.position = nn.Linear(3, hidden)
        self.features = PointLinear(channels, blocks * hidden)
        self.blocks = nn.ModuleList(ResidualBlock(hidden, hidden) for _ in range(blocks))
        self.out = PointLinear(hidden, 1)

    def forward(self, queries: Tensor, features: Tensor) -> Tensor:
        """Queries (B, N, 3) and the features (B, N, C) there -> logits (B, N) of being inside."""
        x = in_full(self.position, queries)
        # One product for what all blocks add.
        for block, added in zip(self.blocks, self.features(features).chunk(len(self.blocks), dim=-1), strict=True):
            x = block(x + added)
        logits: Tensor = self.out(torch.relu(x))
        return logits.squeeze(-1)

    @torch.no_grad()
    def shift(self, by: float) -> None:
        """Add to all logits from now on."""
        assert self.out.bias is not None
        self.out.bias.add_(by)
