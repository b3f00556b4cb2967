"""The encoder against its plain form: every block told the cloud's maximum by concatenation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from shapesys.nets.global_pointnet import GlobalPointNet


def made(channels: int = 6, hidden: int = 8, blocks: int = 4) -> GlobalPointNet:
    """With every weight away from zero."""
    torch.manual_seed(0)
    encoder = GlobalPointNet(channels, hidden, blocks).double()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return encoder


def plain(encoder: GlobalPointNet, points: Tensor) -> Tensor:
    """As published: a block sees its points' features, and those of their cloud, side by side."""
    features = encoder.positions(points)
    for number, block in enumerate(encoder.blocks):
        if number:
            pooled = features.amax(dim=1, keepdim=True).expand_as(features)
            features = torch.cat([features, pooled], dim=2)
        features = block(features)
    return encoder.code(features.amax(dim=1).relu())


@pytest.mark.parametrize("blocks", [1, 4])
def test_it_is_the_published_network_with_gradients(blocks: int) -> None:
    encoder, points = made(blocks=blocks), torch.rand(3, 40, 3, dtype=torch.float64)
    expected, found = plain(encoder, points), encoder(points)
    torch.testing.assert_close(found, expected)
    parameters = list(encoder.parameters())
    wanted = torch.autograd.grad(expected.square().sum(), parameters)
    got = torch.autograd.grad(found.square().sum(), parameters)
    for ours, theirs in zip(got, wanted, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_published_size() -> None:
    """From the definitions of the released `ResnetPointnet` with hidden_dim 512 and c_dim 512: one layer of positions,
    five blocks of two layers and a shortcut without bias, and the layer of the code."""
    hidden = 512
    positions = 3 * 2 * hidden + 2 * hidden
    block = (2 * hidden * hidden + hidden) + (hidden * hidden + hidden) + 2 * hidden * hidden
    code = hidden * 512 + 512
    assert positions + 5 * block + code == 6_825_472
    assert sum(parameter.numel() for parameter in GlobalPointNet().parameters()) == 6_825_472


def test_blocks_start_as_their_shortcuts() -> None:
    torch.manual_seed(0)
    encoder = GlobalPointNet(4, 8, 2)
    points = torch.rand(2, 10, 3)
    features = encoder.positions(points)
    for number, block in enumerate(encoder.blocks):
        pooled = features.amax(dim=1, keepdim=True).expand_as(features)
        told = torch.cat([features, pooled], dim=2) if number else features
        features = nn.functional.linear(told, block.shortcut.weight) + block.second.bias
    torch.testing.assert_close(encoder(points), encoder.code(features.amax(dim=1).relu()))


def test_neither_order_nor_repetition_nor_neighbours_matter() -> None:
    encoder, points = made(), torch.rand(3, 40, 3, dtype=torch.float64)
    together = encoder(points)
    torch.testing.assert_close(encoder(points[:, torch.randperm(40)]), together)
    torch.testing.assert_close(encoder(torch.cat([points, points[:, :7]], dim=1)), together)
    torch.testing.assert_close(encoder(points[1:2]), together[1:2])


def test_positions_keep_their_digits_under_autocast() -> None:
    encoder, points = made().float(), torch.rand(3, 40, 3)
    with torch.autocast("cpu", torch.bfloat16):
        reduced = encoder(points)
    torch.testing.assert_close(reduced.float(), encoder(points), rtol=0.05, atol=0.05)
