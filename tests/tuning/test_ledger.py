from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shapesys.tuning.ledger import Ledger, Report, Trial, TrialRecord

FIRST = Trial("000-s0", 0, 0, {"model.hidden": 16, "inference.cloud_stds": [0.1, 0.2]})
SECOND = Trial("001-s0", 1, 0, {"model.hidden": 32, "inference.cloud_stds": [0.3]})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trials.jsonl"


def filled(path: Path) -> Ledger:
    ledger = Ledger(path)
    ledger.begin(FIRST)
    ledger.begin(SECOND)
    ledger.report(FIRST.id, Report(3, 0.5, {"iou": 0.9}, 2.0))
    ledger.report(FIRST.id, Report(9, 0.25, {"iou": 0.95}, 4.0))
    ledger.end(FIRST.id, "finished")
    ledger.report(SECOND.id, Report(3, 0.75))
    return ledger


def test_a_new_ledger_knows_what_the_last_one_wrote(path: Path) -> None:
    ledger = filled(path)
    records = Ledger(path).records()
    assert records == ledger.records()
    first, second = records.values()
    assert (first.trial, first.ending, first.value, first.epoch, first.seconds) == (FIRST, "finished", 0.25, 9, 6.0)
    assert first.reports[1] == Report(9, 0.25, {"iou": 0.95}, 4.0)
    assert first.ended >= first.begun > 0
    assert (second.trial, second.ending, second.ended, second.value) == (SECOND, None, 0.0, 0.75)


def test_no_file_is_an_empty_ledger(path: Path) -> None:
    assert Ledger(path).records() == {}
    assert not path.exists()


def test_a_trial_without_reports_has_no_value() -> None:
    record = TrialRecord(FIRST)
    assert (record.value, record.epoch, record.seconds) == (None, 0, 0.0)


@given(st.floats(0, 1))
@settings(deadline=None, max_examples=50)
def test_a_crash_in_the_middle_of_a_line_costs_that_line_alone(
    tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "trials.jsonl"
    filled(path)
    whole = path.read_bytes()
    cut = round(share * len(whole))
    path.write_bytes(whole[:cut])
    lines = whole[:cut].split(b"\n")
    survivors = path.with_name("survivors.jsonl")
    # A line that lacks its line break alone is whole.
    complete = [line for line in lines if line and line.endswith(b"}") and _is_json(line)]
    survivors.write_bytes(b"".join(line + b"\n" for line in complete))
    assert Ledger(path).records() == Ledger(survivors).records()
    ledger = Ledger(path)
    third = Trial("002-s0", 2, 0, {"model.hidden": 64})
    ledger.begin(third)
    ledger.end(third.id, "stopped")
    assert Ledger(path).records() == ledger.records()
    assert Ledger(path).records()[third.id].ending == "stopped"


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def test_a_rung_said_again_changes_nothing_but_its_values(path: Path) -> None:
    ledger = filled(path)
    ledger.report(FIRST.id, Report(3, 0.4, {}, 1.0))
    [first, _] = Ledger(path).records().values()
    assert [(report.epoch, report.value) for report in first.reports] == [(3, 0.4), (9, 0.25)]


def test_reports_are_in_the_order_of_epochs(path: Path) -> None:
    ledger = Ledger(path)
    ledger.begin(FIRST)
    for epoch in (9, 1, 3):
        ledger.report(FIRST.id, Report(epoch, float(epoch)))
    assert [report.epoch for report in ledger.records()[FIRST.id].reports] == [1, 3, 9]


def test_a_trial_that_starts_again_has_not_ended_and_keeps_its_rungs(path: Path) -> None:
    ledger = filled(path)
    begun = ledger.records()[FIRST.id].begun
    ledger.end(SECOND.id, "errored", "no space left")
    assert (ledger.records()[SECOND.id].ending, ledger.records()[SECOND.id].error) == ("errored", "no space left")
    ledger.begin(SECOND)
    ledger.begin(FIRST)
    first, second = Ledger(path).records().values()
    assert (first.ending, first.ended, first.value, first.begun) == (None, 0.0, 0.25, begun)
    assert (second.ending, second.error, second.value) == (None, "", 0.75)


def test_lines_of_others_and_of_trials_whose_beginning_is_lost_are_left_out(path: Path) -> None:
    filled(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(["[]", "null", "7", *lines[1:]]) + "\n", encoding="utf-8")
    assert list(Ledger(path).records()) == [SECOND.id]
