from __future__ import annotations

import pytest
import torch

from shapesys.families.fields.saliency import saliency_warnings, start_saliency, weight_by_saliency
from shapesys.nets.implicit_decoder import ImplicitDecoder


def drawn(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    error = torch.rand(3, 50, generator=generator, dtype=torch.float64) * 0.1
    return error, torch.randn(3, 50, generator=generator, dtype=torch.float64)


def test_equation_1_of_any_error() -> None:
    error, logits = drawn()
    found = weight_by_saliency(error, logits, 1e-3)
    saliency = 1 / (1 + (-logits).exp())
    torch.testing.assert_close(found.saliency, saliency)
    torch.testing.assert_close(found.error.value, (error * saliency).mean())
    torch.testing.assert_close(found.log.value, -saliency.log().mean())
    assert (found.error.weight, found.log.weight) == (1.0, 1e-3)


def test_without_lambda_errors_are_not_weighted_and_the_head_keeps_a_gradient_of_zero() -> None:
    error, logits = drawn()
    logits.requires_grad_(True)
    found = weight_by_saliency(error, logits, 0.0)
    assert torch.equal(found.error.value, error.mean())
    (found.error.weight * found.error.value + found.log.weight * found.log.value).backward()
    assert logits.grad is not None
    assert torch.count_nonzero(logits.grad) == 0


def test_statistics_describe_the_map() -> None:
    logits = torch.tensor([[10.0, 0.0], [10.0, 10.0]])
    found = weight_by_saliency(torch.zeros(2, 2), logits, 1e-3).statistics
    assert float(found["saliency_saturated"]) == 0.75
    assert float(found["saliency_min"]) == pytest.approx((0.5 + 1.0) / 2, abs=1e-3)


@pytest.mark.parametrize(("weight", "expected"), [(1e-3, 1e-3 / 0.03), (1.0, 0.5), (0.0, 0.5)])
def test_saliency_starts_at_its_optimum_for_first_errors(weight: float, expected: float) -> None:
    decoder = ImplicitDecoder(2, hidden=16, layers=3, skip_at=None, outputs=2)
    start_saliency(decoder, weight, 0.1)
    assert float(decoder.head.bias[1].detach().sigmoid()) == pytest.approx(expected)


@pytest.mark.parametrize(("weight", "word"), [(1e-2, "saturates"), (1e-4, "noisy"), (1e-5, "vanishes")])
def test_the_failures_of_appendix_a1(weight: float, word: str) -> None:
    assert word in saliency_warnings(weight)[0]
    assert saliency_warnings(1e-3) == []
