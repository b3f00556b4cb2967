from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shapesys.cli.sweep_screen import PlainScreen
from shapesys.config.base import parse
from shapesys.families import registry
from shapesys.training.config import resolve
from shapesys.tuning.config import Sweep, sweep_type
from shapesys.tuning.ledger import Ledger, Report, Trial


@pytest.fixture
def sweep() -> Sweep:
    space = {"name": "one", "family": "issn", "knobs": {"model.dropout": {"choices": [0.0]}}}
    base = resolve("issn", "tiny", {"data.store": "s"})
    found: Any = parse(sweep_type(registry.load("issn")), {"space": space, "base": base.model_dump(mode="json")})
    assert isinstance(found, Sweep)
    return found


def test_a_complete_sweep_is_told_once(sweep: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = Ledger(tmp_path / "trials.jsonl")
    ledger.begin(Trial("000-s0", 0, 0, {"model.dropout": 0.0}))
    with PlainScreen(sweep, 1) as screen:
        screen.show(ledger.records())
        ledger.report("000-s0", Report(500, 0.25))
        ledger.end("000-s0", "finished")
        for _ in range(3):
            screen.show(ledger.records())
        screen.note("trial 001 failed")
    said = capsys.readouterr().err.splitlines()
    assert [line.startswith("tune: 1/1 trials, running 0, best 0.25 (000-s0)") for line in said] == [True, False]
