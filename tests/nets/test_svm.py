"""The support vector machine as a layer, against libsvm, its optimality conditions and finite differences."""

from __future__ import annotations

import re
import threading

import numpy as np
import pytest
import torch
from torch import Tensor

from shapesys.nets.svm import SvmSolution, SvmStatus, decide, solve_svm

pytest.importorskip("numba")

WIDTHS = {"narrow": 0.5, "middling": 1.5, "wide": 6.0}


def points(machines: int, count: int, seed: int = 0) -> Tensor:
    return torch.randn(machines, count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def labels(count: int) -> Tensor:
    return torch.cat([torch.ones(count // 2), -torch.ones(count - count // 2)]).double()


def gaussian(x: Tensor, width: float) -> Tensor:
    return torch.exp(-(x.unsqueeze(2) - x.unsqueeze(1)).square().sum(-1) / width**2)


def with_ridge(kernel: Tensor, ridge: float = 1e-6) -> Tensor:
    mean = kernel.diagonal(dim1=1, dim2=2).mean(dim=1)
    return kernel + ridge * mean[:, None, None] * torch.eye(kernel.shape[1], dtype=kernel.dtype)


def violation(kernel: Tensor, signs: Tensor, box: float, found: SvmSolution) -> float:
    """The largest violation of an optimality condition, by their textbook form: y f is above 1 at zero, below at C."""
    ridged = with_ridge(kernel)
    alpha, bias = found.alpha.detach(), found.bias.detach()
    beyond = signs * (torch.einsum("bij,bj->bi", ridged, alpha * signs) + bias[:, None]) - 1.0
    low, high = alpha <= 0, alpha >= box
    wrong = torch.where(low, -beyond, torch.where(high, beyond, beyond.abs())).clamp(min=0)
    outside = torch.maximum(-alpha, alpha - box).clamp(min=0)
    balance = (alpha * signs).sum(dim=1).abs()
    return float(torch.stack([wrong.max(), outside.max(), balance.max()]).max())


@pytest.mark.parametrize("count", [2, 4, 9, 32, 64, 128])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("box", [1.0, 1000.0])
def test_solutions_are_optimal_at_every_conditioning(count: int, width: str, box: float) -> None:
    kernel, signs = gaussian(points(8, count), WIDTHS[width]), labels(count)
    found = solve_svm(kernel, signs, box)
    assert violation(kernel, signs, box, found) < 1e-8
    assert float(found.residual.max()) < 1e-8
    assert not bool((found.status & int(SvmStatus.FAILED)).any())


def test_it_finds_what_libsvm_finds() -> None:
    svm = pytest.importorskip("sklearn.svm")
    kernel, signs = gaussian(points(6, 32, seed=3), 1.0), labels(32)
    found = solve_svm(kernel, signs, 1.0)
    queries = torch.exp(-(points(6, 50, seed=4).unsqueeze(2) - points(6, 32, seed=3).unsqueeze(1)).square().sum(-1))
    said = decide(found.alpha, found.bias, signs, queries)
    for item in range(6):
        peer = svm.SVC(kernel="precomputed", C=1.0, tol=1e-10).fit(with_ridge(kernel)[item].numpy(), signs.numpy())
        alpha = np.zeros(32)
        alpha[peer.support_] = np.abs(peer.dual_coef_[0])
        np.testing.assert_allclose(found.alpha[item], alpha, atol=1e-6)
        # libsvm's own threshold is only as exact as its multipliers.
        np.testing.assert_allclose(said[item], peer.decision_function(queries[item].numpy()), atol=1e-5)


@pytest.mark.parametrize("width", [0.5, 1.5])
def test_gradients_are_those_of_finite_differences(width: float) -> None:
    cloud, signs = points(4, 12, seed=1).requires_grad_(True), labels(12)

    def solved(x: Tensor) -> tuple[Tensor, Tensor]:
        found = solve_svm(gaussian(x, width), signs)
        return found.alpha, found.bias

    assert not bool(solve_svm(gaussian(cloud, width), signs).status.any())
    assert torch.autograd.gradcheck(solved, (cloud,), eps=1e-6, atol=1e-5)


def test_the_gradient_of_a_whole_machine_reaches_its_points_width_and_queries() -> None:
    cloud, signs = points(2, 8, seed=5).requires_grad_(True), labels(8)
    asked = points(2, 5, seed=6).requires_grad_(True)
    width = torch.tensor(0.9, dtype=torch.float64, requires_grad=True)

    def said(x: Tensor, queries: Tensor, wide: Tensor) -> Tensor:
        found = solve_svm(torch.exp(-(x.unsqueeze(2) - x.unsqueeze(1)).square().sum(-1) / wide**2), signs)
        kernel = torch.exp(-(queries.unsqueeze(2) - x.unsqueeze(1)).square().sum(-1) / wide**2)
        return decide(found.alpha, found.bias, signs, kernel)

    assert torch.autograd.gradcheck(said, (cloud, asked, width), eps=1e-6, atol=1e-5)


def test_coincident_points_have_a_solution_and_a_finite_gradient() -> None:
    cloud = points(3, 16, seed=2)
    cloud[:, 1], cloud[:, 9] = cloud[:, 0], cloud[:, 0]  # twice with the same label, once with the other
    kernel = gaussian(cloud, 0.5).requires_grad_(True)
    found = solve_svm(kernel, labels(16), 1e4)
    assert violation(kernel.detach(), labels(16), 1e4, found) < 1e-8 * 1e4
    (found.alpha.square().sum() + found.bias.sum()).backward()
    assert kernel.grad is not None
    assert bool(kernel.grad.isfinite().all())


def test_gradients_at_coincident_points_are_those_of_finite_differences() -> None:
    cloud = points(1, 32, seed=12)
    cloud[:, 8] = cloud[:, 0]
    kernel, signs = gaussian(cloud, 0.5), labels(32)
    weights = torch.linspace(1.0, 2.0, 32, dtype=torch.float64)

    def value(one: Tensor) -> Tensor:
        return (solve_svm(one, signs).alpha * weights).sum()

    leaf = kernel.clone().requires_grad_(True)
    [gradient] = torch.autograd.grad(value(leaf), leaf)
    for seed in range(4):
        direction = torch.randn(32, 32, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        direction = (direction + direction.T) / 2
        step = 1e-8 / direction.norm()  # Well below the ridge, on which the curvature depends.
        rise = value(kernel + step * direction) - value(kernel - step * direction)
        torch.testing.assert_close((gradient * direction).sum(), rise / (2 * step), rtol=1e-4, atol=1e-4)


def test_where_all_variables_are_at_their_bound_the_bias_is_the_middle_and_has_a_gradient() -> None:
    # Points far apart: each would like to be 1, and may be 0.5.
    kernel = gaussian(10.0 * points(1, 6, seed=8), 1.0).requires_grad_(True)
    found = solve_svm(kernel, labels(6), 0.5)
    assert int(found.status[0]) == int(SvmStatus.NO_FREE)
    assert found.alpha.tolist() == [[0.5] * 6]
    assert float(found.bias.detach()) == pytest.approx(0.0, abs=1e-9)
    cloud = 2.5 * points(1, 6, seed=8)

    def bias(x: Tensor) -> Tensor:
        return solve_svm(gaussian(x, 1.0), labels(6), 0.25).bias

    assert int(solve_svm(gaussian(cloud, 1.0), labels(6), 0.25).status[0]) == int(SvmStatus.NO_FREE)
    assert torch.autograd.gradcheck(bias, (cloud.requires_grad_(True),), eps=1e-6, atol=1e-6)


def test_a_solution_at_a_kink_says_so() -> None:
    # Alone, each of two far points wants exactly 1.
    kernel = torch.eye(2, dtype=torch.float64).unsqueeze(0)
    assert int(solve_svm(kernel, labels(2), 1.0 / (1.0 + 1e-6)).status[0]) & int(SvmStatus.KINK)
    assert int(solve_svm(kernel, labels(2), 0.9).status[0]) == int(SvmStatus.NO_FREE)
    assert int(solve_svm(kernel, labels(2), 1.1).status[0]) == int(SvmStatus.SOLVED)


@pytest.mark.parametrize("spread", [0.01, 1.0, 10.0, 1000.0])
@pytest.mark.parametrize("box", [1e-3, 0.5, 1.0, 1e3])
def test_no_width_makes_it_fail(spread: float, box: float) -> None:
    kernel = gaussian(spread * points(16, 32, seed=11), 1.0)
    found = solve_svm(kernel, labels(32), box)
    assert not bool((found.status & int(SvmStatus.FAILED)).any())
    assert violation(kernel, labels(32), box, found) < 1e-8 * max(box, 1.0)


def test_one_sided_labels_and_broken_kernels_are_told_and_leave_others_alone() -> None:
    kernel = gaussian(points(4, 6), 1.0)
    signs = labels(6).repeat(4, 1)
    signs[1] = -1.0
    kernel[2, 0, 1] = float("nan")
    kernel[3] = -kernel[3]
    kernel.requires_grad_(True)
    found = solve_svm(kernel, signs)
    assert [SvmStatus(int(one)) for one in found.status[1:]] == [
        SvmStatus.ONE_SIDED,
        SvmStatus.FAILED,
        SvmStatus.FAILED,
    ]
    assert found.alpha[1].tolist() == [0.0] * 6
    assert float(found.bias[1].detach()) == -1.0
    assert bool(found.alpha[2:].isnan().all())
    alone = solve_svm(gaussian(points(4, 6), 1.0)[:1], signs[:1])
    assert torch.equal(found.alpha[0].detach(), alone.alpha[0])
    (found.alpha.sum() + found.bias.sum()).backward()
    assert kernel.grad is not None
    assert bool(kernel.grad[0].isfinite().all())
    assert not bool(kernel.grad[1].any())
    assert bool(kernel.grad[2:].isnan().all())


def test_answers_do_not_depend_on_the_batch_or_on_threads() -> None:
    kernel, signs = gaussian(points(40, 48, seed=9), 1.0), labels(48)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = solve_svm(kernel, signs)
        torch.set_num_threads(3)
        several = solve_svm(kernel, signs)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(one.alpha, several.alpha)
    assert torch.equal(one.bias, several.bias)
    alone = [solve_svm(kernel[item : item + 1], signs).alpha for item in (0, 17, 39)]
    assert torch.equal(torch.cat(alone), one.alpha[[0, 17, 39]])


def test_threads_may_solve_at_the_same_time() -> None:
    kernel, signs = gaussian(points(8, 32, seed=9), 1.0), labels(32)
    wanted, found = solve_svm(kernel, signs).alpha, list[Tensor]()
    threads = [threading.Thread(target=lambda: found.append(solve_svm(kernel, signs).alpha)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(torch.equal(one, wanted) for one in found)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_is_solved_in_double_precision_whatever_the_kernel_is(dtype: torch.dtype) -> None:
    kernel = gaussian(points(4, 32), 1.5).to(dtype).requires_grad_(True)
    found = solve_svm(kernel, labels(32))
    assert found.alpha.dtype == found.bias.dtype == dtype
    exact = solve_svm(kernel.detach().double(), labels(32))
    if not bool(exact.status.any()):
        assert torch.equal(found.alpha.detach(), exact.alpha.to(dtype))
    found.alpha.sum().backward()
    assert kernel.grad is not None
    assert kernel.grad.dtype == dtype


@pytest.mark.parametrize(
    ("shape", "signs", "box", "ridge", "says"),
    [
        ((2, 3, 4), labels(4), 1.0, 1e-6, "(2, 3, 4)"),
        ((2, 4, 4), labels(6), 1.0, 1e-6, "do not fit"),
        ((2, 4, 4), torch.tensor([1.0, 0.0, 1.0, -1.0]), 1.0, 1e-6, "+1 or -1"),
        ((2, 4, 4), labels(4), 0.0, 1e-6, "C = 0.0"),
        ((2, 4, 4), labels(4), -1.0, 1e-6, "C = -1.0"),
        ((2, 4, 4), labels(4), float("inf"), 1e-6, "C = inf"),
        ((2, 4, 4), labels(4), 1.0, 0.0, "ridge = 0.0"),
    ],
)
def test_what_makes_no_sense_is_refused(
    shape: tuple[int, ...], signs: Tensor, box: float, ridge: float, says: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        solve_svm(torch.ones(shape), signs, box, ridge)
