"""What the pool makes of an actor that answers that it is broken; Ray itself is played."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("ray")

import ray

from shapesys.on_ray import pool as pool_module
from shapesys.on_ray.crew import Worker
from shapesys.on_ray.pool import ActorPool, BrokenWorker, Outcome


class Crew:
    def __init__(self) -> None:
        self.workers: list[Worker] = []

    def dismiss(self, workers: list[Worker]) -> None:
        self.workers = [worker for worker in self.workers if worker not in workers]


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let one item end with an error; returns the pool, the worker and what came of it."""

    def end(cause: Exception, lost: int = 0) -> tuple[ActorPool[str], Worker, list[Outcome[str]]]:
        def get(reference: Any) -> None:
            raise ray.exceptions.RayTaskError("run", "trace", cause)

        monkeypatch.setattr(pool_module.ray, "get", get)
        pool: ActorPool[str] = ActorPool(lambda: None, 1, deadline=lambda item: 60.0, attempts=3)
        crew: Any = Crew()
        pool._crew = crew
        task = pool_module._Task("a", lost)
        worker = Worker(None, None, task=task)
        task.workers, crew.workers = [worker], [worker]
        return pool, worker, list(pool._collect(worker))

    return end


def test_a_broken_actor_is_replaced_and_its_item_tried_again(fail: Any) -> None:
    pool, worker, outcomes = fail(BrokenWorker("CUDA error"))
    assert worker not in pool._crew.workers
    assert [task.item for task in pool._queue] == ["a"]
    assert outcomes == []


def test_an_item_that_broke_all_its_actors_fails_with_their_words(fail: Any) -> None:
    pool, _, outcomes = fail(BrokenWorker("CUDA error\nmore"), lost=2)
    assert outcomes == [Outcome("a", stage="crash", failure="its worker died 3 times: BrokenWorker: CUDA error")]
    assert not pool._queue


def test_any_other_error_is_the_items_own(fail: Any) -> None:
    pool, worker, outcomes = fail(ValueError("odd"))
    assert outcomes == [Outcome("a", stage="error", failure="ValueError: odd")]
    assert worker in pool._crew.workers


def test_what_is_tried_again_may_differ(fail: Any) -> None:
    pool, _, _ = fail(ValueError("odd"))
    pool._again = lambda item: f"{item} without notes"
    task = pool_module._Task("b", 1)
    list(pool._crashed(task, OSError("gone")))
    assert [(waiting.item, waiting.lost) for waiting in pool._queue] == [("b without notes", 1)]


def test_a_pool_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="a pool of 0 actors would never end"):
        ActorPool(lambda: None, 0, deadline=lambda item: 60.0)
