from __future__ import annotations

import numpy as np
import pytest

from shapesys.errors import ShapesysError
from shapesys.training.plan import TrainPlan, Window

PLAN = TrainPlan(num_shapes=10, shapes_per_step=4, points_per_shape=48, chunk_count=3, chunk_size=32, seed=7)


def test_every_query_is_read_before_any_is_read_again() -> None:
    seen = [
        (window.chunk, point)
        for epoch in range(2)
        for window in PLAN.windows(epoch)
        for point in range(window.start, window.stop)
    ]
    assert len(seen) == len(set(seen)) == 96


def test_windows_cross_chunks_and_wrap_around() -> None:
    assert PLAN.windows(0) == (Window(0, 0, 32), Window(1, 0, 16))
    assert PLAN.windows(1) == (Window(1, 16, 32), Window(2, 0, 32))
    assert PLAN.windows(2) == PLAN.windows(0)


def test_an_epoch_visits_distinct_shapes_in_a_new_order_each_time() -> None:
    epochs = [np.concatenate([PLAN.shapes(step) for step in (2 * epoch, 2 * epoch + 1)]) for epoch in range(8)]
    assert all(len(set(epoch.tolist())) == 8 for epoch in epochs)
    assert len({tuple(epoch.tolist()) for epoch in epochs}) == 8
    assert set(np.concatenate(epochs).tolist()) == set(range(10)), "shapes left over wait for another epoch"


@pytest.mark.parametrize(("world_size", "accumulate"), [(1, 1), (2, 1), (1, 3), (2, 2)])
def test_workers_and_micro_batches_share_the_same_global_step(world_size: int, accumulate: int) -> None:
    parts = [PLAN.micro_batches(3, rank, world_size, accumulate) for rank in range(world_size)]
    shared = sorted(index for part in parts for micro in part for index in micro.shape_indices)
    assert shared == sorted(PLAN.shapes(3).tolist())


def test_too_many_workers_are_refused_with_the_way_out() -> None:
    with pytest.raises(ShapesysError, match=r"lower --scale.num-workers"):
        PLAN.micro_batches(0, 0, 5, 1)


def test_more_points_than_stored_are_refused() -> None:
    with pytest.raises(ShapesysError, match="97 exceeds the 96"):
        TrainPlan(num_shapes=2, shapes_per_step=1, points_per_shape=97, chunk_count=3, chunk_size=32, seed=0)


def test_fewer_shapes_than_a_step_asks_for_are_all_taken() -> None:
    plan = TrainPlan(num_shapes=3, shapes_per_step=48, points_per_shape=8, chunk_count=1, chunk_size=8, seed=0)
    assert sorted(plan.shapes(5).tolist()) == [0, 1, 2]


def test_the_order_of_an_epoch_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = [PLAN.shapes(step).tolist() for step in range(4)]
    monkeypatch.setattr(np.random, "default_rng", None)
    assert [PLAN.shapes(step).tolist() for step in range(4)] == first
