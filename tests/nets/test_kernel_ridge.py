"""Kernel ridge regression against scikit-learn and its equation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from shapesys.nets.kernel_ridge import solve_ridge


def kernel(machines: int, count: int) -> Tensor:
    x = torch.randn(machines, count, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.exp(-torch.cdist(x, x).square())


LABELS = torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0, -1.0], dtype=torch.float64)


def test_it_is_what_scikit_learn_finds() -> None:
    ridge = pytest.importorskip("sklearn.kernel_ridge")
    found = solve_ridge(kernel(3, 6), LABELS, 0.01)
    for ours, given in zip(found, kernel(3, 6), strict=True):
        peer = ridge.KernelRidge(alpha=0.01, kernel="precomputed").fit(given.numpy(), LABELS.numpy())
        torch.testing.assert_close(ours, torch.from_numpy(peer.dual_coef_))


def test_gradients_are_those_of_finite_differences() -> None:
    root = torch.randn(2, 6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda one: solve_ridge(one @ one.transpose(1, 2), LABELS, 0.1), (root,))


def test_a_broken_kernel_leaves_others_alone() -> None:
    broken = kernel(2, 6)
    broken[1, 0, 0] = float("nan")
    found = solve_ridge(broken, LABELS, 0.01)
    torch.testing.assert_close(found[0], solve_ridge(kernel(2, 6)[:1], LABELS, 0.01)[0])
    assert bool(found[1].isnan().all())


def test_coincident_points_share() -> None:
    found = solve_ridge(torch.ones(1, 2, 2), torch.ones(2), 0.5)
    torch.testing.assert_close(found, torch.full((1, 2), 1.0 / 2.5))
    assert found.dtype == torch.float32


@pytest.mark.parametrize("weight", [0.0, -1.0, float("inf"), float("nan")])
def test_a_weight_that_makes_no_sense_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match=f"weight = {weight}"):
        solve_ridge(torch.ones(1, 2, 2), torch.ones(2), weight)
