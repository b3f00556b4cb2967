"""Feature propagation against interpolation, concatenation and the MLP, one after the other."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from shapesys.nets.feature_propagation import FeaturePropagation
from shapesys.nets.point_ops import three_interpolate, three_nearest


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("own", [0, 4])
@pytest.mark.parametrize("coarse_points", [1, 2, 20])
def test_equals_the_steps_written_out(own: int, coarse_points: int) -> None:
    ours = FeaturePropagation(6, own, (7, 5)).double()
    points, centres = random(2, 50, 3).requires_grad_(), random(2, coarse_points, 3, seed=1).requires_grad_()
    coarse = random(2, coarse_points, 6, seed=2).requires_grad_()
    features = random(2, 50, own, seed=3).requires_grad_() if own else None
    found = ours(points, centres, features, coarse)
    spread = three_interpolate(coarse, *three_nearest(points, centres))
    expected = ours.mlp(spread if features is None else torch.cat([spread, features], dim=-1))
    torch.testing.assert_close(found, expected)
    down = random(*found.shape, seed=4)
    leaves = [coarse, *ours.parameters()] + ([points, centres] if coarse_points > 1 else [])
    got, wanted = (torch.autograd.grad((y * down).sum(), leaves) for y in (found, expected))
    for ours_gradient, plain_gradient in zip(got, wanted, strict=True):
        torch.testing.assert_close(ours_gradient, plain_gradient)
