"""The local-pooled PointNet of Convolutional Occupancy Networks: points tell each other what is in their cell.

After each of the first blocks every point learns the maximum over the points that share its cell, on each plane or in
the grid; maxima of several maps are added up. At the end, the features of a cell are the mean over its points.

Legend: B shapes, N points, T cells of all maps, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from shapesys.nets.feature_maps import FeatureSpace
from shapesys.nets.linear import PointLinear, in_full
from shapesys.nets.residual_block import ResidualBlock
from shapesys.nets.scatter import Cells, cell_maxima, cell_means

Pooling = Literal["max", "mean"]


class LocalPointNet(nn.Module):
    """27,232 parameters for the published 32 channels throughout, and 5 blocks.

    Args:
        channels: C of the features.
        hidden: width of the blocks.
        blocks: residual blocks.
        pooling: over the points of a cell, between blocks.
    """

    def __init__(self, channels: int = 32, hidden: int = 32, blocks: int = 5, pooling: Pooling = "max") -> None:
        super().__init__()
        self.pooling = pooling
        self.positions = nn.Linear(3, 2 * hidden)
        self.blocks = nn.ModuleList(ResidualBlock(2 * hidden, hidden) for _ in range(blocks))
        self.features = PointLinear(hidden, channels)

    def forward(self, points: Tensor, space: FeatureSpace, cells: Sequence[Cells]) -> list[Tensor]:
        """Points (B, N, 3) -> (B, cells, C) of every map of the space, zero where there is no point.

        Args:
            cells: of the points, see `FeatureSpace.cells_of`; the same for every call with the same points.
        """
        batch = len(points)
        first, *others = self.blocks
        features = first(in_full(self.positions, space.positions(points)).flatten(0, 1))
        for block in others:
            features = block(torch.cat([features, self._around(features, cells)], dim=1))
        features = self.features(features)
        return [
            _on_map(cell_means(features, one), one, batch * layout.cells).view(batch, layout.cells, -1)
            for layout, one in zip(space.maps, cells, strict=True)
        ]

    def _around(self, features: Tensor, cells: Sequence[Cells]) -> Tensor:
        """(B N, hidden) what each point's cells know, added over maps."""
        if self.pooling == "max":
            return torch.stack([cell_maxima(features, one) for one in cells]).sum(dim=0)
        return torch.stack([cell_means(features, one)[one.rows] for one in cells]).sum(dim=0)


def _on_map(features: Tensor, cells: Cells, size: int) -> Tensor:
    """(size, C) the features (K, C) of a table where its cells are on the map."""
    if cells.places is None:
        return features
    return features.new_zeros(size, features.shape[1]).index_copy(0, cells.places, features)
