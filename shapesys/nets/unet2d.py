"""The 2D U-Net of Convolutional Occupancy Networks, shared by all planes (Ronneberger et al., MICCAI 2015).

Pairs of 3 x 3 convolutions with relu, maxima of 2 x 2 on the way down, transposed convolutions on the way up, and what
was there before joined on. No normalisation. Channels run fastest in memory throughout, which is how features of cells
lie in their table, and twice as fast on CPUs.

Legend: B images of R x R cells, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class UNet2d(nn.Module):
    """1,934,976 parameters for 32 channels in and out, depth 4 and 32 filters.

    Args:
        channels: C in and out.
        depth: levels; the lowest has R / 2^(depth - 1) cells along a side.
        filters: of the first level; each further one has twice as many.
    """

    def __init__(self, channels: int = 32, depth: int = 4, filters: int = 32) -> None:
        super().__init__()
        widths = [filters * 2**level for level in range(depth)]
        above = [channels, *widths]
        self.down = nn.ModuleList(_Pair(inputs, width) for inputs, width in zip(above, widths, strict=False))
        self.up = nn.ModuleList(_Up(below, width) for below, width in zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.out = nn.Conv2d(filters, channels, 1)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.xavier_normal_(part.weight)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)

    def forward(self, features: Tensor) -> Tensor:
        """(B, R, R, C) -> (B, R, R, C)."""
        x = features.permute(0, 3, 1, 2)
        kept: list[Tensor] = []
        for level, pair in enumerate(self.down):
            x = pair(F.max_pool2d(x, 2) if level else x)
            kept.append(x)
        for up, before in zip(self.up, kept[-2::-1], strict=True):
            x = up(x, before)
        out: Tensor = self.out(x)
        return out.permute(0, 2, 3, 1)


class _Pair(nn.Module):
    """Two convolutions, each with a relu."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.second(torch.relu(self.first(x))))


class _Up(nn.Module):
    """Twice as many cells along a side, joined to what was there on the way down."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.grow = nn.ConvTranspose2d(inputs, outputs, 2, stride=2)
        self.pair = _Pair(2 * outputs, outputs)

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        grown: Tensor = self.pair(torch.cat([self.grow(x), before], dim=1))
        return grown
