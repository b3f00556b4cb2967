"""Which trial comes next: those that were cut off, then the seeds of a point, then new points."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from shapesys.tuning.config import Sweep
from shapesys.tuning.draws import random_points
from shapesys.tuning.ledger import Ending, Report, Trial, TrialRecord
from shapesys.tuning.objective import direction
from shapesys.tuning.proposer import Point, Proposer, make_proposer, point_results
from shapesys.tuning.space import point_key, size
from shapesys.tuning.trial import refusal

MOST_LISTED = 4096
"""Points of a space up to which those that the family refuses are counted before the search."""


class TrialQueue:
    """Hands out trials and learns from their ends.

    Args:
        sweep: what is searched.
        records: the ledger's trials, in the order they began.
        retry_errored: run trials again that ended with an error.
    """

    def __init__(self, sweep: Sweep, records: Mapping[str, TrialRecord], *, retry_errored: bool = False) -> None:
        self._sweep = sweep
        self._records = {key: _reopened(record, retry_errored) for key, record in records.items()}
        self._waiting = deque(record.trial for record in self._records.values() if record.ending is None)
        numbers = [record.trial.number for record in self._records.values()]
        self._next_number = max(numbers, default=-1) + 1
        self._waiting.extend(self._missing_seeds())
        self._proposer: Proposer | None = None

    @property
    def total(self) -> int:
        """Trials in all, those that ended included."""
        most = size(self._sweep.space)
        points = self._sweep.tune.trials if most is None else min(most - len(self.refused), self._sweep.tune.trials)
        return max(points, self._next_number) * self._sweep.tune.seeds

    @cached_property
    def refused(self) -> dict[str, str]:
        """Points of the space that the family refuses, by what they say, with the reason; of a large space none."""
        most = size(self._sweep.space)
        if most is None or most > MOST_LISTED:
            return {}
        points = random_points(self._sweep.space, 0)
        return {point_key(point): why for point in points if (why := refusal(self._sweep.base, point))}

    @property
    def strategy(self) -> str:
        """How points are chosen: as asked, or as the space recommends."""
        wish = self._sweep.tune.strategy
        return self._sweep.space.strategy if wish == "auto" else wish

    @property
    def records(self) -> dict[str, TrialRecord]:
        return dict(self._records)

    def ended(self) -> list[TrialRecord]:
        """Trials that will not run again."""
        return [record for record in self._records.values() if record.ending is not None]

    def complete(self) -> bool:
        """Whether every trial of the sweep has ended."""
        return not self.open() and all(record.ending is not None for record in self._records.values())

    def open(self) -> bool:
        """Whether anything is left to hand out."""
        if not self._waiting:
            self._waiting.extend(self._trials_of_new_point())
        return bool(self._waiting)

    def next(self) -> Trial | None:
        """The next trial to run; None where nothing is left."""
        if not self.open():
            return None
        trial = self._waiting.popleft()
        self._records.setdefault(trial.id, TrialRecord(trial))
        return trial

    def report(self, trial_id: str, report: Report) -> None:
        """A trial reached a rung."""
        self._records[trial_id] = self._records[trial_id].with_report(report)

    def end(self, trial_id: str, ending: Ending) -> None:
        """A trial ended; the proposer hears of a point once all its trials have."""
        self._records[trial_id] = replace(self._records[trial_id], ending=ending)
        number = self._records[trial_id].trial.number
        of_point = {key: record for key, record in self._records.items() if record.trial.number == number}
        result = point_results(of_point)[0]
        complete = len(of_point) == self._sweep.tune.seeds and result.ending is not None
        if complete and self._proposer is not None:
            self._proposer.tell(number, result.point, result.rungs, result.ending)

    def _trials_of_new_point(self) -> Sequence[Trial]:
        if self._next_number >= self._sweep.tune.trials:
            return ()
        point = self._ask()
        if point is None:
            return ()
        number, self._next_number = self._next_number, self._next_number + 1
        return [self._trial(number, repeat, point) for repeat in range(self._sweep.tune.seeds)]

    def _ask(self) -> Point | None:
        if self._proposer is None:
            # Made late: with all of the history, and not at all where no point is left to ask for.
            tune = self._sweep.tune
            history = point_results(self._records, tune.seeds)
            self._proposer = make_proposer(
                self._sweep.space, self.strategy, direction(tune.metric), tune.search_seed, history, self._fits
            )
        return self._proposer.ask()

    def _fits(self, point: Point) -> bool:
        return not refusal(self._sweep.base, point)

    def _trial(self, number: int, repeat: int, point: Point) -> Trial:
        return Trial(f"{number:03d}-s{repeat}", number, self._sweep.base.train.seed + repeat, dict(point))

    def _missing_seeds(self) -> list[Trial]:
        """Trials of begun points that no call has started yet."""
        points = {record.trial.number: record.trial.point for record in self._records.values()}
        trials = [self._trial(number, n, points[number]) for number in points for n in range(self._sweep.tune.seeds)]
        return [trial for trial in trials if trial.id not in self._records]


def _reopened(record: TrialRecord, retry_errored: bool) -> TrialRecord:
    """A trial that runs again has no ending."""
    return replace(record, ending=None, error="") if retry_errored and record.ending == "errored" else record
