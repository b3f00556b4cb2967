"""Codes between two codes against what lines and great circles are."""

from __future__ import annotations

import numpy as np
import pytest

from shapesys.errors import UsageError
from shapesys.evaluation.latent_path import PATHS, PathKind, codes_between

RNG = np.random.default_rng(0)
FIRST, SECOND = (RNG.normal(size=8).astype(np.float32) for _ in range(2))
AT = np.linspace(0.0, 1.0, 6)


@pytest.mark.parametrize("path", PATHS)
def test_the_ends_are_the_given_codes_to_the_last_bit(path: PathKind) -> None:
    found = codes_between(FIRST, SECOND, AT, path)
    assert (found.shape, found.dtype) == ((6, 8), np.float32)
    np.testing.assert_array_equal(found[[0, -1]], [FIRST, SECOND])


@pytest.mark.parametrize("path", PATHS)
def test_from_a_code_to_itself_there_is_nothing_else(path: PathKind) -> None:
    np.testing.assert_array_equal(codes_between(FIRST, FIRST, AT, path), np.repeat(FIRST[None], 6, axis=0))


def test_a_line_goes_evenly() -> None:
    found = codes_between(FIRST, SECOND, AT)
    np.testing.assert_allclose(np.diff(found, axis=0), np.tile((SECOND - FIRST) / 5, (5, 1)), atol=1e-6)


def test_a_turn_goes_by_equal_angles_and_lengths_within_the_plane_of_both() -> None:
    found = codes_between(FIRST, 3 * SECOND, AT, "spherical").astype(np.float64)
    lengths = np.linalg.norm(found, axis=1)
    np.testing.assert_allclose(np.diff(lengths), np.diff(lengths)[0], atol=1e-6)
    directions = found / lengths[:, None]
    angles = np.arccos((directions[:-1] * directions[1:]).sum(axis=1))
    whole = np.arccos(np.float64(FIRST) @ SECOND / np.linalg.norm(FIRST) / np.linalg.norm(SECOND))
    np.testing.assert_allclose(angles, whole / 5, rtol=1e-5)
    assert np.linalg.matrix_rank(found, tol=1e-5) == 2


def test_a_quarter_turn_by_hand() -> None:
    right, up, at = np.array([2.0, 0.0]), np.array([0.0, 2.0]), np.array([1 / 3, 0.5])
    turned = codes_between(right, up, at, "spherical")
    np.testing.assert_allclose(turned, [[3**0.5, 1.0], [2**0.5, 2**0.5]], rtol=1e-6)
    np.testing.assert_allclose(codes_between(right, up, at), [[4 / 3, 2 / 3], [1.0, 1.0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("second", "complaint"), [(np.zeros(8), "a code is 0"), (-2 * FIRST, "opposite directions.*--path linear")]
)
def test_turns_that_no_plane_holds_are_refused_and_lines_are_not(second: np.ndarray, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        codes_between(FIRST, second, AT, "spherical")
    assert np.isfinite(codes_between(FIRST, second, AT)).all()


def test_an_unknown_path_is_named() -> None:
    with pytest.raises(UsageError, match="unknown path 'sphere'; did you mean spherical"):
        codes_between(FIRST, SECOND, AT, "sphere")  # type: ignore[arg-type]
