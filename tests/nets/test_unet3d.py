"""The 3D U-Net against one that is written as usual: channels first, one operation after the other."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from shapesys.nets.unet3d import UNet3d, without_groups


def usual(network: UNet3d, x: Tensor) -> Tensor:
    """(B, C, R, R, R) -> (B, C, R, R, R) with the network's weights."""
    weights = dict(network.named_parameters())

    def step(x: Tensor, name: str) -> Tensor:
        groups = 8 if x.shape[1] >= 8 else 1
        normed = F.group_norm(x, groups, weights[f"{name}.norm.weight"], weights[f"{name}.norm.bias"])
        return F.relu(F.conv3d(normed, weights[f"{name}.convolution.weight"], padding=1))

    def pair(x: Tensor, name: str) -> Tensor:
        return step(step(x, f"{name}.first"), f"{name}.second")

    levels = len(network.down)
    kept = [pair(x, "down.0")]
    for level in range(1, levels):
        kept.append(pair(F.max_pool3d(kept[-1], 2), f"down.{level}"))
    x = kept.pop()
    for level in range(levels - 1):
        grown = x.repeat_interleave(2, 2).repeat_interleave(2, 3).repeat_interleave(2, 4)
        x = pair(torch.cat([kept.pop(), grown], dim=1), f"up.{level}")
    return F.conv3d(x, weights["out.weight"][..., None, None, None], weights["out.bias"])


@pytest.mark.parametrize(("channels", "levels", "filters"), [(4, 1, 4), (8, 2, 16), (16, 3, 8)])
def test_it_is_the_usual_one(channels: int, levels: int, filters: int) -> None:
    torch.manual_seed(0)
    network = UNet3d(channels, levels, filters).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    features = torch.randn(2, 8, 8, 8, channels, dtype=torch.float64)
    expected = usual(network, features.permute(0, 4, 1, 2, 3)).permute(0, 2, 3, 4, 1)
    torch.testing.assert_close(network(features), expected)


def test_the_published_size() -> None:
    assert sum(parameter.numel() for parameter in UNet3d().parameters()) == 4_123_424


@pytest.mark.parametrize("channels", [4, 12, 16, 20])
@pytest.mark.parametrize("filters", [6, 8, 12, 40])
def test_widths_that_do_not_fall_into_groups_are_known_beforehand(channels: int, filters: int) -> None:
    odd = without_groups(channels, 2, filters)
    if odd is None:
        UNet3d(channels, 2, filters)
    else:
        with pytest.raises(ValueError, match=rf"\({odd}\) must be divisible"):
            UNet3d(channels, 2, filters)
