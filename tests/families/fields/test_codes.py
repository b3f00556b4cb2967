"""Codes of unseen shapes, on errors whose valleys are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from shapesys.families.base import Observation
from shapesys.families.fields.codes import CodeSearch, find_codes

SEARCH = CodeSearch(iterations=200, learning_rate=0.05, points=4, trained_starts=8)


def observed(*distances: float) -> list[Observation]:
    """Shapes whose every query is this far from the surface."""
    columns = [{"points": np.zeros((4, 3), np.float32), "distance": np.full(4, d, np.float32)} for d in distances]
    return [Observation(f"mug/{number}", column, "mug", 1.0) for number, column in enumerate(columns)]


def two_valleys(codes: Tensor, points: Tensor, distance: Tensor) -> tuple[Tensor, Tensor]:
    """The truth is a valley of error 0; another one, of error 1/2, lies at the code 0."""
    code, truth = codes[..., 0], distance.mean(dim=1)[:, None]
    return torch.minimum((code - truth).square(), 0.5 + code.square()), torch.zeros_like(code)


def test_a_start_near_zero_stays_in_the_wrong_valley_and_one_from_trained_codes_does_not() -> None:
    trained = torch.tensor([[-3.5], [2.6], [9.0]])
    shapes = observed(3.0, -3.0)
    stuck = find_codes(two_valleys, trained, shapes, SEARCH.override({"trained_starts": 0}), seed=0)
    np.testing.assert_allclose(stuck.errors, [0.5, 0.5], atol=1e-3)
    found = find_codes(two_valleys, trained, shapes, SEARCH, seed=0)
    np.testing.assert_allclose(found.errors, [0.0, 0.0], atol=1e-3)
    np.testing.assert_allclose(found.codes, [[3.0], [-3.0]], atol=1e-2)
    assert trained.tolist() == [[-3.5], [np.float32(2.6)], [9.0]]


def test_a_shapes_own_start_is_kept_where_it_fits_better() -> None:
    found = find_codes(two_valleys, torch.tensor([[40.0]]), observed(0.2), SEARCH, seed=0)
    np.testing.assert_allclose(found.codes, [[0.2]], atol=1e-2)


def test_more_restarts_start_from_more_trained_codes() -> None:
    """The best first fit can lie in the worse valley."""
    trained, shape = torch.tensor([[0.1], [1.9]]), observed(3.0)
    one = find_codes(two_valleys, trained, shape, SEARCH.override({"initial_std": 0.0}), seed=0)
    # Both valleys' starts are optimised where the shape's own, at 0, and one more are.
    three = find_codes(two_valleys, trained, shape, SEARCH.override({"restarts": 3}), seed=0)
    assert one.errors[0] == pytest.approx(0.5, abs=1e-3)
    assert three.errors[0] == pytest.approx(0.0, abs=1e-3)


def test_what_is_found_of_a_shape_depends_on_no_other_and_few_of_many_codes_are_tried() -> None:
    trained = torch.linspace(-20, 20, 400)[:, None]
    search = SEARCH.override({"trained_starts": 40, "iterations": 20})
    tried: list[int] = []

    def counted(codes: Tensor, points: Tensor, distance: Tensor) -> tuple[Tensor, Tensor]:
        tried.append(codes.shape[1])
        return two_valleys(codes, points, distance)

    together = find_codes(counted, trained, observed(3.0, -7.0), search, seed=0)
    assert sum(count for count in tried if count > 1) == 41
    apart = find_codes(two_valleys, trained, observed(3.0, -7.0)[1:], search, seed=0)
    assert torch.equal(together.codes[1:], apart.codes)
