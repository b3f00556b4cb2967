"""SAL beside SALD from few queries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from shapesys.laboratory.curve import BOOT
from shapesys.laboratory.lattice import Lattice
from shapesys.laboratory.level_sets import Learned, Result, Settings, _measured, run
from shapesys.laboratory.networks import Networks, Shape


@pytest.fixture(scope="module")
def result() -> Result:
    return run((5, 6), Settings(resolution=81))


def test_level_sets_of_sald_are_nearer_to_those_of_the_distance(result: Result) -> None:
    assert [claim.text for claim in result.claims() if not claim.holds] == []
    for learned in result.learned.values():
        recomputed = np.abs(np.abs(learned.values) - result.distance).mean(axis=(1, 2))
        np.testing.assert_allclose(learned.value_error, recomputed, rtol=1e-4)


def test_the_claims_fail_the_other_way_round(result: Result) -> None:
    swapped = {"SAL": result.learned["SALD"], "SALD": result.learned["SAL"]}
    assert not any(claim.holds for claim in replace(result, learned=swapped).claims())


def test_errors_of_a_field_that_is_the_distance_or_its_negative_are_none() -> None:
    lattice = Lattice(21)
    distance, direction = BOOT.distance(lattice.points)

    class Exact(Networks):
        def with_gradients(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            signs = torch.tensor([1.0, -1.0])
            return signs[:, None] * distance, signs[:, None, None] * direction

    found = _measured(Exact(Shape(2, width=4), (0, 1)), lattice, distance, direction)
    assert isinstance(found, Learned)
    np.testing.assert_array_equal(found.value_error, 0.0)
    np.testing.assert_array_equal(found.gradient_error, 0.0)
