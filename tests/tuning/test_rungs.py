from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shapesys.tuning.rungs import first_rung, rung_epochs

EPOCHS, RUNGS, REDUCTION = st.integers(1, 3000), st.integers(1, 7), st.integers(2, 6)


@pytest.mark.parametrize(
    ("epochs", "rungs", "reduction", "expected"),
    [
        (500, 3, 3, (56, 168, 500)),
        (9, 3, 3, (1, 3, 9)),
        (10, 3, 3, (2, 6, 10)),
        (4, 9, 3, (1, 3, 4)),
        (1, 3, 3, (1,)),
        (100, 1, 2, (100,)),
        (243, 6, 3, (1, 3, 9, 27, 81, 243)),
    ],
)
def test_rungs(epochs: int, rungs: int, reduction: int, expected: tuple[int, ...]) -> None:
    assert rung_epochs(epochs, rungs, reduction) == expected


@settings(deadline=None)
@given(EPOCHS, RUNGS, REDUCTION)
def test_rungs_grow_by_the_factor_and_end_with_training(epochs: int, rungs: int, reduction: int) -> None:
    found = rung_epochs(epochs, rungs, reduction)
    assert found[-1] == epochs
    assert 1 <= len(found) <= rungs
    assert all(later == earlier * reduction for earlier, later in itertools.pairwise(found[:-1]))
    assert list(found) == sorted(set(found))
    assert len(found) == 1 or found[-2] * reduction >= epochs, "no longer gap before the end than between rungs"


@settings(deadline=None)
@given(EPOCHS, RUNGS, REDUCTION)
@example(243, 6, 3)
@example(125, 4, 5)
def test_rungs_are_the_milestones_of_rays_scheduler(epochs: int, rungs: int, reduction: int) -> None:
    schedulers = pytest.importorskip("ray.tune.schedulers")
    first = first_rung(epochs, rungs, reduction)
    scheduler = schedulers.AsyncHyperBandScheduler(
        time_attr="epoch", grace_period=first, max_t=epochs, reduction_factor=reduction, metric="v", mode="min"
    )
    milestones = {int(milestone) for milestone, _ in scheduler._brackets[0]._rungs}
    assert milestones - {epochs} == set(rung_epochs(epochs, rungs, reduction)[:-1])
