"""A sweep in the tracker: a parent run, and a child run for each trial, whose status is that of the trial."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
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
from shapesys.tracking.tracker import Outcome, RunDescription
from shapesys.training.history import Follower
from shapesys.training.provenance import tags
from shapesys.training.run_dir import read_json
from shapesys.tuning.config import Sweep, TuneConfig
from shapesys.tuning.ledger import Ending, Report, Trial, TrialRecord
from shapesys.tuning.sweep_dir import SweepDirectory

FOLLOW_SECONDS = 10.0
"""Trials' curves are passed on this often."""

_OUTCOMES: dict[Ending, Outcome] = {"finished": "finished", "stopped": "interrupted", "errored": "failed"}


@dataclass
class _Child:
    """The tracked run of a trial that runs now."""

    tracker: BackgroundTracker
    follower: Follower
    epochs: int
    reports: list[Report] = field(default_factory=list)
    step: int = 0


class SweepTracking:
    """Tells the tracker of a sweep and of its trials.

    Args:
        kind: of `shapesys.tracking.open`.
    """

    def __init__(self, directory: SweepDirectory, sweep: Sweep, kind: str) -> None:
        self._directory = directory
        self._sweep = sweep
        self._kind = kind
        self._parent = open_tracker(directory, kind)
        self._parent_id = ""
        self._children: dict[str, _Child] = {}
        self._ended = 0
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
            tags=named | {"kind": "sweep"} | tags(read_json(self._directory.provenance)),
        )
        self._parent_id = self._parent.start(description)
        self._parent.artifacts([self._directory.definition])

    def began(self, trial: Trial) -> None:
        """Open the trial's run, or open it again."""
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
        )
        tracker.start(description)
        self._children[trial.id] = _Child(tracker, Follower(run.history), base.train.epochs)

    def reported(self, trial: Trial, report: Report) -> None:
        """The means of a rung, at the step that the trial has reached."""
        child = self._children[trial.id]
        self._follow(child)
        child.reports.append(report)
        split = self._sweep.evaluate.split
        child.tracker.metrics({measured_name(split, name): v for name, v in report.metrics.items()}, child.step)
        child.tracker.metrics({"objective": report.value}, child.step)

    def ended(self, trial: Trial, ending: Ending, error: str) -> None:
        """Close the trial's run with what became of it."""
        child = self._children.pop(trial.id)
        self._follow(child)
        epoch = child.reports[-1].epoch if child.reports else 0
        words = {
            "finished": f"after all {child.epochs} epochs",
            "stopped": f"stopped early at epoch {epoch} of {child.epochs}",
            "errored": error,
        }
        child.tracker.tags({"ended": words[ending]})
        run = self._directory.trial(trial.id)
        summary = run.evaluation(self._sweep.evaluate.split).summary
        kept = [(run.config, ""), (summary, f"evaluation/{self._sweep.evaluate.split}")]
        for path, folder in kept:
            if path.is_file():
                child.tracker.artifacts([path], folder)
        child.tracker.finish(_OUTCOMES[ending])
        self._ended += 1

    def tick(self) -> None:
        """Pass on the curves of running trials, now and then."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + FOLLOW_SECONDS
        for child in self._children.values():
            self._follow(child)

    def _follow(self, child: _Child) -> None:
        for record in child.follower.fresh():
            child.step = int(record["step"])
            child.tracker.metrics(dict(scalars(record)), child.step)

    def finish(self, state: Outcome, records: Mapping[str, TrialRecord]) -> None:
        """Close what still runs, then the parent, with the best point, the table of trials and the page."""
        for child in self._children.values():
            child.tracker.tags({"ended": "interrupted with its sweep; the same command goes on"})
            child.tracker.finish("interrupted")
        best = best_point(self._sweep, records)
        if best is not None and best.mean is not None:
            self._parent.metrics({"objective": best.mean}, len(records))
            self._parent.tags({"best": best.name} | {f"best {path}": str(v) for path, v in best.values.items()})
        if records:
            self._parent.table(write_trials(self._directory.path / "trials.parquet", records), "trials")
        self._parent.artifacts([path for path in (self._directory.page, self._directory.ledger) if path.is_file()])
        self._parent.finish(state)


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
