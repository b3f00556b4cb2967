"""Losses that see the sign."""

from __future__ import annotations

import pytest
import torch

from shapesys.laboratory.curve import BOOT, Curve
from shapesys.laboratory.lattice import Lattice
from shapesys.laboratory.plane import PlaneSettings
from shapesys.laboratory.wrong_losses import Result, run


def test_plain_losses_leave_no_inside_and_sal_all_of_it() -> None:
    result = run((4,), PlaneSettings(resolution=101))
    assert [claim.text for claim in result.claims() if not claim.holds] == []
    for loss in ("L1", "L2"):
        assert (result.values[loss] > -0.01).all()
    assert len(result.lattice.zero_set(result.values["SAL"][0])) == 1


def test_networks_that_have_not_learned_keep_the_ball_and_fail() -> None:
    result = run((0,), PlaneSettings(resolution=41, steps=1))
    assert [claim.holds for claim in result.claims()] == [False, False, False]
    assert (result.inside("L1") > 0.1).all()


def test_the_inside_is_compared_with_the_curve() -> None:
    lattice = Lattice(201)
    square = Curve.through([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)], closed=True)
    inside = lattice.square(lattice.points.abs().amax(dim=1) - 0.5)[None]
    none = lattice.square(torch.ones(len(lattice.points)))[None]
    values = {"L1": none, "L2": none, "SAL": inside}
    assert all(claim.holds for claim in Result(square, lattice, values).claims())
    assert not Result(BOOT, lattice, values).claims()[-1].holds
    assert Result(square, lattice, values).inside("SAL") == pytest.approx([0.25], abs=0.01)
