"""The trials of a sweep by point, and which point is best: never a trial that ended early."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from shapesys.metrics.names import better_direction
from shapesys.report.numbers import known
from shapesys.tuning.config import Sweep
from shapesys.tuning.ledger import TrialRecord

State = Literal["finished", "stopped", "errored", "running"]
STATES: tuple[State, ...] = ("finished", "stopped", "errored", "running")
WORDS = {"finished": "finished", "stopped": "stopped early", "errored": "errored", "running": "running"}


@dataclass(frozen=True)
class Point:
    """One point of the space with its trials, which differ in their seed alone.

    Attributes:
        number: which point of the search, from 0.
        values: dotted path -> value of every knob.
        records: its trials by seed.
        seeds: trials that the sweep gives it.
    """

    number: int
    values: Mapping[str, Any]
    records: tuple[TrialRecord, ...]
    seeds: int

    @property
    def name(self) -> str:
        """The trial's id where a point has one trial, else the number alone."""
        return self.records[0].trial.id if self.seeds == len(self.records) == 1 else f"{self.number:03d}"

    @property
    def scores(self) -> list[float]:
        """The objective after all epochs, of each seed that got there."""
        return [value for value in map(score, self.records) if value is not None]

    @property
    def mean(self) -> float | None:
        return statistics.fmean(self.scores) if self.scores else None

    @property
    def spread(self) -> float | None:
        """Standard deviation over seeds; None with fewer than two."""
        return statistics.stdev(self.scores) if len(self.scores) > 1 else None

    @property
    def complete(self) -> bool:
        """Whether every seed was trained for all epochs and measured."""
        return len(self.scores) >= self.seeds

    @property
    def seconds(self) -> float:
        return sum(record.seconds for record in self.records)


def score(record: TrialRecord) -> float | None:
    """The objective of a trial that was trained for all its epochs; None for any other."""
    return record.value if record.ending == "finished" and known(record.value) else None


def state(record: TrialRecord) -> State:
    return record.ending or "running"


def better(sweep: Sweep) -> int:
    """+1 where a higher objective is better, -1 where a lower one is."""
    return better_direction(sweep.tune.metric) or -1


def points_of(sweep: Sweep, records: Mapping[str, TrialRecord]) -> list[Point]:
    """The points that have begun, in the order of their numbers."""
    grouped: dict[int, list[TrialRecord]] = {}
    for record in records.values():
        grouped.setdefault(record.trial.number, []).append(record)
    return [_point(sweep, number, grouped[number]) for number in sorted(grouped)]


def _point(sweep: Sweep, number: int, records: Sequence[TrialRecord]) -> Point:
    ordered = tuple(sorted(records, key=lambda record: record.trial.seed))
    return Point(number, ordered[0].trial.point, ordered, sweep.tune.seeds)


def ranked(sweep: Sweep, points: Sequence[Point]) -> list[Point]:
    """Points with a finished trial, best first; those whose seeds have all finished stand before the others."""
    sign = better(sweep)
    finished = [(point.mean, point) for point in points if point.mean is not None]
    order = sorted(finished, key=lambda entry: (not entry[1].complete, -sign * entry[0], entry[1].number))
    return [point for _, point in order]


def best_point(sweep: Sweep, records: Mapping[str, TrialRecord]) -> Point | None:
    """The point with the best mean objective over its seeds, all epochs trained.

    Points whose seeds have all finished come before others, whatever their mean.

    Args:
        sweep: its metric says whether higher or lower is better.
        records: the ledger's.

    Returns:
        None while no trial has finished.
    """
    return next(iter(ranked(sweep, points_of(sweep, records))), None)


def first_line(text: str) -> str:
    """The first line of an error that says anything."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
