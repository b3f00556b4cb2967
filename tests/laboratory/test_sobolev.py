"""What derivatives are worth in samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from shapesys.laboratory.sobolev import DERIVATIVES, VALUES, Formula, Result, Settings, run


@pytest.fixture(scope="module")
def result() -> Result:
    return run((0, 1), Settings(counts=(2, 8)))


def test_two_samples_with_derivatives_determine_the_function(result: Result) -> None:
    assert [claim.text for claim in result.claims() if not claim.holds] == []
    np.testing.assert_allclose(result.fits[DERIVATIVES].through, result.target[None].repeat(8, 0), atol=1e-4)


def test_two_values_leave_a_family_of_functions(result: Result) -> None:
    through = result.fits[VALUES].through
    (left, low), (right, high) = sorted(zip(result.places, result.levels, strict=True))
    assert left < 0 < right
    offsets = through[:, len(result.x) // 2]
    assert np.ptp(offsets) > 0.1
    # Each is the member of the family that its value at 0 names.
    for values, offset in zip(through, offsets, strict=True):
        slopes = np.where(result.x > 0, (high - offset) / right, (low - offset) / left)
        np.testing.assert_allclose(values, slopes * result.x + offset, atol=2e-3)


def test_more_samples_help_networks(result: Result) -> None:
    few, many = np.median(result.fits[VALUES].network, axis=1)
    assert many < few / 4


def test_samples_stand_on_both_sides_with_values_and_slopes_of_the_target() -> None:
    held = Settings().samples(6, (0, 1, 2))
    x = held.points.squeeze(-1)
    assert ((x < 0).sum(dim=1) == 3).all()
    torch.testing.assert_close(held.values, torch.where(x > 0, 1.6 * x, -0.4 * x) + 0.2)
    torch.testing.assert_close(held.gradients.squeeze(-1), torch.where(x > 0, 1.6, -0.4))


def test_the_formula_has_the_slopes_of_its_values() -> None:
    formula = Formula((0, 1, 2)).double()
    x = torch.linspace(-1, 1, 50, dtype=torch.float64)[:, None].expand(3, -1, -1).clone().requires_grad_()
    values, slopes = formula.with_gradients(x)
    a, b, c = formula.parts.unbind(dim=1)
    torch.testing.assert_close(values, torch.maximum(a * x[..., 0], b * x[..., 0]) + c)
    torch.testing.assert_close(slopes, torch.autograd.grad(values.sum(), x)[0])


def test_fits_that_have_not_begun_bear_nothing_out() -> None:
    early = run((0,), Settings(counts=(2,), fits=2, formula_steps=1, network_steps=1))
    assert sum(not claim.holds for claim in early.claims()) >= 3
