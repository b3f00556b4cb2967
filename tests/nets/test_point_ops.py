"""Look-up and interpolation against their definitions and SciPy's tree."""

from __future__ import annotations

import pytest
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from shapesys.nets.point_ops import gather_points, squared_distances, three_interpolate, three_nearest


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("shape", [(3,), (3, 5), (3, 5, 2)])
def test_gather_looks_up_each_shapes_own_rows(shape: tuple[int, ...]) -> None:
    values = random(3, 11, 4)
    indices = torch.randint(11, shape, generator=torch.Generator().manual_seed(1))
    expected = torch.stack([values[shape][indices[shape]] for shape in range(3)])
    assert torch.equal(gather_points(values, indices), expected)


def test_distances_of_equal_points_are_zero() -> None:
    points = random(2, 50, 3) * 100
    squared = squared_distances(points.float(), points.float())
    assert (squared >= 0).all()
    assert (squared.diagonal(dim1=1, dim2=2) == 0).all()
    torch.testing.assert_close(squared.double(), torch.cdist(points, points).square(), rtol=1e-4, atol=1e-3)


def test_nearest_three_and_their_shares() -> None:
    points, coarse = random(2, 60, 3), random(2, 20, 3, seed=1)
    indices, shares = three_nearest(points, coarse)
    for shape in range(2):
        distance, expected = cKDTree(coarse[shape].numpy()).query(points[shape].numpy(), 3)
        assert indices[shape].tolist() == expected.tolist()
        weight = torch.from_numpy(distance).square().reciprocal()
        torch.testing.assert_close(shares[shape], weight / weight.sum(dim=1, keepdim=True))


@pytest.mark.parametrize("weighting", ["floor", "plus"])
def test_values_are_kept_at_the_coarse_points(weighting: str) -> None:
    points, values = random(2, 30, 3), random(2, 10, 5, seed=2)
    found = three_interpolate(values, *three_nearest(points, points[:, :10], weighting))
    torch.testing.assert_close(found[:, :10], values, rtol=0, atol=1e-5)


def test_fewer_than_three_serve_as_far_as_they_go() -> None:
    points, values = random(2, 30, 3), random(2, 2, 5, seed=2)
    indices, shares = three_nearest(points, points[:, :2])
    assert indices.shape == (2, 30, 2)
    found = three_interpolate(values, indices, shares)
    assert (found <= values.amax(dim=1, keepdim=True) + 1e-12).all()


def test_both_ways_to_interpolate_are_one() -> None:
    points, values = random(2, 30, 3), random(2, 10, 5, seed=2).requires_grad_()
    indices, shares = three_nearest(points, points[:, :10])
    fixed = three_interpolate(values, indices, shares)
    moving = three_interpolate(values, indices, shares.clone().requires_grad_())
    torch.testing.assert_close(fixed, moving)
    weights = random(2, 30, 5, seed=3)
    torch.testing.assert_close(*(torch.autograd.grad((x * weights).sum(), values)[0] for x in (fixed, moving)))


def test_gradients_reach_values_and_both_sets_of_points() -> None:
    points, coarse, values = (random(1, 6, 3), random(1, 4, 3, seed=1), random(1, 4, 2, seed=2))

    def interpolated(points: Tensor, coarse: Tensor, values: Tensor) -> Tensor:
        return three_interpolate(values, *three_nearest(points, coarse))

    assert torch.autograd.gradcheck(interpolated, [x.requires_grad_() for x in (points, coarse, values)])
