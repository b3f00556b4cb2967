"""The 2D U-Net against one that is written as usual: channels first, one operation after the other."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from shapesys.nets.unet2d import UNet2d


def usual(network: UNet2d, x: Tensor) -> Tensor:
    """(B, C, R, R) -> (B, C, R, R) with the network's weights."""
    weights = dict(network.named_parameters())

    def convolved(x: Tensor, name: str) -> Tensor:
        return F.relu(F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1))

    def pair(x: Tensor, name: str) -> Tensor:
        return convolved(convolved(x, f"{name}.first"), f"{name}.second")

    levels = len(network.down)
    kept = [pair(x, "down.0")]
    for level in range(1, levels):
        kept.append(pair(F.max_pool2d(kept[-1], 2), f"down.{level}"))
    x = kept.pop()
    for level in range(levels - 1):
        name = f"up.{level}"
        grown = F.conv_transpose2d(x, weights[f"{name}.grow.weight"], weights[f"{name}.grow.bias"], stride=2)
        x = pair(torch.cat([grown, kept.pop()], dim=1), f"{name}.pair")
    return F.conv2d(x, weights["out.weight"], weights["out.bias"])


@pytest.mark.parametrize(("channels", "depth", "filters"), [(3, 1, 4), (8, 2, 6), (4, 4, 8)])
def test_it_is_the_usual_one(channels: int, depth: int, filters: int) -> None:
    torch.manual_seed(0)
    network = UNet2d(channels, depth, filters).double()
    features = torch.randn(2, 16, 16, channels, dtype=torch.float64)
    expected = usual(network, features.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    torch.testing.assert_close(network(features), expected)


def test_the_published_size() -> None:
    assert sum(parameter.numel() for parameter in UNet2d().parameters()) == 1_934_976
