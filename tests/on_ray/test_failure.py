"""Ray's own errors in the words of a user. Nothing is started here."""

from __future__ import annotations

import pytest

ray = pytest.importorskip("ray")


def test_a_wait_for_room_names_flags_and_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.train import ControllerError
    from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError

    from shapesys.on_ray.failure import first_cause

    monkeypatch.setenv("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "12.5")
    said = first_cause(ControllerError(WorkerGroupStartupTimeoutError(2)))
    assert said.startswith("the cluster had no room for 2 workers within 12.5 s")
    assert "--scale.timeout-s" in said
    assert "continues from the last checkpoint" in said


TRACE = """Traceback (most recent call last):
  File "/lib/python3.11/site-packages/ray/air/execution/_internal/event_manager.py", line 110, in resolve_future
    result = ray.get(future)
{words}
"""
APPLICATION = """ray.exceptions.RayTaskError({name}): \x1b[36mray::ImplicitFunc.train()\x1b[39m (pid=4, ip=127.0.0.1)
  File "/code/shapesys/on_ray/tune_trial.py", line 40, in run_in_tune
    raise it
{name}: {said}"""
DIED = "a worker process died: out of memory, or killed from outside"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task.\n\tpid: 4", DIED),
        ("ray.exceptions.OutOfMemoryError: Task was killed due to the node running low on memory.", DIED),
        ("ray.exceptions.ActorUnavailableError: The actor abc is unavailable: keepalive failed", DIED),
        (APPLICATION.format(name="shapesys.errors.ShapesysError", said="no room: none"), "no room: none"),
        (APPLICATION.format(name="ValueError", said="too large\n\n  "), "too large"),
        (APPLICATION.format(name="KeyError", said="'loss'"), "'loss'"),
    ],
)
def test_the_cause_is_found_in_a_traceback(words: str, said: str) -> None:
    from shapesys.on_ray.failure import cause_in_trace

    assert cause_in_trace(TRACE.format(words=words)) == said


@pytest.mark.parametrize("text", ["", " \n\n"])
def test_a_trial_that_left_no_words_has_no_reason_known(text: str) -> None:
    from shapesys.on_ray.failure import cause_in_trace

    assert cause_in_trace(text) == "no reason known"
