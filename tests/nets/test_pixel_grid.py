"""Cells of an image: their counts, their pixels side by side, and their neighbours."""

from __future__ import annotations

import pytest
import torch

from shapesys.nets.pixel_grid import PixelGrid


@pytest.mark.parametrize(
    ("height", "width", "asked", "rows", "columns"),
    [
        (321, 481, 100, 8, 12),
        (481, 321, 100, 12, 8),
        (321, 481, 300, 14, 21),
        (201, 201, 100, 10, 10),
        (50, 3, 2, 5, 1),
    ],
)
def test_the_count_is_that_of_the_published_rule(height: int, width: int, asked: int, rows: int, columns: int) -> None:
    grid = PixelGrid.for_superpixels(height, width, asked)
    assert (grid.rows, grid.columns, grid.count) == (rows, columns, rows * columns)


def test_cells_are_nearly_equal_rectangles_that_cover_the_image() -> None:
    grid = PixelGrid(23, 31, 4, 5)
    labels = grid.labels()
    sizes = torch.bincount(labels.flatten())
    assert len(sizes) == 20
    assert sizes.min() >= 5 * 6
    assert sizes.max() <= 6 * 7
    assert labels[0, 0] == 0
    assert labels[-1, -1] == 19


@pytest.mark.parametrize("shape", [(23, 31, 4, 5), (16, 16, 4, 4), (7, 9, 7, 9), (10, 10, 1, 1)])
def test_pixels_go_to_cells_and_back(shape: tuple[int, int, int, int]) -> None:
    grid = PixelGrid(*shape)
    pixels = torch.rand(2, 3, *shape[:2])
    cells = grid.to_cells(pixels)
    assert cells.shape[:3] == (2, grid.count, 3)
    assert torch.equal(grid.from_cells(cells), pixels)
    own = grid.to_cells(grid.labels()[None, None].float())[0, :, 0]
    assert torch.equal(own, torch.arange(grid.count).float()[:, None].expand_as(own))
    assert int(grid.filled().sum()) == shape[0] * shape[1]
    means = (cells * grid.filled()[:, None]).sum(dim=3) / grid.filled().sum(dim=1)[:, None]
    for cell in range(grid.count):
        torch.testing.assert_close(means[:, cell], pixels[:, :, grid.labels() == cell].mean(dim=2))


def test_neighbours_are_the_three_by_three_around_a_cell_and_gathering_is_their_transpose() -> None:
    grid = PixelGrid(12, 20, 3, 5)
    numbers = torch.arange(1.0, 16.0).view(1, 15, 1)
    around = grid.neighbours(numbers)[0, :, :, 0].long()
    assert around[0].tolist() == [0, 0, 0, 0, 1, 2, 0, 6, 7]
    assert around[7].tolist() == [2, 3, 4, 7, 8, 9, 12, 13, 14]
    assert torch.equal(grid.exists(), around > 0)
    cells, shares = torch.rand(2, 15, 4), torch.rand(2, 15, 9, 4)
    torch.testing.assert_close((grid.neighbours(cells) * shares).sum(), (cells * grid.gathered(shares)).sum())


def test_impossible_grids_are_refused() -> None:
    with pytest.raises(ValueError, match="0 superpixels"):
        PixelGrid.for_superpixels(10, 10, 0)
    with pytest.raises(ValueError, match="101 superpixels"):
        PixelGrid.for_superpixels(10, 10, 101)
    with pytest.raises(ValueError, match="3 x 11 cells do not fit"):
        PixelGrid(10, 10, 3, 11)
