"""Products against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from shapesys.nets.linear import CPU_ROWS, NARROW, PointLinear, linear, product


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("columns", [slice(None), slice(0, 3), slice(3, None)])
def test_values_and_gradients_are_those_of_torch(dtype: torch.dtype, columns: slice) -> None:
    wide = random(7, 40, dtype=dtype).requires_grad_()
    weight = wide[:, columns]
    x = random(3, CPU_ROWS // 2 + 5, weight.shape[1], seed=1, dtype=dtype).requires_grad_()
    down = random(3, CPU_ROWS // 2 + 5, 7, seed=2, dtype=dtype)
    close = {"rtol": 1e-5, "atol": 1e-3} if dtype == torch.float32 else {"rtol": 1e-10, "atol": 1e-10}
    ours, expected = linear(x, weight), F.linear(x, weight)
    torch.testing.assert_close(ours, expected, **close)
    for got, wanted in zip(
        torch.autograd.grad((ours * down).sum(), (x, wide)),
        torch.autograd.grad((expected * down).sum(), (x, wide)),
        strict=True,
    ):
        torch.testing.assert_close(got, wanted, **close)


@pytest.mark.parametrize("rows", [1, 2, CPU_ROWS + 1])
def test_products_of_transposed_matrices(rows: int) -> None:
    a, b = random(rows, 6), random(rows, 9, seed=1)
    torch.testing.assert_close(product(a.t(), b.t()), a.t() @ b, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(product(a, random(6, 5, seed=2).t()), a @ random(6, 5, seed=2), rtol=1e-5, atol=1e-5)


def test_no_gradient_is_computed_for_points() -> None:
    layer = PointLinear(3, 4)
    layer(random(2, 10, 3)).sum().backward()
    assert layer.weight.grad is not None
    torch.testing.assert_close(layer.bias.grad, torch.full((4,), 20.0))


def test_autocast_reduces_wide_products_and_keeps_narrow_ones() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(random(5, NARROW), random(4, NARROW)).dtype == torch.float32
        wide = linear(random(5, NARROW + 1), random(4, NARROW + 1))
    assert wide.dtype == torch.bfloat16
