"""One sweep from the driver's side: claim the directory, run what is left, keep ledger, tracker, table and page."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shapesys.cli.failure import page_if_possible
from shapesys.cli.sweep_screen import open_screen
from shapesys.cli.sweep_tracking import SweepTracking
from shapesys.errors import ShapesysError, in_words
from shapesys.report.sweep import build_sweep_page
from shapesys.report.sweep_points import best_point
from shapesys.samples.filesystem import Folder
from shapesys.samples.store import Store
from shapesys.tracking.tracker import Outcome
from shapesys.training import provenance
from shapesys.training.run_dir import check_kind, read_json, write_json
from shapesys.tuning.config import Sweep, claim_sweep
from shapesys.tuning.ledger import Ending, Ledger, Report, Trial
from shapesys.tuning.sweep_dir import SweepDirectory, create_sweep
from shapesys.tuning.trial_queue import TrialQueue

PAGE_SECONDS = 60.0
"""The page is drawn anew while the sweep runs, at most this often."""

_ENDINGS: tuple[Ending, ...] = ("finished", "stopped", "errored")
_GO_ON = "interrupted; the same command goes on"


def run_sweep(
    sweep: Sweep,
    name: str,
    runs_root: str | Path,
    *,
    address: str | None = None,
    tracker: str = "auto",
    retry_errored: bool = False,
) -> dict[str, Any]:
    """Run `sweep` as `name` below `runs_root`, or what is left of it, and return the result as plain data.

    Args:
        address: Ray cluster; None for RAY_ADDRESS or a private instance.
        tracker: a kind of `shapesys.tracking.open`.
        retry_errored: run trials again that ended with an error.

    Raises:
        UsageError: the directory holds a run or a set of networks.
        ShapesysError: the sweep exists with other settings, another process runs it, or the cluster cannot hold a
            trial. Errors of trials are results, not raised.
    """
    digest = Store.open(sweep.base.data.store).digest()
    directory = create_sweep(runs_root, name)
    check_kind(directory, directory.definition.name)
    with Folder(str(directory.path)).exclusive():
        claim_sweep(directory, sweep)
        write_json(directory.provenance, provenance.collect(digest, sys.argv, sweep))
        driver = _Driver(directory, sweep, retry_errored, tracker)
        seconds = driver.seconds_left()
        with driver.told():
            if driver.trials.open():
                from shapesys.on_ray.tune import tune

                tune(directory, sweep, driver.trials, driver, address=address, seconds=seconds)
        return driver.result()


class _Driver:
    """Hears of the trials and writes down what it hears; an `Observer` of `shapesys.on_ray.tune`."""

    def __init__(self, directory: SweepDirectory, sweep: Sweep, retry_errored: bool, tracker: str) -> None:
        self._directory = directory
        self._sweep = sweep
        self._ledger = Ledger(directory.ledger)
        self.trials = TrialQueue(sweep, self._ledger.records(), retry_errored=retry_errored)
        self._tracking = SweepTracking(directory, sweep, tracker)
        self._screen = open_screen(sweep, self.trials.total)
        self._started = time.monotonic()
        status = read_json(directory.status) if directory.status.exists() else {}
        self._spent = float(status.get("seconds", 0.0))
        self._next_page = self._started + PAGE_SECONDS
        self._state: Outcome = "interrupted"
        self._why = ""

    @property
    def seconds(self) -> float:
        """Wall-clock time of the sweep, earlier calls included."""
        return self._spent + time.monotonic() - self._started

    def seconds_left(self) -> float | None:
        """Of the time budget; None for no limit, or where nothing is left to do.

        Raises:
            ShapesysError: none is left.
        """
        if not self._sweep.tune.hours or not self.trials.open():
            return None
        left = self._sweep.tune.hours * 3600 - self.seconds
        if left <= 0:
            raise ShapesysError(
                f"sweep '{self._directory.name}' has used its {self._sweep.tune.hours:g} hours; raise --hours to go on"
            )
        return left

    def began(self, trial: Trial) -> None:
        self._ledger.begin(trial)
        self._tracking.began(trial)

    def reported(self, trial: Trial, report: Report) -> None:
        # The tracker hears first: what the ledger does not know when this process dies is said again.
        known = self._ledger.records()[trial.id].reports
        if (report.epoch, report.value) not in [(before.epoch, before.value) for before in known]:
            self._tracking.reported(trial, report)
        self._ledger.report(trial.id, report)

    def ended(self, trial: Trial, ending: Ending, error: str) -> None:
        record = self._ledger.records().get(trial.id)
        if record is None or record.ending is not None:
            # Its process died before it had started.
            self.began(trial)
        run = self._directory.trial(trial.id)
        if ending == "stopped":
            run.update_status(state="stopped", error=None)
        elif ending == "errored":
            # A process that died could not say so itself.
            run.update_status(state="failed", error=error)
            self._screen.note(f"trial {trial.id} failed: {error}")
        self._tracking.ended(trial, ending, error, record.epoch if record else 0)
        self._ledger.end(trial.id, ending, error)
        self._tracking.progress(self._ledger.records())

    def tick(self) -> None:
        records = self._ledger.records()
        self._screen.show(records)
        self._tracking.tick()
        if time.monotonic() >= self._next_page:
            self._next_page = time.monotonic() + PAGE_SECONDS
            self._directory.update_status(seconds=self.seconds)
            self._page()

    def _page(self) -> None:
        page_if_possible(lambda: build_sweep_page(self._directory, self._directory.page))

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Whatever ends the body, status, tracker and page say so."""
        self._directory.update_status(state="running", error=None)
        self._tracking.start()
        try:
            with self._screen:
                yield
        except (KeyboardInterrupt, SystemExit):
            self._end("interrupted", None)
            raise
        except BaseException as error:
            self._end("failed", in_words(error))
            raise
        if self.trials.complete():
            self._end("finished", None)
        else:
            self._end("interrupted", self._cut_off())

    def _cut_off(self) -> str:
        hours = self._sweep.tune.hours
        return f"the time budget of {hours:g} h ended it; raise --hours to go on" if hours else _GO_ON

    def _end(self, state: Outcome, error: str | None) -> None:
        self._state, self._why = state, error or ("" if state == "finished" else _GO_ON)
        self._let_go()
        self._directory.update_status(state=state, error=error, seconds=self.seconds)
        self._page()
        self._tracking.finish(state, self._ledger.records(), self._why or "all trials ended")

    def _let_go(self) -> None:
        """Trials that were cut off do not run any more."""
        for record in self._ledger.records().values():
            run = self._directory.trial(record.trial.id)
            if record.ending is None and run.status.exists() and read_json(run.status)["state"] == "running":
                run.update_status(state="interrupted")

    def result(self) -> dict[str, Any]:
        """What the sweep found, as plain data; ``records`` is the ledger."""
        records = self._ledger.records()
        best = best_point(self._sweep, records)
        counts = Counter(record.ending for record in records.values() if record.ending)
        named = {name: counts[name] for name in _ENDINGS} | {"waiting": self.trials.total - counts.total()}
        return {
            "sweep": self._directory.name,
            "state": self._state,
            "reason": self._why or None,
            "path": self._directory.path,
            "page": self._directory.page,
            "metric": self._sweep.tune.metric,
            "best": None if best is None else self._best(best),
            "counts": named,
            "seconds": self.seconds,
            "records": records,
        }

    def _best(self, point: Any) -> dict[str, Any]:
        trial = point.records[0].trial
        return {
            "trial": trial.id,
            "path": self._directory.trial(trial.id).path,
            "point": dict(point.values),
            "value": point.mean,
            "spread": point.spread,
            "seeds": len(point.scores),
        }
