"""A sweep in the tracker: a parent run, and a child run for each trial, whose status is that of the trial."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shapesys.cli.background import BackgroundTracker
from shapesys.cli.training_run import scalars
from shapesys.config.base import diff
from shapesys.report.sweep_points import best_point
from shapesys.tracking.names import measured_name
from shapesys.tracking.open import open_tracker
from shapesys.tracking.tracker import DataSet, Outcome, RunDescription
from shapesys.training import history
from shapesys.training.history import Follower
from shapesys.training.provenance import tags
from shapesys.training.run_dir import RunDirectory, read_json, write_json
from shapesys.tuning.config import Sweep, TuneConfig
from shapesys.tuning.ledger import Ending, Report, Trial, TrialRecord
from shapesys.tuning.sweep_dir import SweepDirectory

FOLLOW_SECONDS = 10.0
"""Trials' curves are passed on this often."""

_OUTCOMES: dict[Ending, Outcome] = {"finished": "finished", "stopped": "interrupted", "errored": "failed"}


@dataclass
class _Child:
    """The tracked run of a trial that runs now, and the step up to which its curves were passed on."""

    run: RunDirectory
    tracker: BackgroundTracker
    follower: Follower
    step: int

    def follow(self) -> None:
        """Pass on what the history has beyond the step; a later driver goes on from there."""
        fresh = self.follower.fresh()
        for record in fresh:
            self.tracker.metrics(dict(scalars(record)), int(record["step"]))
        if fresh:
            self.step = int(fresh[-1]["step"])
            write_json(_passed_on(self.run), {"step": self.step})

    def step_at(self, epoch: int) -> int:
        """The step that ended an epoch: a trial may have trained on by the time its rung is heard of."""
        known = history.read(self.run.history)
        return round(epoch * known[-1]["step"] / known[-1]["epoch"]) if known else epoch


