"""Maxima with places against torch's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from shapesys.nets import largest as module
from shapesys.nets.largest import largest, max_and_mean, max_over_points


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_values_and_places_are_torchs(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CPU_BLOCK", 100)
    x = torch.stack([random(40, 3).argsort(dim=0) - 20.0, random(40, 3, seed=1).argsort(dim=0) - 50.0]).to(dtype)
    values, places = largest(x)
    expected = x.max(dim=1)
    assert values.dtype == dtype
    assert torch.equal(values, expected.values)
    assert torch.equal(places.long(), expected.indices)


@pytest.mark.parametrize("special", [float("inf"), float("-inf"), 0.0, -0.0, 1e-45, -1e-45, 3e38])
def test_values_of_every_kind_survive(special: float) -> None:
    for row in ([special] * 3, [special, 1.0, -1.0], [-special, 1.0, -1.0]):
        x = torch.tensor(row).view(1, 3, 1)
        assert torch.equal(largest(x)[0], x.amax(dim=1))


def test_the_last_of_equals_wins() -> None:
    assert largest(torch.tensor([1.0, 2.0, 2.0, 0.0]).view(1, 4, 1))[1].item() == 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pooling_and_its_gradients_are_torchs(dtype: torch.dtype) -> None:
    x = random(3, 17, 5).to(dtype).requires_grad_()
    down = random(3, 10, seed=1).to(dtype)
    expected = torch.cat([x.max(dim=1)[0], x.mean(dim=1)], dim=1)
    found = max_and_mean(x)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad((found * down).sum(), x), torch.autograd.grad((expected * down).sum(), x)
    )
    alone = max_over_points(x)
    torch.testing.assert_close(alone, expected[:, :5])
    torch.testing.assert_close(
        torch.autograd.grad((alone * down[:, :5]).sum(), x), torch.autograd.grad((x.amax(dim=1) * down[:, :5]).sum(), x)
    )


def test_equal_points_share_no_more_than_one_gradient() -> None:
    x = torch.ones(1, 6, 2, requires_grad=True)
    max_over_points(x).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad.sum(dim=1), torch.ones(1, 2))
