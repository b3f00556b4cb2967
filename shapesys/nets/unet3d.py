"""The 3D U-Net of Convolutional Occupancy Networks (Çiçek et al., MICCAI 2016).

Pairs of group norm, 3 x 3 x 3 convolution and relu; maxima of 2 x 2 x 2 on the way down, nearest neighbours on the way
up, and what was there before joined on. Channels run fastest in memory throughout, which is how features of cells lie
in their table, and up to twice as fast on CPUs.

Its cells see 2^(levels + 2) cells around them at most, but for the group norms, whose statistics are of all cells.

Legend: B grids of R x R x R cells, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shapesys.nets.convolution3d import convolve
from shapesys.nets.linear import PointLinear

GROUPS = 8


class UNet3d(nn.Module):
    """4,123,424 parameters for 32 channels in and out, 4 levels and 32 filters.

    Args:
        channels: C in and out.
        levels: the lowest has R / 2^(levels - 1) cells along a side.
        filters: of the first level; each further one has twice as many.

    Attributes:
        batched: many networks are computed as one by torch's `vmap`, which cannot normalise with channels last.
    """

    def __init__(self, channels: int = 32, levels: int = 4, filters: int = 32) -> None:
        super().__init__()
        down, up = _pairs(channels, levels, filters)
        self.down = nn.ModuleList(_Pair(*widths) for widths in down)
        self.up = nn.ModuleList(_Pair(*widths) for widths in up)
        self.out = PointLinear(filters, channels)
        self.batched = False

    def forward(self, features: Tensor) -> Tensor:
        """(B, R, R, R, C) -> (B, R, R, R, C)."""
        x = features.permute(0, 4, 1, 2, 3)
        x = x.contiguous() if self.batched else x
        kept: list[Tensor] = []
        for level, pair in enumerate(self.down):
            x = pair(F.max_pool3d(x, 2) if level else x)
            kept.append(x)
        for pair, before in zip(self.up, kept[-2::-1], strict=True):
            x = pair(torch.cat([before, F.interpolate(x, scale_factor=2, mode="nearest")], dim=1))
        # A convolution of one cell, for which torch has no fast path with channels last.
        out: Tensor = self.out(x.permute(0, 2, 3, 4, 1))
        return out


Widths = tuple[int, int, int]
"""Channels before, between and after a pair of convolutions."""


def _pairs(channels: int, levels: int, filters: int) -> tuple[list[Widths], list[Widths]]:
    """On the way down and on the way up."""
    widths = [filters * 2**level for level in range(levels)]
    down = [
        (inputs, max(inputs, width // 2), width) for inputs, width in zip([channels, *widths], widths, strict=False)
    ]
    up = [(below + width, width, width) for below, width in zip(widths[:0:-1], widths[-2::-1], strict=True)]
    return down, up


def without_groups(channels: int, levels: int, filters: int) -> int | None:
    """A number of channels which a network of these would have to normalise in groups, and cannot; None without."""
    down, up = _pairs(channels, levels, filters)
    normed = [width for before, between, _ in (*down, *up) for width in (before, between)]
    return next((width for width in normed if width > GROUPS and width % GROUPS), None)


class _Pair(nn.Module):
    """Two convolutions without bias, each behind a group norm and before a relu."""

    def __init__(self, inputs: int, between: int, outputs: int) -> None:
        super().__init__()
        self.first = _Step(inputs, between)
        self.second = _Step(between, outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.second(self.first(x))
        return out


class _Step(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS if inputs >= GROUPS else 1, inputs)
        self.convolution = nn.Conv3d(inputs, outputs, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(convolve(self.norm(x), self.convolution.weight))
