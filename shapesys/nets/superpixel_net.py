"""Per-pixel features for superpixels: the convolutional network of SSN (Jampani et al., ECCV 2018).

Legend: B images of h x w pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shapesys.nets.batch_norm import BatchNorm
from shapesys.nets.pixel_grid import PixelGrid

INPUTS = 5
"""Colour L, a, b and position x, y."""
SCALES = 3
SMALLEST_IMAGE = 4
"""Pixels a side that two poolings leave something of."""


class SuperpixelNet(nn.Module):
    """Three scales of two convolutions each, joined at full resolution; the input passes through to the output.

    conv-norm-ReLU twice at each scale, max pooling between scales; the two lower scales are enlarged, and with the
    input and the first scale they give the learned features by one more convolution and ReLU.

    Args:
        width: channels of every hidden convolution (64 as published).
        learned: features learned beside the input (15 as published).
        initial_std: of all weights; as published, the learned features start near zero beside the five that pass
            through.

    Raises:
        ValueError: a width below one.
    """

    def __init__(self, width: int = 64, learned: int = 15, initial_std: float = 1e-3) -> None:
        super().__init__()
        if min(width, learned) < 1:
            raise ValueError(f"width {width} and learned {learned} must be at least 1")
        self.features = INPUTS + learned
        self.scales = nn.ModuleList(
            nn.Sequential(*_convolution(INPUTS if scale == 0 else width, width), *_convolution(width, width))
            for scale in range(SCALES)
        )
        self.head = nn.Conv2d(INPUTS + SCALES * width, learned, 3, padding=1)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.normal_(part.weight, std=initial_std)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 5, h, w) colour and position -> (B, 5 + learned, h, w), the input last.

        Raises:
            ValueError: another number of channels, or an image too small to pool twice.
        """
        if pixels.ndim != 4 or pixels.shape[1] != INPUTS or min(pixels.shape[2:]) < SMALLEST_IMAGE:
            raise ValueError(
                f"pixels have shape {tuple(pixels.shape)}; expected (B, {INPUTS}, h, w), h and w >= {SMALLEST_IMAGE}"
            )
        found, hidden = [pixels], pixels
        for number, scale in enumerate(self.scales):
            hidden = scale(hidden if number == 0 else F.max_pool2d(hidden, 3, stride=2, padding=1))
            found.append(_enlarged(hidden, pixels))
        return torch.cat([F.relu(self.head(torch.cat(found, dim=1))), pixels], dim=1)


def pixel_inputs(lab: Tensor, grid: PixelGrid, color_scale: float, position_scale: float) -> Tensor:
    """(B, 3, h, w) Lab colour -> (B, 5, h, w): colour and position (x, y in pixels), each times its scale."""
    position = pixel_positions(grid, lab) * position_scale
    return torch.cat([lab * color_scale, position.expand(len(lab), -1, -1, -1)], dim=1)


def pixel_positions(grid: PixelGrid, like: Tensor) -> Tensor:
    """(1, 2, h, w): x and y of every pixel, in pixels."""
    y = torch.arange(grid.height, device=like.device, dtype=like.dtype)
    x = torch.arange(grid.width, device=like.device, dtype=like.dtype)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"))[None]


def _convolution(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    # Without bias: the norm takes every constant away again.
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), BatchNorm(outputs, axis=1), nn.ReLU()


def _enlarged(hidden: Tensor, pixels: Tensor) -> Tensor:
    if hidden.shape[2:] == pixels.shape[2:]:
        return hidden
    return F.interpolate(hidden, size=pixels.shape[2:], mode="bilinear", align_corners=False)
