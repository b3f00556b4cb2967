"""One network per category, as a set: a folder that holds a run for each.

runs/<set>/
  set.json            the settings that all of its networks share, with the categories
  provenance.json     of the command that trained last
  status.json         of that command
  tracking.json       id of the tracked run whose children the networks' are
  <category>/         the run of a category's network
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapesys.errors import UsageError
from shapesys.families import registry
from shapesys.samples.shape_ids import category_of
from shapesys.samples.store import Store
from shapesys.training import checkpoint, history
from shapesys.training.config import TrainJob, of_category
from shapesys.training.feed import open_data
from shapesys.training.run_dir import RunDirectory, check_kind, check_name, read_json, write_json


@dataclass(frozen=True)
class Network:
    """One network of a set.

    Attributes:
        category: that it is about.
        job: its training.
        run: its directory, which may not exist yet.
    """

    category: str
    job: TrainJob
    run: RunDirectory


@dataclass(frozen=True)
class Extent:
    """How much there is to train: shapes of the category, and steps in all."""

    shapes: int
    steps: int


def plan_set(job: TrainJob, directory: RunDirectory) -> list[Network]:
    """A network for each of the job's categories, or of the store's where it names none; writes nothing.

    Raises:
        UsageError: a setting that means nothing here, or a category that the store does not have or that cannot name
            a folder, or a directory that holds something else.
        ShapesysError: no such store.
    """
    _refuse(job)
    check_kind(directory, directory.set_file.name)
    # Rows of every category asked for: an unknown one is named before anything is trained.
    store = Store.open(job.data.store)
    categories = tuple(dict.fromkeys(job.data.categories or store.categories()))
    store.shape_ids(categories=categories)
    for category in categories:
        check_name(category)
    return [Network(name, of_category(job, name), RunDirectory(directory.path / name)) for name in categories]


def write_set(directory: RunDirectory, job: TrainJob, networks: Sequence[Network]) -> None:
    """Make the folder a set; categories that an earlier command trained stay members."""
    known = read_json(directory.set_file)["categories"] if directory.set_file.is_file() else []
    categories = sorted({*known, *(network.category for network in networks)})
    write_json(directory.set_file, {"schema": 1, "categories": categories, "job": job.model_dump(mode="json")})


def extent_of(job: TrainJob) -> Extent:
    """How much a job trains, after checking its data.

    Raises:
        ShapesysError: shapes that cannot teach the family, as `shapesys.training.feed.open_data` finds them.
    """
    reader, plan = open_data(job, registry.load(job.family))
    about = job.data.evaluated
    shapes = [name for name in reader.shape_ids if not about or category_of(name) in about]
    return Extent(len(shapes), plan.steps_per_epoch * job.train.epochs)


def last_step(run: RunDirectory) -> int:
    """The step of a run's newest checkpoint; 0 where it has none."""
    newest = checkpoint.latest(run.checkpoints)
    return newest.step if newest else 0


def finished_result(run: RunDirectory) -> dict[str, Any] | None:
    """What came of a run that has nothing left to do, as plain data; None where it has.

    A run of a family that learns nothing has no history, and a checkpoint of step 0.
    """
    newest = checkpoint.latest(run.checkpoints)
    status = read_json(run.status) if run.status.exists() else {}
    records = history.read(run.history)
    last = records[-1] if records else {}
    if newest is None or status.get("state") != "finished" or last.get("step", 0) != newest.step:
        return None
    facts = {"steps": newest.step, "epochs": int(last.get("epoch", 0)), "final": last}
    return facts | {"checkpoint": str(newest.path)}


def networks_in(path: Path) -> dict[str, RunDirectory]:
    """Category -> run of the networks in a set's folder, as far as they began; empty where it is no set."""
    directory = RunDirectory(path.resolve())
    return {run.name: run for run in directory.children} if directory.set_file.is_file() else {}


def _refuse(job: TrainJob) -> None:
    scale = job.scale
    if not registry.load(job.family).traits.trained:
        raise UsageError(
            f"--each-category with '{job.family}', which learns nothing: one run serves every category; leave it out"
        )
    if scale.num_workers > 1:
        raise UsageError(
            f"--scale.num-workers {scale.num_workers} with --each-category: one worker per network, and as many "
            "networks at a time as there are cores or GPUs, fills the machine better; leave it out"
        )
    if scale.reader != "thread":
        raise UsageError(
            f"--scale.reader {scale.reader} with --each-category: each network's worker reads in a thread of its own; "
            "leave it out"
        )
    if job.data.interest:
        raise UsageError(
            f"--interest {job.data.interest} with --each-category: every category is of interest to its own network; "
            "leave out one of the two"
        )
