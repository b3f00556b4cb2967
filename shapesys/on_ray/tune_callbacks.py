"""The joints between Ray Tune and a sweep: its search, its scheduler, and what it says of its trials."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Protocol

from ray import tune as ray_tune
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from shapesys.on_ray.failure import cause_in_trace
from shapesys.training.run_dir import read_json
from shapesys.tuning.config import Sweep
from shapesys.tuning.ledger import Ending, Report, Trial
from shapesys.tuning.objective import direction
from shapesys.tuning.rungs import rung_epochs
from shapesys.tuning.sweep_dir import SweepDirectory
from shapesys.tuning.trial_queue import TrialQueue

_REPORT = ("epoch", "value", "metrics", "seconds")


class Observer(Protocol):
    """Hears of a sweep, in the thread that runs it."""

    def began(self, trial: Trial) -> None: ...

    def reported(self, trial: Trial, report: Report) -> None: ...

    def ended(self, trial: Trial, ending: Ending, error: str) -> None: ...

    def tick(self) -> None:
        """Called twice a second."""
        ...


Said = Callable[[Observer], None]
"""One event, to be told to an observer."""


def trial_id(trial: Any) -> str:
    """Our name of one of Ray's trials."""
    return str(trial.config["trial"]["id"])


def _trial(trial: Any) -> Trial:
    return Trial(**trial.config["trial"])


class _OfThisProcess:
    """Ray saves copies of a search, a scheduler and callbacks for a restart of its own; ours go by the ledger."""

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memory: Any) -> Any:
        return self


class Search(_OfThisProcess, Searcher):
    """Asks the queue."""

    def __init__(self, trials: TrialQueue) -> None:
        super().__init__()
        self._trials = trials

    def suggest(self, trial_id: str) -> Any:
        trial = self._trials.next()
        if trial is None:
            return Searcher.FINISHED
        plain = {"id": trial.id, "number": trial.number, "seed": trial.seed, "point": dict(trial.point)}
        return {"trial": plain}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """The queue hears of ends from `Watch`, which knows why a trial ended."""

    def save(self, checkpoint_path: str) -> None: ...

    def restore(self, checkpoint_path: str) -> None: ...


class Watch(_OfThisProcess, ray_tune.Callback):
    """Tells the queue at once, and the observer by way of `say`, what becomes of trials."""

    def __init__(self, directory: SweepDirectory, trials: TrialQueue, say: Callable[[Said], None]) -> None:
        self._directory = directory
        self._trials = trials
        self._say = say
        self._stopped: set[str] = set()

    def stopping(self, trial: Any) -> None:
        """The scheduler ends a trial that has epochs left."""
        self._stopped.add(trial_id(trial))

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        begun = _trial(trial)
        self._say(lambda observer: observer.began(begun))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if not all(name in result for name in _REPORT):
            return
        report = Report(*(result[name] for name in _REPORT))
        self._trials.report(trial_id(trial), report)
        known = _trial(trial)
        self._say(lambda observer: observer.reported(known, report))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        state, error = self._status(trial)
        if trial_id(trial) in self._stopped:
            self._end(trial, "stopped")
        elif state == "failed":
            self._end(trial, "errored", error)
        elif state == "finished":
            self._end(trial, "finished")
        # Anything else was cut off, as by a time budget: it has not ended.

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._end(trial, "errored", cause_in_trace(str(trial.get_error() or "")))

    def _end(self, trial: Any, ending: Ending, error: str = "") -> None:
        known = _trial(trial)
        self._trials.end(known.id, ending)
        self._say(lambda observer: observer.ended(known, ending, error))

    def _status(self, trial: Any) -> tuple[str, str]:
        path = self._directory.trial(trial_id(trial)).status
        status = read_json(path) if path.exists() else {}
        return str(status.get("state", "")), str(status.get("error") or "")


def scheduler(sweep: Sweep, trials: TrialQueue, watch: Watch) -> TrialScheduler:
    """Ends trials that fall behind, judged beside all that the ledger knows; or ends none."""
    epochs = rung_epochs(sweep.base.train.epochs, sweep.tune.rungs, sweep.tune.reduction)
    if sweep.tune.early_stopping == "none" or len(epochs) == 1:
        return FIFOScheduler()
    halving = _Halving(sweep, epochs, watch)
    for record in trials.ended():
        halving.recall(record.trial.id, record.reports)
    return halving


class _Halving(_OfThisProcess, ASHAScheduler):
    """Ray's asynchronous successive halving, which remembers earlier calls and says whom it ends."""

    def __init__(self, sweep: Sweep, epochs: tuple[int, ...], watch: Watch) -> None:
        super().__init__(
            time_attr="epoch",
            metric="objective",
            mode=direction(sweep.tune.metric),
            max_t=epochs[-1],
            grace_period=epochs[0],
            reduction_factor=sweep.tune.reduction,
        )
        self._last = epochs[-1]
        self._watch = watch

    def recall(self, name: str, reports: tuple[Report, ...]) -> None:
        """Enter the rungs of a trial of an earlier call, against which later ones are judged."""
        stand_in = SimpleNamespace(trial_id=f"recalled-{name}")
        self.on_trial_add(None, stand_in)
        for report in reports:
            super().on_trial_result(None, stand_in, {"epoch": report.epoch, "objective": report.value})

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        decision: str = super().on_trial_result(tune_controller, trial, result)
        if decision == TrialScheduler.STOP and result.get("epoch", math.inf) < self._last:
            self._watch.stopping(trial)
        return decision
