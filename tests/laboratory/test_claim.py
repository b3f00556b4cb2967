"""Claims, and the figures by name."""

from __future__ import annotations

import math

import pytest

from shapesys.errors import UsageError
from shapesys.laboratory.claim import Claim
from shapesys.laboratory.registry import FIGURES, chosen


@pytest.mark.parametrize(
    ("claim", "holds", "wanted"),
    [
        (Claim("a", 0.5, most=0.5), True, "≤ 0.5"),
        (Claim("a", 0.6, most=0.5), False, "≤ 0.5"),
        (Claim("a", 0.6, least=0.5), True, "≥ 0.5"),
        (Claim("a", 0.4, 0.5, 2), False, "≥ 0.5, ≤ 2"),
        (Claim("a", 2, 2, 2), True, "2"),
        (Claim("a", 3, 2, 2), False, "2"),
        (Claim("a", math.nan, most=0.5), False, "≤ 0.5"),
    ],
)
def test_a_claim_holds_within_its_interval(claim: Claim, holds: bool, wanted: str) -> None:
    assert (claim.holds, claim.wanted) == (holds, wanted)


def test_figures_keep_their_order_and_come_once() -> None:
    assert list(chosen(())) == list(FIGURES)
    assert list(chosen(("sobolev", "regression", "sobolev"))) == ["regression", "sobolev"]
    with pytest.raises(UsageError, match="unknown figure 'completon'; did you mean completion"):
        chosen(("completon",))
