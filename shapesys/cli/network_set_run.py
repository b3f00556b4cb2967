"""A set of networks, one per category, from the driver's side: claim every run, train what is missing, tell how."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapesys.cli.network_set_watch import SetWatch
from shapesys.cli.progress import Progress
from shapesys.errors import ShapesysError, in_words
from shapesys.families import registry
from shapesys.reproduction.experiment import Experiment, perform_here
from shapesys.reproduction.finding import Finding
from shapesys.reproduction.train_once import TrainExperiment
from shapesys.samples.filesystem import Folder
from shapesys.samples.store import Store
from shapesys.tracking.open import open_tracker
from shapesys.training import provenance
from shapesys.training.config import TrainJob, claim
from shapesys.training.network_set import (
    Network,
    extent_of,
    finished_result,
    last_step,
    plan_set,
    write_set,
)
from shapesys.training.run_dir import RunDirectory, create, read_json, write_json

Row = dict[str, Any]


@dataclass(frozen=True)
class Placement:
    """Where the networks train, and who is told."""

    address: str | None
    local: bool
    tracker: str


def run_set(job: TrainJob, name: str, root: str | Path, placement: Placement) -> dict[str, Any]:
    """Train what a set lacks and return the result as plain data; networks that fail are told, not raised.

    Raises:
        UsageError: a setting that means nothing for a set, or an unknown category or tracker.
        ShapesysError: no store, a network was trained with other settings, another process trains one, or no worker
            can be started.
    """
    started = time.monotonic()
    digest = Store.open(job.data.store).digest()
    planned = plan_set(job, RunDirectory(Path(root).resolve() / name))
    directory = create(root, name)
    open_tracker(directory, placement.tracker)
    with ExitStack() as stack:
        for run in (directory, *(create(directory.path, network.category) for network in planned)):
            stack.enter_context(Folder(str(run.path)).exclusive())
        for network in planned:
            claim(network.run, network.job)
        write_set(directory, job, planned)
        facts = provenance.collect(digest, sys.argv, job)
        write_json(directory.provenance, facts)
        rows = _train(job, directory, planned, facts, placement)
    failed = {row["category"]: row["reason"] for row in rows if row["state"] != "finished"}
    seconds = time.monotonic() - started
    return {"set": name, "path": directory.path, "networks": rows, "failed": failed, "seconds": seconds}


def _train(
    job: TrainJob, directory: RunDirectory, planned: Sequence[Network], facts: Mapping[str, Any], placement: Placement
) -> list[Row]:
    """A row for every network, in the order of the categories."""
    before = {network.category for network in planned if finished_result(network.run)}
    missing = [network for network in planned if network.category not in before]
    with Progress("train", "steps") as line:
        for text in registry.load(job.family).warnings(job.model) if missing else ():
            line.note(f"warning: {text}")
        watch = SetWatch(directory, job, facts, placement.tracker, line, len(planned))
        training = _Training(watch, {_name(network): network for network in missing})
        if missing:
            with _told(directory, training, len(before)):
                training.prepare(facts)
                with watch.following():
                    _perform(training, directory, job, placement)
    return [_row(network, training) for network in planned]


def _perform(training: _Training, directory: RunDirectory, job: TrainJob, placement: Placement) -> None:
    if placement.local:
        perform_here(training.waiting, training.heard)
    elif training.waiting:
        from shapesys.on_ray.experiments import Places, run_beside

        places = Places.of_training(job.scale)
        run_beside(directory, job.data.store, training.waiting, training.heard, placement.address, places)


class _Training:
    """What is still to be trained, and what became of it."""

    def __init__(self, watch: SetWatch, networks: Mapping[str, Network]) -> None:
        self.watch = watch
        self.networks = networks
        self.waiting: list[TrainExperiment] = []
        self.failed: dict[str, str] = {}

    def prepare(self, facts: Mapping[str, Any]) -> None:
        """Check every network's data, and write what its worker will not: where it came from."""
        for name, network in self.networks.items():
            own = {**facts, "config_digest": provenance.digest(network.job)}
            write_json(network.run.provenance, own)
            _waits(network.run)
            try:
                extent = extent_of(network.job)
            except ShapesysError as error:
                network.run.update_status(state="failed", error=str(error))
                self.watch.expect(network, 0)
                self.heard(TrainExperiment(name, network.run, network.job), [], str(error))
            else:
                self.watch.expect(network, extent.steps)
                self.waiting.append(TrainExperiment(name, network.run, network.job))

    def heard(self, item: Experiment, findings: list[Finding], why: str) -> None:
        """A network has ended, and why it failed where it did."""
        network = self.networks[item.name]
        if why:
            self.failed[network.category] = why
            network.run.update_status(state="failed", error=why)
        self.watch.ended(network, "failed" if why else "finished")


def _name(network: Network) -> str:
    return f"train-{network.category}"


def _waits(run: RunDirectory) -> None:
    """A network waits until its worker says that it runs, whatever a killed command left."""
    begun = run.status.exists() and read_json(run.status).get("state") in ("running", "interrupted")
    run.update_status(state="interrupted" if begun else "waiting", error=None)


@contextmanager
def _told(directory: RunDirectory, training: _Training, before: int) -> Iterator[None]:
    """Whatever ends the body, the set's status, its networks' and the tracker say so."""
    started = time.monotonic()

    def end(state: Any, error: str | None, why: str) -> None:
        directory.update_status(state=state, error=error, train_seconds=time.monotonic() - started)
        training.watch.finish(state, why)

    directory.update_status(state="running", error=None)
    training.watch.start(before)
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        end("interrupted", None, "interrupted; the same command goes on")
        raise
    except BaseException as error:
        end("failed", in_words(error), in_words(error))
        raise
    failed = f"failed: {', '.join(training.failed)}" if training.failed else None
    end("failed" if failed else "finished", failed, failed or "all trained")


def _row(network: Network, training: _Training) -> Row:
    """What became of a network."""
    row: Row = {"category": network.category, "run": network.run.path, "shapes": None, "steps": last_step(network.run)}
    row |= {"loss": None, "seconds": None, "checkpoint": None, "resumed": _name(network) not in training.networks}
    if why := training.failed.get(network.category):
        return row | {"state": "failed", "reason": why}
    found = finished_result(network.run)
    assert found is not None
    loss = found["final"].get("loss", {}).get("total")
    seconds = read_json(network.run.status).get("train_seconds")
    shapes = extent_of(network.job).shapes
    own = {"state": "finished", "reason": "", "shapes": shapes, "steps": found["steps"], "loss": loss}
    return row | own | {"seconds": seconds, "checkpoint": found["checkpoint"]}


def rehearse_set(job: TrainJob, name: str, root: str | Path) -> list[Row]:
    """What `run_set` would do, after checking every category's data; writes nothing.

    Raises:
        UsageError: as `run_set`.
        ShapesysError: no such store.
    """
    rows: list[Row] = []
    for network in plan_set(job, RunDirectory(Path(root).resolve() / name)):
        row: Row = {"category": network.category, "run": network.run.path}
        try:
            extent = extent_of(network.job)
        except ShapesysError as error:
            rows.append(row | {"shapes": None, "steps": None, "todo": f"would fail: {error}", "fails": True})
        else:
            facts = {"shapes": extent.shapes, "steps": extent.steps}
            rows.append(row | facts | {"todo": _todo(network), "fails": False})
    return rows


def _todo(network: Network) -> str:
    if finished_result(network.run):
        return "nothing, it is finished"
    done = last_step(network.run)
    return f"go on at step {done}" if done else "train"
