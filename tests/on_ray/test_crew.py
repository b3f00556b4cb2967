"""How many actors a crew asks for. Nothing is started here."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("ray")

from shapesys.on_ray import crew as crew_module
from shapesys.on_ray.crew import REST, START_ATTEMPTS, Crew


def test_failed_starts_are_rested_from_not_given_up_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(crew_module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    actor = SimpleNamespace(ping=SimpleNamespace(remote=lambda: "reference"))
    crew = Crew(lambda: actor, 3, start_limit=60.0, way_out="")
    crew._failed_starts, crew._last_failure = START_ATTEMPTS, clock.now
    crew.staff(3)
    assert len(crew.workers) == 1
    clock.now += REST
    crew.staff(3)
    assert len(crew.workers) == 3
