"""The landscapes against their closed forms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from shapesys.laboratory.landscape import Result, Settings, run

PLACE = 0.3
# Of x - x0 for x uniform in [-1, 1], right and left of x0: mean distance and mean square.
RIGHT, LEFT = 0.7**2 / 4, 1.3**2 / 4
RIGHT_SQUARE, LEFT_SQUARE = 0.7**3 / 6, 1.3**3 / 6
CLOSED: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "sign-agnostic": lambda a, b: RIGHT * np.abs(np.abs(a) - 1) + LEFT * np.abs(np.abs(b) - 1),
    "L1": lambda a, b: RIGHT * np.abs(a - 1) + LEFT * np.abs(b + 1),
    "L2": lambda a, b: RIGHT_SQUARE * (a - 1) ** 2 + LEFT_SQUARE * (b + 1) ** 2,
}


@pytest.fixture(scope="module")
def result() -> Result:
    return run((0,))


@pytest.mark.parametrize("name", CLOSED)
def test_the_landscapes_are_those_of_the_closed_forms(result: Result, name: str) -> None:
    a, b = np.meshgrid(result.slopes, result.slopes)
    np.testing.assert_allclose(result.planes[name], CLOSED[name](a, b), atol=2e-5)
    np.testing.assert_allclose(result.lines[name], CLOSED[name](result.slopes, result.slopes), atol=2e-5)


def test_the_minima_over_lines(result: Result) -> None:
    np.testing.assert_allclose(result.minima("sign-agnostic"), (-1.0, 1.0))
    np.testing.assert_allclose(result.minima("L1"), (-1.0,))
    best = (RIGHT_SQUARE - LEFT_SQUARE) / (RIGHT_SQUARE + LEFT_SQUARE)
    np.testing.assert_allclose(result.minima("L2"), (best,), atol=0.013)


def test_descents_end_where_they_should(result: Result) -> None:
    ends = {name: np.stack([path[-1] for path in paths]) for name, paths in result.paths.items()}
    np.testing.assert_allclose(ends["sign-agnostic"], ((1, 1), (-1, -1)), atol=0.03)
    for name in ("L1", "L2"):
        np.testing.assert_allclose(ends[name], ((1, -1), (1, -1)), atol=0.03)
    assert [claim.text for claim in result.claims() if not claim.holds] == []


def test_a_descent_that_is_too_short_is_told() -> None:
    short = run((0,), Settings(steps=3))
    failed = [claim.text for claim in short.claims() if not claim.holds]
    assert len(failed) == 3
    assert all("miss" in text for text in failed)
