"""The encoder of Convolutional Occupancy Networks: from points to features everywhere in a cube.

Legend: B shapes, N points, T cells of all maps, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from shapesys.nets.feature_maps import FeatureSpace
from shapesys.nets.local_pointnet import LocalPointNet, Pooling
from shapesys.nets.scatter import Cells
from shapesys.nets.unet2d import UNet2d
from shapesys.nets.unet3d import UNet3d


class ConvEncoder(nn.Module):
    """A local-pooled PointNet, then one 2D U-Net for all planes and a 3D U-Net for the grid, of those that there are.

    Args:
        space: where features are.
        channels: C.
        hidden, blocks, pooling: as `LocalPointNet`.
        plane_depth, plane_filters: of the 2D U-Net.
        grid_levels, grid_filters: of the 3D U-Net.
    """

    def __init__(
        self,
        space: FeatureSpace,
        channels: int,
        hidden: int,
        blocks: int,
        pooling: Pooling,
        plane_depth: int,
        plane_filters: int,
        grid_levels: int,
        grid_filters: int,
    ) -> None:
        super().__init__()
        self.space = space
        self.points = LocalPointNet(channels, hidden, blocks, pooling)
        dimensions = {len(one.axes) for one in space.maps}
        self.planes = UNet2d(channels, plane_depth, plane_filters) if 2 in dimensions else None
        self.grid = UNet3d(channels, grid_levels, grid_filters) if 3 in dimensions else None

    def forward(self, points: Tensor, cells: Sequence[Cells] | None = None) -> Tensor:
        """The table (B, T, C) of features around clouds (B, N, 3).

        Args:
            cells: of the points where they are known already, see `FeatureSpace.cells_of`.
        """
        found = self.points(points, self.space, self.space.cells_of(points) if cells is None else cells)
        flat = [features for features, one in zip(found, self.space.maps, strict=True) if len(one.axes) == 2]
        solid = [features for features, one in zip(found, self.space.maps, strict=True) if len(one.axes) == 3]
        parts = [self._on_planes(flat)] if flat else []
        parts += [self._in_grid(features) for features in solid]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def set_batched(self, batched: bool) -> None:
        """Say whether many networks are computed as one by torch's `vmap`."""
        if self.grid is not None:
            self.grid.batched = batched

    def _on_planes(self, features: list[Tensor]) -> Tensor:
        """(B, cells of all planes, C)."""
        assert self.planes is not None
        planes = torch.stack(features, dim=1)
        batch, count, cells, channels = planes.shape
        side = round(cells**0.5)
        done = self.planes(planes.view(batch * count, side, side, channels))
        return _full(done.reshape(batch, count * cells, channels))

    def _in_grid(self, features: Tensor) -> Tensor:
        """(B, cells of the grid, C)."""
        assert self.grid is not None
        batch, cells, channels = features.shape
        side = round(cells ** (1 / 3))
        done = self.grid(features.view(batch, side, side, side, channels))
        return _full(done.reshape(batch, cells, channels))


def _full(features: Tensor) -> Tensor:
    """In single precision at least: sums of features are read from them."""
    return features.to(torch.promote_types(features.dtype, torch.float32))
