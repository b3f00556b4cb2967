from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from shapesys.errors import ShapesysError, UsageError
from shapesys.training.contrast_plan import ContrastPlan, contrasting
from shapesys.training.plan import TrainPlan


def plan(interest: int = 10, others: int = 7, shapes_per_step: int = 4, seed: int = 0) -> ContrastPlan:
    categories = ["chair"] * interest + ["table"] * others
    base = TrainPlan(interest + others, shapes_per_step, 64, chunk_count=2, chunk_size=64, seed=seed)
    return contrasting(base, categories, "chair")


@pytest.mark.parametrize(("interest", "others", "step", "batch"), [(10, 7, 4, 4), (10, 1, 8, 2), (3, 90, 16, 6)])
def test_every_step_is_half_of_the_category_of_interest(interest: int, others: int, step: int, batch: int) -> None:
    found = plan(interest, others, step)
    assert found.batch == batch
    for number in range(3 * found.steps_per_epoch):
        shapes = found.shapes(number)
        assert len(shapes) == len(set(shapes.tolist())) == batch
        assert (shapes < interest).sum() == batch // 2


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_share_both_halves_and_leave_nothing_out(workers: int) -> None:
    found = plan(24, 24, 12)
    for step in range(5):
        mine = [found.micro_batches(step, rank, workers, 1)[0].shape_indices for rank in range(workers)]
        assert sorted(index for part in mine for index in part) == sorted(found.shapes(step).tolist())
        for part in mine:
            of_interest = sum(index < 24 for index in part)
            assert abs(2 * of_interest - len(part)) <= 2


def test_every_shape_is_read_before_any_is_read_again() -> None:
    found = plan(interest=12, others=7, shapes_per_step=6)
    steps = 4 * found.steps_per_epoch
    read = np.concatenate([found.shapes(step) for step in range(steps)])
    counts = Counter(read.tolist())
    assert {counts[row] for row in range(12)} == {4}
    of_others = [counts[row] for row in range(12, 19)]
    assert sum(of_others) == 3 * steps
    assert max(of_others) - min(of_others) <= 1


def test_passes_differ_and_a_seed_repeats_them() -> None:
    orders = [[plan(seed=seed).shapes(step).tolist() for step in range(10)] for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    epochs = plan().steps_per_epoch
    assert orders[0][:epochs] != orders[0][epochs : 2 * epochs]


def test_a_category_that_is_misspelt_or_missing_is_named() -> None:
    base = TrainPlan(2, 2, 64, chunk_count=2, chunk_size=64, seed=0)
    with pytest.raises(UsageError, match="--interest, one of: chair, table"):
        contrasting(base, ["chair", "table"], "")
    with pytest.raises(UsageError, match="did you mean chair"):
        contrasting(base, ["chair", "table"], "chiar")
    with pytest.raises(ShapesysError, match="nothing to tell 'chair' from"):
        contrasting(base, ["chair", "chair"], "chair")
