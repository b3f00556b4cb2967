"""The regular grid of cells that superpixels of an image start from, and pixels laid out cell by cell.

Superpixel k starts as the mean of cell k, and a pixel can only ever belong to the 3 x 3 superpixels around the cell it
lies in. With the pixels of a cell side by side, all that superpixels need of them are small matrix products.

Legend: B images of h x w pixels; K = rows * columns cells; P pixels in the largest cell; C channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

CANDIDATES = 9


@dataclass(frozen=True)
class PixelGrid:
    """An image cut into cells of nearly equal size.

    Attributes:
        height, width: pixels.
        rows, columns: cells.
    """

    height: int
    width: int
    rows: int
    columns: int

    def __post_init__(self) -> None:
        if not (1 <= self.rows <= self.height and 1 <= self.columns <= self.width):
            raise ValueError(
                f"{self.rows} x {self.columns} cells do not fit an image of {self.height} x {self.width} pixels"
            )

    @classmethod
    def for_superpixels(cls, height: int, width: int, superpixels: int) -> PixelGrid:
        """The grid for about this many superpixels: floor(sqrt(K w / h)) columns, floor(sqrt(K h / w)) rows.

        Its `count` is usually smaller than what was asked for: 96 for 100 on 481 x 321 pixels.

        Raises:
            ValueError: fewer than one superpixel, or more than pixels.
        """
        if not 1 <= superpixels <= height * width:
            raise ValueError(f"{superpixels} superpixels; an image of {height} x {width} pixels can have 1 to its size")
        rows = math.floor(math.sqrt(superpixels * height / width))
        columns = math.floor(math.sqrt(superpixels * width / height))
        return cls(height, width, min(max(rows, 1), height), min(max(columns, 1), width))

    @property
    def count(self) -> int:
        """K, the actual number of superpixels."""
        return self.rows * self.columns

    @property
    def cells_per_pixel(self) -> float:
        """max(columns / w, rows / h): the density that position features are scaled by."""
        return max(self.columns / self.width, self.rows / self.height)

    def labels(self, device: torch.device | None = None) -> Tensor:
        """(h, w) int64: the cell of every pixel, numbered row by row."""
        row = torch.arange(self.height, device=device) * self.rows // self.height
        column = torch.arange(self.width, device=device) * self.columns // self.width
        return row[:, None] * self.columns + column

    @cached_property
    def _row_index(self) -> tuple[Tensor, Tensor]:
        return _places(self.height, self.rows)

    @cached_property
    def _column_index(self) -> tuple[Tensor, Tensor]:
        return _places(self.width, self.columns)

    def to_cells(self, pixels: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, K, C, P), cells smaller than the largest filled up with copies of their last pixels."""
        (rows, _), (columns, _) = self._row_index, self._column_index
        tall = pixels.index_select(2, rows.flatten().to(pixels.device))
        wide = tall.index_select(3, columns.flatten().to(pixels.device))
        split = wide.unflatten(3, columns.shape).unflatten(2, rows.shape)
        return split.permute(0, 2, 4, 1, 3, 5).flatten(4, 5).flatten(1, 2)

    def from_cells(self, cells: Tensor) -> Tensor:
        """The inverse of `to_cells`: (B, K, C, P) -> (B, C, h, w)."""
        (rows, at_row), (columns, at_column) = self._row_index, self._column_index
        split = cells.unflatten(3, (rows.shape[1], columns.shape[1])).unflatten(1, (self.rows, self.columns))
        wide = split.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)
        return wide.index_select(2, at_row.to(cells.device)).index_select(3, at_column.to(cells.device))

    def filled(self, device: torch.device | None = None) -> Tensor:
        """(K, P) bool: True where `to_cells` has a pixel, False where a copy."""
        real = [F.pad(index.diff(dim=1) > 0, (1, 0), value=True) for index, _ in (self._row_index, self._column_index)]
        both = real[0][:, None, :, None] & real[1][None, :, None, :]
        return both.flatten(2, 3).flatten(0, 1).to(device)

    def neighbours(self, cells: Tensor) -> Tensor:
        """(B, K, C) -> (B, K, 9, C): of the 3 x 3 cells around each, row by row; zeros outside the grid."""
        padded = F.pad(cells.unflatten(1, (self.rows, self.columns)), (0, 0, 1, 1, 1, 1))
        shifted = [padded[:, r : r + self.rows, c : c + self.columns] for r in range(3) for c in range(3)]
        return torch.stack(shifted, dim=3).flatten(1, 2)

    def gathered(self, shares: Tensor) -> Tensor:
        """The transpose of `neighbours`: (B, K, 9, C) -> (B, K, C), what each cell gets from the cells around it."""
        split = shares.unflatten(1, (self.rows, self.columns))
        parts = [
            F.pad(split[:, :, :, 3 * r + c], (0, 0, c, 2 - c, r, 2 - r))[:, 1:-1, 1:-1]
            for r in range(3)
            for c in range(3)
        ]
        return torch.stack(parts).sum(dim=0).flatten(1, 2)

    def exists(self, device: torch.device | None = None) -> Tensor:
        """(K, 9) bool: which of the 3 x 3 cells around each lie in the grid."""
        return self.neighbours(torch.ones(1, self.count, 1, device=device))[0, :, :, 0] > 0


def _places(length: int, cells: int) -> tuple[Tensor, Tensor]:
    """(cells, p) places along an axis of the pixels of every cell, the last one repeated, and (length,) the inverse."""
    place = torch.arange(length)
    cell = place * cells // length
    first = torch.searchsorted(cell, torch.arange(cells))
    size = torch.bincount(cell, minlength=cells)
    longest = int(size.max())
    index = first[:, None] + torch.minimum(torch.arange(longest)[None], size[:, None] - 1)
    return index, cell * longest + place - first[cell]
