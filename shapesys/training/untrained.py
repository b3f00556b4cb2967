"""Runs of methods that learn nothing: there is no step to take, and one checkpoint holds their settings."""

from __future__ import annotations

from shapesys.families.base import Family, TrainingData
from shapesys.samples.store import Store
from shapesys.samples.vocabulary import Vocabulary
from shapesys.training import checkpoint
from shapesys.training.checkpoint import Checkpoint
from shapesys.training.config import TrainJob
from shapesys.training.run_dir import RunDirectory


def open_observed(job: TrainJob, family: Family) -> Store:
    """The store of a job, after checking that it has what the method is shown, and the categories asked for.

    Raises:
        ShapesysError: no such store, view, column or category; says what there is.
    """
    store = Store.open(job.data.store)
    seen = family.observed(job.model)
    store.require(seen.view, seen.columns)
    store.shapes(categories=job.data.categories, columns=())
    return store


def settle(job: TrainJob, family: Family, run: RunDirectory) -> Checkpoint:
    """The checkpoint of a claimed run, of step 0, made where it is not there yet.

    Raises:
        ShapesysError: as `open_observed`, or the store's shapes lie in another frame than when the run was made.
    """
    store = open_observed(job, family)
    if held := checkpoint.latest(run.checkpoints):
        held.check_framing(store.framing, store.url)
        return held
    method = family.build(job.model, TrainingData(0))
    return checkpoint.save(run.checkpoints, 0, job, method, (), None, Vocabulary(), framing=store.framing)
