"""A convolution of 3 x 3 x 3 cells, by whichever of torch's paths is fast.

Of one grid that is small, torch's own convolution takes a path on CPUs without oneDNN, at an eighth to a half of its
speed. Slices along the first axis, each beside its two neighbours, are a batch of images, which has no such path.

Legend: B grids of D x H x W cells, C channels in, O out.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SMALL = 20_480
"""Torch leaves oneDNN out for a single grid with C x D x H no larger than this (ConvParams::use_mkldnn)."""


def convolve(x: Tensor, weight: Tensor) -> Tensor:
    """(B, C, D, H, W) by (O, C, 3, 3, 3) -> (B, O, D, H, W), with zeros around the grid."""
    grids, channels, depth, height, _ = x.shape
    if x.is_cpu and grids == 1 and channels * depth * height <= SMALL:
        return by_slices(x, weight)
    return F.conv3d(x, weight, padding=1)


def by_slices(x: Tensor, weight: Tensor) -> Tensor:
    """The same as a convolution of images, with channels last in memory."""
    grids, channels, depth, height, width = x.shape
    between = F.pad(x.permute(0, 2, 3, 4, 1), (0, 0, 0, 0, 0, 0, 1, 1))
    beside = torch.cat([between[:, start : start + depth] for start in range(3)], dim=-1)
    images = beside.reshape(grids * depth, height, width, 3 * channels).permute(0, 3, 1, 2)
    kernel = weight.transpose(1, 2).reshape(len(weight), 3 * channels, 3, 3)
    out = F.conv2d(images, kernel, padding=1)
    return out.permute(0, 2, 3, 1).reshape(grids, depth, height, width, len(weight)).permute(0, 4, 1, 2, 3)
