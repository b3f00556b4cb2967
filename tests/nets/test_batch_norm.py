"""Batch norm against torch's, with rows repeated and with rows shared among workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from shapesys.errors import ShapesysError
from shapesys.nets import batch_norm
from shapesys.nets.batch_norm import BatchNorm


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pair() -> tuple[BatchNorm, nn.BatchNorm1d]:
    ours, torchs = BatchNorm(4).double(), nn.BatchNorm1d(4).double()
    for module in (ours, torchs):
        with torch.no_grad():
            module.weight.copy_(torch.tensor([1.0, -0.5, 2.0, 0.0]))
            module.bias.copy_(torch.tensor([0.0, 1.0, -1.0, 0.5]))
    return ours, torchs


def test_copies_are_rows_that_stand_there_as_often() -> None:
    ours, torchs = pair()
    x, copies = (random(30, 4) * 3 + 5).requires_grad_(), torch.randint(1, 6, (30,))
    down = random(30, 4, seed=1)
    found = ours(x, copies)
    expected = torchs(x.repeat_interleave(copies, dim=0))
    firsts = copies.cumsum(0) - copies
    torch.testing.assert_close(found, expected[firsts])
    for module in (ours, torchs):
        assert module.weight.grad is None
    (got,) = torch.autograd.grad((found * down).sum(), x)
    (wanted,) = torch.autograd.grad((expected[firsts] * down).sum(), x)
    torch.testing.assert_close(got, wanted)
    torch.testing.assert_close(ours.running_mean, torchs.running_mean)
    torch.testing.assert_close(ours.running_variance, torchs.running_var)


@pytest.mark.parametrize("rows", [1, 30, batch_norm.STATISTICS_ROWS * 2 + 1])
@pytest.mark.parametrize("repeated", [False, True])
def test_moments_are_what_the_rows_are_normalised_with(rows: int, repeated: bool) -> None:
    ours, _ = pair()
    x = random(rows, 4).float() + 100  # far from zero, where sums of squares would lose every digit
    copies = torch.randint(1, 6, (rows,)) if repeated else torch.ones(rows, dtype=torch.int64)
    found = ours.float().moments(x, copies if repeated else None)
    everything = x.double().repeat_interleave(copies, dim=0)
    assert found.rows == len(everything)
    torch.testing.assert_close(found.mean.double(), everything.mean(dim=0), rtol=1e-6, atol=0)
    torch.testing.assert_close(found.variance.double(), everything.var(dim=0, correction=0), rtol=1e-4, atol=1e-9)
    torch.testing.assert_close(ours.running_mean, 0.1 * found.mean)


def test_evaluation_takes_the_running_moments() -> None:
    ours, _ = pair()
    found = ours.eval().moments(random(9, 4))
    assert found.rows == 0
    assert torch.equal(found.mean, ours.running_mean)


@pytest.mark.parametrize("repeated", [False, True])
def test_workers_with_unequal_shares_are_as_one(repeated: bool, together: Callable[..., list[Any]]) -> None:
    x, down = random(30, 4) + 2, random(30, 4, seed=1)
    copies = torch.randint(1, 6, (30,)).double() if repeated else None
    parts = [slice(0, 11), slice(11, 30)]

    def run(rows: slice) -> tuple[Tensor, Tensor, BatchNorm, batch_norm.Moments]:
        ours, _ = pair()
        leaf = x[rows].clone().requires_grad_()
        found = ours(leaf, None if copies is None else copies[rows])
        (found * down[rows]).sum().backward()
        assert leaf.grad is not None
        again = pair()[0].moments(x[rows], None if copies is None else copies[rows])
        return found.detach(), leaf.grad, ours, again

    alone = run(slice(0, 30))
    halves = together(lambda worker: run(parts[worker]), 2)
    for place in (0, 1):
        torch.testing.assert_close(torch.cat([half[place] for half in halves]), alone[place])
    torch.testing.assert_close(sum(half[2].weight.grad for half in halves), alone[2].weight.grad)
    for half in halves:
        torch.testing.assert_close(half[2].running_variance, alone[2].running_variance)
        torch.testing.assert_close(half[3].mean, alone[3].mean)
        torch.testing.assert_close(half[3].variance, alone[3].variance)
        assert half[3].rows == alone[3].rows


def test_one_row_alone_is_refused_in_training_with_a_way_out() -> None:
    ours, _ = pair()
    with pytest.raises(ShapesysError, match="raise train.shapes_per_step, lower train.accumulate"):
        ours(random(1, 4))
    assert ours.eval()(random(1, 4)).shape == (1, 4)


@pytest.mark.parametrize("training", [True, False])
def test_without_parameters_it_is_torchs_without_them(training: bool) -> None:
    ours, torchs = BatchNorm(4, affine=False).double().train(training), nn.BatchNorm1d(4, affine=False).double()
    x = random(30, 4) * 3 + 5
    torch.testing.assert_close(ours(x), torchs.train(training)(x))
    scale, shift = ours.folded_running()
    torch.testing.assert_close(x * scale + shift, torchs.eval()(x))
    assert list(ours.parameters()) == []
    assert set(ours.state_dict()) == {"running_mean", "running_variance"}


def test_without_parameters_workers_are_as_one(together: Callable[..., list[Any]]) -> None:
    x, parts = random(30, 4) + 2, [slice(0, 11), slice(11, 30)]
    halves = together(lambda worker: BatchNorm(4, affine=False).double()(x[parts[worker]]), 2)
    torch.testing.assert_close(torch.cat(halves), BatchNorm(4, affine=False).double()(x))
