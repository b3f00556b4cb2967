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
