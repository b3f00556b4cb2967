"""The decoder against its definition, block by block."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from shapesys.nets.local_decoder import LocalDecoder


def made() -> LocalDecoder:
    torch.manual_seed(0)
    network = LocalDecoder(channels=6, hidden=8, blocks=3).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return network


def test_every_block_adds_what_is_read_there() -> None:
    network = made()
    queries, features = torch.randn(2, 5, 3, dtype=torch.float64), torch.randn(2, 5, 6, dtype=torch.float64)
    x = F.linear(queries, network.position.weight, network.position.bias)
    for number, block in enumerate(network.blocks):
        rows = slice(8 * number, 8 * (number + 1))
        x = x + F.linear(features, network.features.weight[rows], network.features.bias[rows])
        between = F.linear(x.relu(), block.first.weight, block.first.bias)
        x = x + F.linear(between.relu(), block.second.weight, block.second.bias)
    expected = F.linear(x.relu(), network.out.weight, network.out.bias).squeeze(-1)
    torch.testing.assert_close(network(queries, features), expected)


def test_a_shift_is_added_to_all_logits() -> None:
    network = made()
    queries, features = torch.randn(1, 4, 3, dtype=torch.float64), torch.randn(1, 4, 6, dtype=torch.float64)
    before = network(queries, features)
    network.shift(1.5)
    torch.testing.assert_close(network(queries, features), before + 1.5)


def test_the_published_size() -> None:
    assert sum(parameter.numel() for parameter in LocalDecoder().parameters()) == 16_001
