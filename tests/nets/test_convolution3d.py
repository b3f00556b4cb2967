"""Slices beside their neighbours, against torch's convolution of grids."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from shapesys.nets.convolution3d import SMALL, by_slices, convolve


@pytest.mark.parametrize("shape", [(1, 3, 4, 5, 6), (2, 8, 6, 6, 6), (1, 1, 1, 2, 1)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_slices_give_the_convolution_and_its_gradients(shape: tuple[int, ...], channels_last: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    weight = torch.randn(7, shape[1], 3, 3, 3, generator=generator, dtype=torch.float64)
    if channels_last:
        x = x.to(memory_format=torch.channels_last_3d)
    results = []
    for work in (by_slices, lambda a, b: F.conv3d(a, b, padding=1)):
        one, two = x.clone().requires_grad_(), weight.clone().requires_grad_()
        out = work(one, two)
        upstream = torch.randn(out.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        results.append((out, *torch.autograd.grad((out * upstream).sum(), (one, two))))
    for got, wanted in zip(*results, strict=True):
        torch.testing.assert_close(got, wanted)


def test_large_grids_and_batches_take_torch_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []

    def spy(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(x.shape))
        return by_slices(x, weight)

    monkeypatch.setattr("shapesys.nets.convolution3d.by_slices", spy)
    weight = torch.zeros(1, 5, 3, 3, 3)
    sizes = [(1, 5, 64, 64, 2), (1, 5, 64, 65, 2), (2, 5, 8, 8, 8)]
    for shape in sizes:
        convolve(torch.zeros(shape), weight)
    assert seen == [sizes[0]]
    assert 5 * 64 * 64 <= SMALL < 5 * 64 * 65
