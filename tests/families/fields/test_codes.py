"""Codes of unseen shapes, on errors whose valleys are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from shapesys.families.base import Observation
from shapesys.families.fields.codes import CodeSearch, find_codes
from shapesys.families.observed import Queries

SEARCH = CodeSearch(iterations=200, learning_rate=0.05, points=4, trained_starts=8)


def observed(*distances: float) -> list[Observation]:
    """Shapes whose every query is this far from the surface."""
    columns = [{"points": np.zeros((4, 3), np.float32), "distance": np.full(4, d, np.float32)} for d in distances]
    return [Observation(f"mug/{number}", column, "mug", 1.0) for number, column in enumerate(columns)]


def two_valleys(codes: Tensor, queries: Queries) -> tuple[Tensor, Tensor]:
    """The truth is a valley of error 0; another one, of error 1/2, lies at the code 0."""
    code, truth = codes[..., 0], queries["distance"].mean(dim=1)[:, None]
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
    trained, shape = torch.tensor([[-30.0], [30.0], [0.1], [1.9]]), observed(3.0)
    one = find_codes(two_valleys, trained, shape, SEARCH.override({"initial_std": 0.0}), seed=0)
    # The shape's own start, at 0, and those in both valleys.
    three = find_codes(two_valleys, trained, shape, SEARCH.override({"restarts": 3}), seed=0)
    assert one.errors[0] == pytest.approx(0.5, abs=1e-3)
    assert three.errors[0] == pytest.approx(0.0, abs=1e-3)
    # More than there are trained codes: all of these, and more of its own.
    eight = find_codes(two_valleys, trained, shape, SEARCH.override({"restarts": 8}), seed=0)
    assert eight.errors[0] == pytest.approx(0.0, abs=1e-3)


class Watched:
    """Two valleys, and which codes of the first shape were looked at without a gradient, by how many at a time."""

    def __init__(self) -> None:
        self.tried: list[float] = []
        self.sizes: list[int] = []

    def __call__(self, codes: Tensor, queries: Queries) -> tuple[Tensor, Tensor]:
        if not torch.is_grad_enabled():
            self.tried += codes[0, :, 0].tolist()
            self.sizes.append(codes.shape[1] * queries["points"].shape[1])
        return two_valleys(codes, queries)


def test_of_many_codes_few_are_tried_and_likely_ones_first() -> None:
    trained = torch.linspace(-20, 20, 400)[:, None]
    search = SEARCH.override({"trained_starts": 40, "iterations": 1, "points": 8, "restarts": 2})
    likely = (3, 200, 399)
    watched = Watched()
    find_codes(watched, trained, observed(3.0), search, seed=0, likely=likely)
    # One of its own, and at last those that were optimised.
    tried = watched.tried[1:-2]
    assert len(set(tried)) == 40
    assert set(tried) >= {trained[row].item() for row in likely}
    # No more at a time than the optimisation takes; the last look is at what it found.
    assert max(watched.sizes[:-1]) == 2 * 8
    other = Watched()
    find_codes(other, trained, observed(3.0), search, seed=1, likely=range(100))
    assert max(other.tried[1:-2]) < trained[100].item()


def test_what_is_found_of_a_shape_depends_on_no_other() -> None:
    trained = torch.linspace(-20, 20, 400)[:, None]
    search = SEARCH.override({"trained_starts": 40, "iterations": 20})
    together = find_codes(two_valleys, trained, observed(3.0, -7.0), search, seed=0)
    apart = find_codes(two_valleys, trained, observed(3.0, -7.0)[1:], search, seed=0)
    assert torch.equal(together.codes[1:], apart.codes)
