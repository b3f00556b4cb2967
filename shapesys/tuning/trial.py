"""One trial: train to a rung, measure, report, go on.

A trial is an ordinary run directory, and what it reported lies in it. Started again, it says once more what it had
said and goes on from its newest checkpoint, so that neither a killed worker nor a killed driver costs a rung.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Protocol

from shapesys.errors import ShapesysError, UsageError, in_words
from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.evaluation.plan import evaluate_locally
from shapesys.samples.filesystem import Folder
from shapesys.samples.store import Store
from shapesys.training import loop
from shapesys.training.config import TrainJob, claim
from shapesys.training.context import LocalContext, pick_device
from shapesys.training.run_dir import RunDirectory, read_json, write_json
from shapesys.tuning.config import Sweep
from shapesys.tuning.ledger import Report, Trial
from shapesys.tuning.objective import value_of
from shapesys.tuning.rungs import rung_epochs
from shapesys.tuning.space import STORE, Point
from shapesys.tuning.sweep_dir import SweepDirectory

LOCK_SECONDS = 120.0
"""How long a trial waits for the process that worked on it before: those of a killed driver take a while to end."""


class Engine(Protocol):
    """What trains and measures a trial."""

    def train(self, job: TrainJob, run: RunDirectory, until_epoch: int) -> None: ...

    def evaluate(self, run: RunDirectory, settings: EvaluateConfig) -> dict[str, Any]: ...


class LocalEngine:
    """Trains and measures in this process."""

    def train(self, job: TrainJob, run: RunDirectory, until_epoch: int) -> None:
        loop.train(job, run, LocalContext(pick_device(job.scale.device)), until_epoch=until_epoch)

    def evaluate(self, run: RunDirectory, settings: EvaluateConfig) -> dict[str, Any]:
        return evaluate_locally(run, settings, EvaluateScale(save_meshes=False))


def trial_job(sweep: Sweep, trial: Trial) -> TrainJob:
    """The training job of a trial.

    Raises:
        UsageError: the point leaves the bounds of a setting.
    """
    job: TrainJob = sweep.base.override({**trial.point, "train.seed": trial.seed})
    return job


def refusal(base: TrainJob, point: Point) -> str:
    """Why the family refuses a point's settings together with the others; empty where it does not."""
    try:
        base.override(dict(point))
    except UsageError as error:
        return str(error)
    return ""


def rungs_of(sweep: Sweep, job: TrainJob) -> tuple[int, ...]:
    """Epochs after which a trial is measured; only the last where none ends early."""
    rungs = sweep.tune.rungs if sweep.tune.early_stopping == "asha" else 1
    return rung_epochs(job.train.epochs, rungs, sweep.tune.reduction)


def run_trial(directory: SweepDirectory, sweep: Sweep, trial: Trial, engine: Engine) -> Iterator[Report]:
    """Reports of a trial, rung by rung; those of an earlier start first.

    Raises:
        ShapesysError: the trial's own error, which status.json keeps.
    """
    run = directory.trial(trial.id)
    run.path.mkdir(parents=True, exist_ok=True)
    with _owned(run), _told(run):
        job = trial_job(sweep, trial)
        claim(run, job)
        _inherit_provenance(directory, run, job.data.store if STORE in trial.point else "")
        known = _reports(run)
        rungs = rungs_of(sweep, job)
        for epoch in rungs:
            if epoch not in known:
                known[epoch] = _rung(sweep, job, run, epoch, engine)
                write_json(_place(run), [asdict(report) for report in known.values()])
            if epoch == rungs[-1]:
                # Who hears of the last rung may end this process before it can say so.
                run.update_status(state="finished", error=None)
            yield known[epoch]


def _rung(sweep: Sweep, job: TrainJob, run: RunDirectory, epoch: int, engine: Engine) -> Report:
    started = time.monotonic()
    engine.train(job, run, epoch)
    summary = engine.evaluate(run, sweep.evaluate)
    value = value_of(summary, sweep.tune.metric, sweep.tune.statistic)
    statistics = {name: found[sweep.tune.statistic] for name, found in summary["overall"]["metrics"].items()}
    metrics = {name: float(found) for name, found in statistics.items() if found is not None}
    metrics |= {name: float(found["value"]) for name, found in summary.get("whole_set", {}).items()}
    return Report(epoch, value, metrics, time.monotonic() - started)


def _place(run: RunDirectory) -> Any:
    return run.path / "rungs.json"


def _reports(run: RunDirectory) -> dict[int, Report]:
    found = read_json(_place(run)) if _place(run).exists() else []
    return {entry["epoch"]: Report(**entry) for entry in found}


def _inherit_provenance(directory: SweepDirectory, run: RunDirectory, own_store: str) -> None:
    """What the sweep says of itself; of the samples, what they are where the trial has its own."""
    if directory.provenance.exists() and not run.provenance.exists():
        own = {"data_digest": Store.open(own_store).digest()} if own_store else {}
        write_json(run.provenance, read_json(directory.provenance) | own)


@contextlib.contextmanager
def _owned(run: RunDirectory) -> Iterator[None]:
    """The run directory for this process alone, once an earlier owner has let go of it."""
    end = time.monotonic() + LOCK_SECONDS
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(Folder(str(run.path)).exclusive())
                break
            except ShapesysError:
                if time.monotonic() > end:
                    raise
                time.sleep(1.0)
        yield


@contextlib.contextmanager
def _told(run: RunDirectory) -> Iterator[None]:
    """status.json keeps the error of a trial that fails; one that is stopped from outside is told so by its driver."""
    run.update_status(state="running", error=None)
    try:
        yield
    except Exception as error:
        run.update_status(state="failed", error=in_words(error))
        raise
