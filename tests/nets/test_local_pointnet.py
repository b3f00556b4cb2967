"""The local-pooled PointNet against its definition, point by point and cell by cell."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from shapesys.nets.feature_maps import FeatureSpace, grid_map, plane_maps
from shapesys.nets.local_pointnet import LocalPointNet, Pooling
from shapesys.nets.residual_block import ResidualBlock

SIDE = 1.1


def block_of(block: ResidualBlock, x: Tensor) -> Tensor:
    change = F.linear(F.linear(x.relu(), block.first.weight, block.first.bias).relu(), block.second.weight)
    assert block.shortcut is not None
    return F.linear(x, block.shortcut.weight) + change + block.second.bias


def usual(network: LocalPointNet, cloud: Tensor, space: FeatureSpace) -> list[Tensor]:
    """(cells, C) of every map, of one cloud (N, 3)."""
    pool = {"max": lambda rows: rows.amax(dim=0), "mean": lambda rows: rows.mean(dim=0)}[network.pooling]
    owners = [one.cell(cloud, space.side) for one in space.maps]
    first, *others = network.blocks
    x = block_of(first, F.linear(space.positions(cloud), network.positions.weight, network.positions.bias))
    for block in others:
        told = sum(torch.stack([pool(x[cells == own]) for own in cells]) for cells in owners)
        x = block_of(block, torch.cat([x, told], dim=1))
    x = F.linear(x, network.features.weight, network.features.bias)
    found = []
    for one, cells in zip(space.maps, owners, strict=True):
        table = x.new_zeros(one.cells, x.shape[1])
        for cell in cells.unique():
            table[cell] = x[cells == cell].mean(dim=0)
        found.append(table)
    return found


@pytest.mark.parametrize("pooling", ["max", "mean"])
@pytest.mark.parametrize(
    "space",
    [
        FeatureSpace(plane_maps(4), SIDE),
        FeatureSpace((grid_map(3),), SIDE, in_cells=3),
        FeatureSpace((*plane_maps(4), grid_map(3)), SIDE),
    ],
)
def test_points_of_a_cell_tell_each_other_what_they_know(pooling: Pooling, space: FeatureSpace) -> None:
    torch.manual_seed(0)
    network = LocalPointNet(channels=5, hidden=6, blocks=3, pooling=pooling).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    clouds = torch.rand(2, 60, 3, dtype=torch.float64) - 0.5
    found = network(clouds, space, space.cells_of(clouds))
    for row, cloud in enumerate(clouds):
        for ours, expected in zip(found, usual(network, cloud, space), strict=True):
            torch.testing.assert_close(ours[row], expected)


def test_the_published_size() -> None:
    assert sum(parameter.numel() for parameter in LocalPointNet().parameters()) == 27_232
