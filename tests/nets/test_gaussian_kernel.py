"""Gaussian kernels against their formula, and their gradients against finite differences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from shapesys.nets.gaussian_kernel import gaussian_kernel


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_formula(queries: Tensor, points: Tensor, width: Tensor) -> Tensor:
    offsets = (queries.unsqueeze(2) - points.unsqueeze(1)) / width[:, None, None, :]
    return torch.exp(-offsets.square().sum(-1))


@pytest.mark.parametrize("dimensions", [1, 3])
def test_it_is_its_formula(dimensions: int) -> None:
    queries, points, width = drawn(2, 40, 3), drawn(2, 9, 3, seed=1), drawn(2, dimensions, seed=2).abs() + 0.1
    torch.testing.assert_close(gaussian_kernel(queries, points, width), by_formula(queries, points, width))


@pytest.mark.parametrize("dimensions", [1, 3])
def test_gradients_are_those_of_finite_differences(dimensions: int) -> None:
    width = (drawn(2, dimensions, seed=2).abs() + 0.5).requires_grad_(True)
    queries, points = drawn(2, 5, 3).requires_grad_(True), drawn(2, 4, 3, seed=1).requires_grad_(True)
    assert torch.autograd.gradcheck(gaussian_kernel, (queries, points, width))


def test_the_gradient_through_a_kernel_of_points_with_themselves_counts_both_places() -> None:
    points = drawn(1, 6, 3).requires_grad_(True)
    width = torch.ones(1, 1, dtype=torch.float64)
    weights = drawn(6, 6, seed=4)
    ours = torch.autograd.grad((weights * gaussian_kernel(points, points, width)).sum(), points)[0]
    theirs = torch.autograd.grad((weights * by_formula(points, points, width)).sum(), points)[0]
    torch.testing.assert_close(ours, theirs)


def test_shapes_far_from_the_origin_lose_no_digits() -> None:
    queries, points, width = drawn(1, 50, 3), drawn(1, 8, 3, seed=1), torch.full((1, 1), 0.7, dtype=torch.float64)
    there = torch.tensor([100.0, -50.0, 25.0], dtype=torch.float64)
    exact = gaussian_kernel((queries + there).float().double(), (points + there).float().double(), width)
    single = gaussian_kernel((queries + there).float(), (points + there).float(), width.float())
    torch.testing.assert_close(single.double(), exact, atol=5e-6, rtol=0.0)


def test_half_precision_is_computed_in_single() -> None:
    found = gaussian_kernel(drawn(1, 5, 3).bfloat16(), drawn(1, 4, 3).bfloat16(), torch.ones(1, 1).bfloat16())
    assert found.dtype == torch.float32