class SweepTracking:
    """Tells the tracker of a sweep and of its trials.

    Args:
        kind: of `shapesys.tracking.open`.
    """

    def __init__(self, directory: SweepDirectory, sweep: Sweep, kind: str) -> None:
        self._directory = directory
        self._sweep = sweep
        self._kind = kind
        self._facts = read_json(directory.provenance)
        self._parent = open_tracker(directory, kind)
        self._parent_id = ""
        self._children: dict[str, _Child] = {}
        self._next_look = 0.0

    def start(self) -> None:
        """Open the parent run; its id is needed before the first trial."""
        searched = {path: value for path, value, _ in diff(self._sweep.tune, TuneConfig())}
        base = self._sweep.base
        named = {"family": base.family, "preset": base.preset, "space": self._sweep.space.name}
        description = RunDescription(
            name=self._directory.name,
            experiment=base.family,
            params=named | {"metric": self._sweep.tune.metric} | searched,
            tags=named | {"kind": "sweep"} | tags(self._facts),
            note=self._note(),
            data=self._data,
        )
        self._parent_id = self._parent.start(description)
        self._parent.artifacts([self._directory.definition])

    def began(self, trial: Trial) -> None:
        """Open the trial's run, or open it again; one that Ray starts a second time is open."""
        if trial.id in self._children:
            return
        run = self._directory.trial(trial.id)
        run.path.mkdir(parents=True, exist_ok=True)
        tracker = BackgroundTracker(open_tracker(run, self._kind))
        base = self._sweep.base
        named = {"family": base.family, "preset": base.preset}
        description = RunDescription(
            name=f"{trial.number:03d} seed {trial.seed}",
            experiment=base.family,
            params=named | dict(trial.point) | {"train.seed": trial.seed},
            tags=named | {"kind": "trial", "sweep": self._directory.name, "point": f"{trial.number:03d}"},
            parent=self._parent_id or None,
            note=self._note_of_trial(trial, run),
            data=self._data,
        )
        tracker.start(description)
        step = int(read_json(_passed_on(run))["step"]) if _passed_on(run).exists() else 0
        self._children[trial.id] = _Child(run, tracker, Follower(run.history, after_step=step), step)

    def reported(self, trial: Trial, report: Report) -> None:
        """The means of a rung, at the step after which it was measured."""
        child, split = self._children[trial.id], self._sweep.evaluate.split
        child.follow()
        measured = {measured_name(split, name): value for name, value in report.metrics.items()}
        child.tracker.metrics(measured | {"objective": report.value}, child.step_at(report.epoch))

    def ended(self, trial: Trial, ending: Ending, error: str, epoch: int) -> None:
        """Close the trial's run with what became of it, and at which epoch."""
        child = self._children.pop(trial.id)
        child.follow()
        epochs = self._sweep.base.train.epochs
        words = {
            "finished": f"after all {epochs} epochs",
            "stopped": f"stopped early at epoch {epoch} of {epochs}",
            "errored": error,
        }
        child.tracker.tags({"ended": words[ending]})
        summary = child.run.evaluation(self._sweep.evaluate.split).summary
        kept = [(child.run.config, ""), (summary, f"evaluation/{self._sweep.evaluate.split}")]
        for path, folder in kept:
            if path.is_file():
                child.tracker.artifacts([path], folder)
        child.tracker.finish(_OUTCOMES[ending])

    def progress(self, records: Mapping[str, TrialRecord]) -> None:
        """The best so far, over the trials that have ended."""
        best = best_point(self._sweep, records)
        ended = sum(record.ending is not None for record in records.values())
        if best is not None and best.mean is not None:
            self._parent.metrics({"objective": best.mean}, ended)

    def tick(self) -> None:
        """Pass on the curves of running trials, now and then."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + FOLLOW_SECONDS
        for child in self._children.values():
            child.follow()

    def finish(self, state: Outcome, records: Mapping[str, TrialRecord], why: str) -> None:
        """Close what has not ended, then the parent, with the best point, the table of trials and the page."""
        self._close_children(records)
        best = best_point(self._sweep, records)
        if best is not None:
            self._parent.tags({"best": best.name} | {f"best {path}": str(v) for path, v in best.values.items()})
        if records:
            self._parent.table(write_trials(self._directory.path / "trials.parquet", records), "trials")
        self._parent.artifacts([path for path in (self._directory.page, self._directory.ledger) if path.is_file()])
        self._parent.tags({"ended": why})
        self._parent.finish(state)

    def _close_children(self, records: Mapping[str, TrialRecord]) -> None:
        """Those of a killed driver too, which nobody could close and which this call has not taken up."""
        for record in records.values():
            if record.ending is None and self._directory.trial(record.trial.id).tracking.exists():
                self.began(record.trial)
        for child in self._children.values():
            child.follow()
            child.tracker.tags({"ended": "interrupted with its sweep; the same command goes on"})
            child.tracker.finish("interrupted")
        self._children = {}

    @property
    def _data(self) -> DataSet:
        store = self._sweep.base.data.store
        return DataSet(Path(store).name, self._facts["data_digest"] or "", store)

    def _note(self) -> str:
        """What is searched, by which measure, and how to go on, in Markdown."""
        space, tune = self._sweep.space, self._sweep.tune
        return (
            f"Sweep of **{space.family}** over space *{space.name}* ({', '.join(space.knobs)}), by the "
            f"{tune.statistic} of {tune.metric} on split {self._sweep.evaluate.split} of "
            f"`{self._sweep.base.data.store}`.\n\n"
            f"Again, or to go on: `{self._facts['command']}`\n\n"
            f"Sweep directory: `{self._directory.path}`. Plots and tables: `page.html` under Artifacts, at its end."
        )

    def _note_of_trial(self, trial: Trial, run: RunDirectory) -> str:
        point = ", ".join(f"{path} = {value}" for path, value in trial.point.items())
        return (
            f"Point {trial.number:03d} of sweep *{self._directory.name}*, seed {trial.seed}: {point}.\n\n"
            f"Run directory: `{run.path}`. How to train it by itself: `page.html` of the sweep."
        )


def _passed_on(run: RunDirectory) -> Path:
    return run.path / "tracked_step.json"


def write_trials(path: Path, records: Mapping[str, TrialRecord]) -> Path:
    """The trials as a table: id, knobs, seed, objective, epochs, state, error, seconds."""
    rows = [_row(record) for record in records.values()]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def _row(record: TrialRecord) -> dict[str, Any]:
    trial = record.trial
    measured = {"state": record.ending or "waiting", "objective": record.value, "epoch": record.epoch}
    told = {"seconds": record.seconds, "error": record.error}
    return {"trial": trial.id} | measured | {"seed": trial.seed} | _columns(trial.point) | told


def _columns(point: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers as they are; whatever else a knob chooses from as text, so that a column has one type."""
    return {path: value if isinstance(value, (int, float)) else str(value) for path, value in point.items()}
