"""One training run from the driver's side: claim the directory, record provenance, track, train, tell the status."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from shapesys.cli.background import BackgroundTracker
from shapesys.cli.progress import Progress
from shapesys.config.base import flat, search_ranges
from shapesys.errors import in_words
from shapesys.families import registry
from shapesys.samples.filesystem import Folder
from shapesys.samples.store import Store
from shapesys.tracking.names import history_name
from shapesys.tracking.open import open_tracker
from shapesys.tracking.tracker import DataSet, Outcome, RunDescription, Tracker
from shapesys.training import provenance
from shapesys.training.config import TrainJob, changed_from_preset, claim
from shapesys.training.history import Record
from shapesys.training.network_set import finished_result
from shapesys.training.run_dir import RunDirectory, check_kind, create, write_json

WAIT_HINT = 0.2
"""Share of a step spent waiting for data above which the user is told what to do about it."""


def run_training(
    job: TrainJob, name: str, root: str | Path, *, address: str | None, local: bool, tracker: str = "auto"
) -> dict[str, Any]:
    """Train `job` as run `name` below `root`, or resume it, and return the result as plain data.

    Args:
        address: Ray cluster; None for RAY_ADDRESS or a private instance.
        local: train in this process, without Ray.
        tracker: a kind of `shapesys.tracking.open`.

    Raises:
        UsageError: the directory holds a sweep or a set of networks.
        ShapesysError: the run exists with other settings, another process trains it, or training failed; the status
            file tells which.
    """
    digest = Store.open(job.data.store).digest()
    run = create(root, name)
    check_kind(run, run.config.name)
    with Folder(str(run.path)).exclusive():
        resumed = claim(run, job)
        if resumed and (before := _finished(run)):
            return before
        facts = provenance.collect(digest, sys.argv, job)
        write_json(run.provenance, facts)
        return _run(job, run, facts, address, local, tracker) | {"resumed": resumed}


def _run(
    job: TrainJob, run: RunDirectory, facts: dict[str, Any], address: str | None, local: bool, tracker: str
) -> dict[str, Any]:
    started = time.monotonic()
    warnings = registry.load(job.family).warnings(job.model)
    with told(run, BackgroundTracker(open_tracker(run, tracker))) as tracked, Progress("train", "steps") as progress:
        for text in warnings:
            progress.note(f"warning: {text}")
        tracked.start(describe_run(job, run, facts))
        tracked.artifacts([run.config, run.provenance])
        result = _train(job, run, address, local, _Log(progress, tracked))
    seconds = time.monotonic() - started
    return {"run": run.name, "path": run.path, "warnings": warnings, "seconds": seconds, **result}


def _finished(run: RunDirectory) -> dict[str, Any] | None:
    """The result of a run that has nothing left to do."""
    found = finished_result(run)
    facts = {"run": run.name, "path": run.path, "warnings": [], "resumed": True, "seconds": 0.0}
    return None if found is None else facts | found


def _train(job: TrainJob, run: RunDirectory, address: str | None, local: bool, on_log: _Log) -> dict[str, Any]:
    if local:
        from shapesys.training import loop
        from shapesys.training.context import LocalContext, pick_device

        return asdict(loop.train(job, run, LocalContext(pick_device(job.scale.device)), on_log=on_log))
    from shapesys.on_ray.train import train

    return train(job, run, address, on_log)


class _Log:
    """Passes every history record on to the progress line and to the tracker."""

    def __init__(self, progress: Progress, tracker: Tracker) -> None:
        self._progress = progress
        self._tracker = tracker
        self._hinted: bool | None = None

    def __call__(self, record: Record) -> None:
        step, wait = int(record["step"]), float(record["wait_share"])
        facts = {"loss": record["loss"]["total"], "samples_per_s": record["samples_per_second"], "wait_share": wait}
        self._progress(step, int(record["total_steps"]), **facts)
        self._tracker.metrics(dict(scalars(record)), step)
        if self._hinted is None:
            # The first record waits for the feed to start, which no setting changes.
            self._hinted = False
        elif wait > WAIT_HINT and not self._hinted:
            self._hinted = True
            self._progress.note("more than a fifth of the time is spent waiting for data; raise --scale.prefetch-steps")


def scalars(record: Record, prefix: str = "") -> Iterator[tuple[str, float]]:
    """A history record's numbers under the names of a tracker."""
    for name, value in record.items():
        if isinstance(value, dict):
            yield from scalars(value, f"{prefix}{name}/")
        elif name not in {"step", "total_steps"}:
            yield history_name(f"{prefix}{name}"), float(value)


@contextlib.contextmanager
def told(run: RunDirectory, tracker: Tracker) -> Iterator[Tracker]:
    """Whatever ends the body, status.json and the tracker say so."""
    started = time.monotonic()

    def end(state: Outcome, error: str | None) -> None:
        run.update_status(state=state, error=error, train_seconds=time.monotonic() - started)
        tracker.finish(state)

    run.update_status(state="running", error=None)
    try:
        yield tracker
    except (KeyboardInterrupt, SystemExit):
        end("interrupted", None)
        raise
    except BaseException as error:
        end("failed", in_words(error))
        raise
    end("finished", None)


def describe_run(
    job: TrainJob, run: RunDirectory, facts: dict[str, Any], kind: str = "training", made: str = ""
) -> RunDescription:
    """What a tracker is told of a run.

    Args:
        made: what was done with the store, up to its name; by default that its categories were trained on.
    """
    named = {"family": job.family, "preset": job.preset}
    categories = ", ".join(job.data.evaluated) or "all"
    return RunDescription(
        name=run.name,
        experiment=job.family,
        params=named | _compared(job) | changed_from_preset(job) | {"data.categories": categories},
        tags=named | {"kind": kind, "categories": categories} | provenance.tags(facts),
        note=_note(job, run, made or f"trained on {categories} of", facts),
        data=DataSet(Path(job.data.store).name, facts["data_digest"] or "", job.data.store),
    )


def _compared(job: TrainJob) -> dict[str, Any]:
    """Settings that every run logs, changed or not: a comparison would show "unknown" where one run lacks them."""
    values = flat(job)
    always = ("train.epochs", "train.seed", *search_ranges(type(job)))
    return {path: values[path] for path in always}


def _note(job: TrainJob, run: RunDirectory, made: str, facts: dict[str, Any]) -> str:
    """What the run is, what it read, and how to do it again, in Markdown."""
    # Inline: a code block does not wrap, and would push the run's facts off MLflow's page.
    return (
        f"**{job.family}**, preset *{job.preset}*, {made} `{job.data.store}`.\n\n"
        f"Again: `{facts['command']}`\n\n"
        f"Run directory: `{run.path}`. Pictures and tables: `page.html` under Artifacts, once evaluated."
    )
