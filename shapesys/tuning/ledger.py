"""The ledger of a sweep: what was tried, what was measured, how it ended. A killed driver goes on from it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

Ending = Literal["finished", "stopped", "errored"]
"""finished: all epochs; stopped: early, behind others at a rung; errored: its own error. Without one: not ended."""


@dataclass(frozen=True)
class Trial:
    """One training run of a sweep.

    Attributes:
        id: point number and seed, e.g. ``003-s1``; the name of its run directory.
        number: which point of the search, from 0.
        seed: its ``train.seed``.
        point: dotted path -> value of every knob.
    """

    id: str
    number: int
    seed: int
    point: Mapping[str, Any]


@dataclass(frozen=True)
class Report:
    """One rung of a trial.

    Attributes:
        epoch: epochs trained when it was measured.
        value: the objective.
        metrics: means of every metric of the evaluation, by name.
        seconds: training and evaluation since the rung before.
    """

    epoch: int
    value: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class TrialRecord:
    """Everything the ledger knows of a trial; `ending` is None while it has not ended.

    Attributes:
        begun: seconds since 1970 of its first start.
        ended: likewise of its ending; 0 while it has not ended.
    """

    trial: Trial
    reports: tuple[Report, ...] = ()
    ending: Ending | None = None
    error: str = ""
    begun: float = 0.0
    ended: float = 0.0

    @property
    def value(self) -> float | None:
        """The objective at the last rung reached."""
        return self.reports[-1].value if self.reports else None

    @property
    def epoch(self) -> int:
        return self.reports[-1].epoch if self.reports else 0

    @property
    def seconds(self) -> float:
        return sum(report.seconds for report in self.reports)

    def with_report(self, report: Report) -> TrialRecord:
        """The record with one more rung, or with a rung measured again."""
        kept = [known for known in self.reports if known.epoch != report.epoch]
        return replace(self, reports=tuple(sorted([*kept, report], key=lambda known: known.epoch)))


class Ledger:
    """Appends events to a JSON-lines file, which only the driver of the sweep writes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._records: dict[str, TrialRecord] = {}
        for event in _read(path):
            self._take(event)

    def begin(self, trial: Trial) -> None:
        """A trial starts, or starts again."""
        known = {"number": trial.number, "seed": trial.seed, "point": dict(trial.point)}
        self._append({"event": "begin", "id": trial.id, **known})

    def report(self, trial_id: str, report: Report) -> None:
        """A rung was measured; saying it again changes nothing."""
        known = {"epoch": report.epoch, "value": report.value, "metrics": dict(report.metrics)}
        self._append({"event": "report", "id": trial_id, **known, "seconds": report.seconds})

    def end(self, trial_id: str, ending: Ending, error: str = "") -> None:
        self._append({"event": "end", "id": trial_id, "ending": ending, "error": error})

    def records(self) -> dict[str, TrialRecord]:
        """Every trial by id, in the order they first began."""
        return dict(self._records)

    def _take(self, event: Mapping[str, Any]) -> None:
        record = self._records.get(event["id"])
        # The line in which a trial began may have been lost; nothing of it can be used then.
        if record is not None or event["event"] == "begin":
            self._records[event["id"]] = _apply(record, event)

    def _append(self, event: Mapping[str, Any]) -> None:
        event = {**event, "time": time.time()}
        self._take(event)
        line = json.dumps(event) + "\n"
        with self._path.open("ab+") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - 1, 0))
            # A line that an earlier crash cut short must not swallow this one.
            torn = file.read(1) not in (b"", b"\n")
            file.write(("\n" if torn else "").encode() + line.encode())


def _read(path: Path) -> Iterable[dict[str, Any]]:
    """Whole events; a line cut short by a crash is as if it had not been written."""
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and "id" in event:
            yield event


def _apply(record: TrialRecord | None, event: Mapping[str, Any]) -> TrialRecord:
    if event["event"] == "begin":
        trial = Trial(event["id"], event["number"], event["seed"], event["point"])
        # A trial that starts again has not ended, whatever it did before.
        return replace(record, ending=None, error="", ended=0.0) if record else TrialRecord(trial, begun=event["time"])
    assert record is not None
    if event["event"] == "end":
        return replace(record, ending=event["ending"], error=event["error"], ended=event["time"])
    return record.with_report(Report(event["epoch"], event["value"], event["metrics"], event["seconds"]))
