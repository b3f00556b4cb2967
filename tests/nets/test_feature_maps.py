"""Where points write and queries read, against torch's own sampling of images and volumes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.func import vmap
from torch.nn import functional as F

from shapesys.nets.feature_maps import FeatureMap, FeatureSpace, grid_map, plane_maps, read_features

SIDE, CHANNELS = 1.1, 6


def queries(count: int = 50, seed: int = 0) -> Tensor:
    """(2, count, 3) doubles, some of them beyond the cube."""
    generator = torch.Generator().manual_seed(seed)
    return 1.3 * torch.rand(2, count, 3, generator=generator, dtype=torch.float64) - 0.65


def sampled(features: Tensor, one: FeatureMap, points: Tensor) -> Tensor:
    """(B, N, C) by `grid_sample`, as the released code reads: corners aligned, the border beyond."""
    batch, _, channels = features.shape
    image = features.transpose(1, 2).reshape(batch, channels, *[one.resolution] * len(one.axes))
    place = 2.0 * one.unit(points, SIDE) - 1.0
    shape = (batch, -1, *[1] * (len(one.axes) - 1), len(one.axes))
    found = F.grid_sample(image, place.view(shape), padding_mode="border", align_corners=True)
    return found.flatten(2).transpose(1, 2)


@pytest.mark.parametrize("one", [*plane_maps(8), grid_map(6)])
def test_reading_is_linear_between_cells(one: FeatureMap) -> None:
    space = FeatureSpace((one,), SIDE)
    table = torch.randn(2, space.cells, CHANNELS, dtype=torch.float64)
    points = queries()
    torch.testing.assert_close(read_features(table, *space.reads(points)), sampled(table, one, points))


def test_what_is_read_of_several_maps_is_added() -> None:
    space = FeatureSpace((*plane_maps(8), grid_map(4)), SIDE)
    table = torch.randn(2, space.cells, CHANNELS, dtype=torch.float64)
    points = queries()
    parts = [
        sampled(table[:, first : first + one.cells], one, points)
        for one, first in zip(space.maps, space.offsets, strict=False)
    ]
    torch.testing.assert_close(read_features(table, *space.reads(points)), torch.stack(parts).sum(dim=0))


def test_gradients_of_what_is_read() -> None:
    space = FeatureSpace((*plane_maps(4), grid_map(4)), SIDE)
    table = torch.randn(2, space.cells, 2, dtype=torch.float64, requires_grad=True)
    rows, weights = space.reads(queries(9))
    assert torch.autograd.gradcheck(lambda x: read_features(x, rows, weights), (table,))


def test_many_tables_are_read_at_once() -> None:
    space = FeatureSpace((grid_map(4),), SIDE)
    tables = torch.randn(3, 2, space.cells, CHANNELS, dtype=torch.float64, requires_grad=True)
    reads = [space.reads(queries(seed=seed)) for seed in range(3)]
    rows, weights = torch.stack([one[0] for one in reads]), torch.stack([one[1] for one in reads])
    together = vmap(read_features)(tables, rows, weights)
    apart = torch.stack([read_features(table, *one) for table, one in zip(tables, reads, strict=True)])
    torch.testing.assert_close(together, apart)
    (gradient,) = torch.autograd.grad(together.square().sum(), tables, retain_graph=True)
    (expected,) = torch.autograd.grad(apart.square().sum(), tables)
    torch.testing.assert_close(gradient, expected)


def test_points_write_to_the_cell_they_lie_in() -> None:
    """The numbers of the released code: the first axis fastest, positions beyond the cube in its outermost cells."""
    one = FeatureMap((0, 2), 10)
    points = torch.tensor([[-0.5499, 0.0, -0.5499], [0.0, 0.3, 0.12], [0.549, 0.0, -0.549], [7.0, 0.0, 7.0]])
    assert one.cell(points, SIDE).tolist() == [0, 5 + 10 * 6, 9, 99]
    solid = grid_map(10)
    assert solid.cell(torch.tensor([[0.0, 0.12, -0.5]]), SIDE).tolist() == [5 + 10 * 6 + 100 * 0]


def test_shapes_of_a_batch_have_tables_of_their_own() -> None:
    space = FeatureSpace(plane_maps(4), SIDE)
    points = queries().float()
    together = space.cells_of(points, dense=True)
    for one, cells in zip(space.maps, together, strict=True):
        for shape in range(2):
            [alone] = FeatureSpace((one,), SIDE).cells_of(points[shape : shape + 1], dense=True)
            assert torch.equal(cells.rows[shape * 50 : shape * 50 + 50], alone.rows + shape * one.cells)


def test_places_in_cells_repeat_from_cell_to_cell() -> None:
    points = queries()
    assert FeatureSpace((grid_map(4),), SIDE).positions(points) is points
    space = FeatureSpace((grid_map(4),), SIDE, in_cells=4)
    places = space.positions(points)
    assert places.min() >= 0.0
    assert places.max() < 1.0
    torch.testing.assert_close(space.positions(points + SIDE / 4), places, atol=1e-9, rtol=0)
    torch.testing.assert_close(
        space.positions(torch.tensor([[-0.5 * SIDE, 0.0, 0.125 * SIDE]])), torch.tensor([[0.0, 0.0, 0.5]])
    )
