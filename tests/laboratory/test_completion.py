"""Gaps, and what closes them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from shapesys.laboratory.completion import Completed, OpenCurve, Result, Settings, run
from shapesys.laboratory.lattice import Lattice

CURVES = Settings().open_curves()
CIRCLE, SQUARE = CURVES["circle without an arc"], CURVES["square without a corner"]
LATTICE = Lattice(161)


def test_lengths_of_the_gaps() -> None:
    assert CIRCLE.segment == pytest.approx(2 * 0.7 * math.sin(math.radians(60)))
    assert CIRCLE.stretch_of_removed == pytest.approx(math.radians(60) / math.sin(math.radians(60)), rel=1e-4)
    assert SQUARE.segment == pytest.approx(0.45 * math.sqrt(2))
    assert SQUARE.stretch_of_removed == pytest.approx(math.sqrt(2))


@pytest.mark.parametrize("found", CURVES.values(), ids=CURVES)
def test_the_segment_and_the_missing_part_are_in_the_gap_and_the_curve_is_not(found: OpenCurve) -> None:
    share = np.linspace(0.01, 0.99, 50)[:, None]
    first, last = found.ends.numpy()
    assert found.in_gap(first + share * (last - first)).all()
    assert found.in_gap(found.removed.numpy()).all()
    middles = (found.curve.starts + found.curve.ends) / 2
    assert not found.in_gap(middles.numpy()).any()


def closed_by(field: Callable[[Tensor], Tensor]) -> Result:
    """As if every network were this field."""
    values = LATTICE.square(field(LATTICE.points))[None]
    completed = Completed(CIRCLE, {"SALD": values}, {"SALD": [LATTICE.zero_set(values[0])]})
    return Result(LATTICE, {"circle": completed})


def disc(points: Tensor) -> Tensor:
    return points.norm(dim=1) - 0.7


def cut_disc(points: Tensor) -> Tensor:
    return disc(points).maximum(points[:, 0] - 0.35)


def leaving(points: Tensor) -> Tensor:
    return disc(points).minimum(points[:, 1].abs().maximum(0.3 - points[:, 0]) - 0.1)


def island(points: Tensor) -> Tensor:
    return cut_disc(points).minimum((points - torch.tensor([0.8, 0.8])).norm(dim=1) - 0.1)


@pytest.mark.parametrize(("field", "stretch"), [(cut_disc, 1.0), (disc, 1.209)])
def test_lengths_of_known_completions(field: Callable[[Tensor], Tensor], stretch: float) -> None:
    assert closed_by(field).curves["circle"].stretch("SALD") == pytest.approx([stretch], rel=0.02)


@pytest.mark.parametrize(
    ("field", "holds"),
    [(cut_disc, [True, True]), (disc, [False, True]), (island, [False, False]), (leaving, [False, False])],
)
def test_the_whole_circle_an_island_and_a_way_out_are_told(
    field: Callable[[Tensor], Tensor], holds: list[bool]
) -> None:
    assert [claim.holds for claim in closed_by(field).claims()] == holds


def test_sald_takes_nearly_the_straight_way_from_a_small_ball_and_from_a_large_one() -> None:
    for radius in (0.5, 0.9):
        found = run((3,), Settings(radius=radius, resolution=121))
        assert [claim.text for claim in found.claims() if not claim.holds] == []
