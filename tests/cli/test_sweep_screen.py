from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import rich.console

from shapesys.cli.sweep_screen import LiveScreen, PlainScreen, open_screen
from shapesys.config.base import parse
from shapesys.families import registry
from shapesys.training.config import resolve
from shapesys.tuning.config import Sweep, sweep_type
from shapesys.tuning.ledger import Ledger, Report, Trial, TrialRecord


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


class Terminal(io.StringIO):
    """A terminal of 120 columns and `height` lines, and what stands on it."""

    height = 40

    def isatty(self) -> bool:
        return True

    def take(self) -> str:
        """What was written since the last call, without colours and movements."""
        written = self.getvalue()
        self.seek(0)
        self.truncate()
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    found, console_type = Terminal(), rich.console.Console

    def console(**_: Any) -> rich.console.Console:
        return console_type(file=found, force_terminal=True, width=120, height=found.height)

    monkeypatch.setattr(rich.console, "Console", console)
    return found


def record(number: int, value: float | None = None, **how: Any) -> TrialRecord:
    reports = () if value is None else (Report(500, value),)
    return TrialRecord(Trial(f"{number:03d}-s0", number, 0, {"model.dropout": number / 10}), reports, **how)


def by_id(*records: TrialRecord) -> dict[str, TrialRecord]:
    return {record.trial.id: record for record in records}


def test_the_live_table_has_a_line_for_each_trial_below_a_bar(sweep: Sweep, terminal: Terminal) -> None:
    with LiveScreen(sweep, 4) as screen:
        screen.show(by_id(record(0, 0.25, ending="finished"), record(1)))
        first = terminal.take()
        failed = record(1, ending="errored", error="CUDA out of memory")
        screen.show(by_id(record(0, 0.25, ending="finished"), failed, record(2, 0.125, ending="finished")))
        second = terminal.take()
    assert re.search(r" 0\.2500 .* 500 .* finished ", line_of(first, "000-s0"))
    assert "running" in line_of(first, "001-s0")
    assert "1 finished, 0 stopped early, 0 errored, 1 running" in first
    assert re.search(r"tune .* 1/4 trials", first)
    assert second.index("002-s0") < second.index("000-s0") < second.index("001-s0")
    assert "CUDA out of memory" in line_of(second, "001-s0")
    assert re.search(r"tune .* 3/4 trials", second)


def line_of(text: str, word: str) -> str:
    return next(line for line in text.splitlines() if word in line)


def test_the_live_table_keeps_to_the_height_of_the_terminal(sweep: Sweep, terminal: Terminal) -> None:
    terminal.height = 20
    with LiveScreen(sweep, 30) as screen:
        screen.show(by_id(*(record(number, number / 100, ending="finished") for number in range(30))))
        shown = terminal.take().split("\r")[-1]
    assert len(re.findall(r"\d\d\d-s0", shown)) == 10
    assert "20 more points not shown" in " ".join(shown.split())
    assert len(shown.splitlines()) < terminal.height
    assert "30/30 trials" in shown.splitlines()[0], "where nothing is cut off"


def test_a_note_stays_above_the_live_table(sweep: Sweep, terminal: Terminal) -> None:
    with LiveScreen(sweep, 1) as screen:
        screen.show(by_id(record(0)))
        terminal.take()
        screen.note("trial 000-s0 failed: [no markup]")
        assert terminal.take().lstrip().startswith("trial 000-s0 failed: [no markup]\n")


def test_the_live_table_disappears_with_the_sweep(sweep: Sweep, terminal: Terminal) -> None:
    with LiveScreen(sweep, 1) as screen:
        screen.show(by_id(record(0, 0.25, ending="finished")))
        drawn = terminal.take().rstrip("\n").count("\n") + 1
    assert terminal.getvalue().endswith("\x1b[1A\x1b[2K" * drawn), "each of its lines is wiped"


def test_a_terminal_gets_the_live_table_and_a_file_lines(
    sweep: Sweep, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", terminal)
    assert isinstance(open_screen(sweep, 1), LiveScreen)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(open_screen(sweep, 1), PlainScreen)
