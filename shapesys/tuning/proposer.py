"""What a search tries next, given everything it has tried.

A proposal depends on the space, the strategy, the seed and the history alone, so that a new driver goes on where a
killed one was. Points are numbered in the order in which they are asked for, from the history's last number on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from shapesys.errors import unknown_name
from shapesys.tuning.draws import random_points
from shapesys.tuning.ledger import Ending, TrialRecord
from shapesys.tuning.objective import Direction
from shapesys.tuning.space import Point, Space, grid, point_key

STRATEGIES = ("grid", "random", "optuna")
Fits = Callable[[Point], bool]
"""Whether the family takes a point's settings together."""
MOST_UNFIT = 10_000
"""Points in a row that the family refuses, after which a sequence is given up."""


@dataclass(frozen=True)
class PointResult:
    """What is known of one point, its seeds taken together.

    Attributes:
        number: which point of the search, from 0.
        rungs: epoch -> objective, the mean over the seeds that reached it.
        ending: finished where all its trials finished, else errored where one did, else stopped; None while one runs.
    """

    number: int
    point: Point
    rungs: Mapping[int, float]
    ending: Ending | None = None


class Proposer(Protocol):
    """Chooses points."""

    def ask(self) -> Point | None:
        """The next point; None where no untried one is left."""

    def tell(self, number: int, point: Point, rungs: Mapping[int, float], ending: Ending | None) -> None:
        """What became of a point that was asked for."""


def any_point(point: Point) -> bool:
    """A family that refuses no point."""
    return True


def make_proposer(
    space: Space,
    strategy: str,
    direction: Direction,
    seed: int,
    history: Sequence[PointResult] = (),
    fits: Fits = any_point,
) -> Proposer:
    """The proposer of a strategy: ``grid``, ``random`` or ``optuna`` (tree-structured Parzen estimators).

    Args:
        fits: points for which it is false are never proposed.

    Raises:
        UsageError: unknown strategy, or a grid of a space with ranges.
        ShapesysError: Optuna is not installed.
    """
    if strategy == "grid":
        return SequenceProposer(iter(grid(space)), history, fits)
    if strategy == "random":
        return SequenceProposer(random_points(space, seed), history, fits)
    if strategy == "optuna":
        from shapesys.tuning.optuna_proposer import OptunaProposer

        return OptunaProposer(space, direction, seed, history, fits)
    raise unknown_name("search strategy", strategy, STRATEGIES)


class SequenceProposer:
    """The points of a sequence that fit and were not tried, in its order; results change nothing."""

    def __init__(self, points: Iterator[Point], history: Sequence[PointResult], fits: Fits = any_point) -> None:
        self._points, self._fits = points, fits
        self._tried = {point_key(result.point) for result in history}

    def ask(self) -> Point | None:
        untried = (point for point in self._points if point_key(point) not in self._tried)
        return next((point for point in islice(untried, MOST_UNFIT) if self._fits(point)), None)

    def tell(self, number: int, point: Point, rungs: Mapping[int, float], ending: Ending | None) -> None:
        """Nothing to learn."""


def point_results(records: Mapping[str, TrialRecord], seeds: int = 1) -> list[PointResult]:
    """The trials of a ledger by point.

    Args:
        records: trials by id.
        seeds: trials that every point is to have; one with fewer has not ended.
    """
    points: dict[int, list[TrialRecord]] = {}
    for record in records.values():
        points.setdefault(record.trial.number, []).append(record)
    return [_merged(number, points[number], seeds) for number in sorted(points)]


def _merged(number: int, records: Sequence[TrialRecord], seeds: int) -> PointResult:
    values: dict[int, list[float]] = {}
    for report in (report for record in records for report in record.reports):
        values.setdefault(report.epoch, []).append(report.value)
    rungs = {epoch: sum(found) / len(found) for epoch, found in sorted(values.items())}
    ending = _ending([record.ending for record in records]) if len(records) >= seeds else None
    return PointResult(number, records[0].trial.point, rungs, ending)


def _ending(endings: Sequence[Ending | None]) -> Ending | None:
    if None in endings:
        return None
    worst: Sequence[Ending] = ("errored", "stopped", "finished")
    return next(ending for ending in worst if ending in endings)
