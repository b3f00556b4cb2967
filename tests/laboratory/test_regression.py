"""Which losses keep a sign change on the line."""

from __future__ import annotations

import numpy as np
import pytest

from shapesys.laboratory.regression import Result, Settings, run


@pytest.fixture(scope="module")
def result() -> Result:
    return run((7, 8))


def test_the_sign_agnostic_loss_finds_the_signed_distance_and_plain_ones_the_unsigned(result: Result) -> None:
    assert [claim.text for claim in result.claims() if not claim.holds] == []
    signed = result.x - result.place
    for values in result.found["sign-agnostic"]:
        assert np.abs(np.abs(values) - np.abs(signed)).max() < 0.03
        # The start rises, and so does what it becomes.
        assert np.corrcoef(values, signed)[0, 1] > 0.999
    for name in ("L1", "L2"):
        assert (result.found[name] > -1e-2).all()
        assert (result.signed_error(name) > 0.2).all()


def test_the_start_is_a_rising_line(result: Result) -> None:
    for values in result.start:
        slope, level = np.polyfit(result.x, values, 1)
        assert 0.5 < slope < 1.5
        np.testing.assert_allclose(values, slope * result.x + level, atol=0.05)


def test_a_point_elsewhere_is_found() -> None:
    other = run((0,), Settings(place=-0.45))
    [[place]] = other.crossings("sign-agnostic")
    assert place == pytest.approx(-0.45, abs=0.02)


def test_crossings_and_errors_of_known_functions() -> None:
    x = np.linspace(-1, 1, 201)
    known = {"sign-agnostic": (0.3 - x)[None], "L1": (np.abs(x) - 0.5)[None], "L2": np.abs(x - 0.3)[None]}
    result = Result(x, 0.3, x[None], known)
    np.testing.assert_allclose(result.crossings("L1")[0], (-0.5, 0.5))
    np.testing.assert_allclose(result.signed_error("sign-agnostic"), 0.0, atol=1e-12)
    np.testing.assert_allclose(result.unsigned_error("L2"), 0.0, atol=1e-12)
    failed = [claim.text for claim in result.claims() if not claim.holds]
    assert failed == ["L1: mean |f − h|, worst seed", "L1: sign changes, most of any seed"]  # noqa: RUF001
