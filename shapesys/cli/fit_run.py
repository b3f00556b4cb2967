"""Fits of one network per scan from the driver's side: the run that holds them, and how many are fitted together."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from shapesys.cli.background import BackgroundTracker
from shapesys.cli.training_run import describe_run, told
from shapesys.errors import UsageError, unknown_name
from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.evaluation.plan import shapes_to_evaluate
from shapesys.families import registry
from shapesys.samples.filesystem import Folder
from shapesys.samples.store import Store
from shapesys.tracking.open import open_tracker
from shapesys.training import provenance
from shapesys.training.config import TrainJob, presets_of_one_shape
from shapesys.training.context import pick_device
from shapesys.training.fitted import begin
from shapesys.training.fitting import at_once, fresh_network
from shapesys.training.run_dir import RunDirectory, check_kind, create, write_json

_DAY = 24 * 3600.0
MOST_AT_ONCE = 64
"""Shapes of a batch: what is lost where a worker dies."""


def check_preset(family_name: str, preset: str) -> None:
    """Refuse a family or a preset that fits no single shapes.

    Raises:
        UsageError: says which there are.
    """
    family = registry.load(family_name)
    if not (single := presets_of_one_shape(family)):
        able = ", ".join(name for name in registry.names() if presets_of_one_shape(registry.load(name)))
        raise UsageError(f"family '{family_name}' has no network of one shape; fit one of: {able}")
    if preset not in family.presets:
        raise unknown_name(f"preset of {family_name}", preset, single)


def check_fits(job: TrainJob) -> None:
    """Refuse settings that share a network among shapes.

    Raises:
        UsageError: says which do not.
    """
    family = registry.load(job.family)
    if not family.one_network_each(job.model):
        raise UsageError(
            f"preset '{job.preset}' of {job.family} trains one network of many shapes (shapesys train); choose one of "
            f"a shape ({', '.join(presets_of_one_shape(family))}), or add --model.latent-dim 0"
        )


def usual_batch(job: TrainJob) -> int:
    """Shapes that a worker takes at a time: as many as it fits together where it has a GPU as this machine has."""
    return min(MOST_AT_ONCE, at_once(job, pick_device("auto")))


def shapes_of(job: TrainJob, settings: EvaluateConfig) -> list[tuple[str, Any]]:
    """What would be fitted, after checking that the store has what the family needs.

    Raises:
        ShapesysError: no such store, view or shape.
    """
    store, shapes = _checked(job, settings)
    parameters = sum(parameter.numel() for parameter in fresh_network(job, "").parameters())
    return [
        ("store", store.url),
        ("split", settings.split),
        ("shapes", shapes),
        ("parameters of each network", parameters),
        ("iterations of each", job.train.epochs),
        ("networks at a time on one worker", usual_batch(job)),
        *(("warning", text) for text in registry.load(job.family).warnings(job.model)),
    ]


def _checked(job: TrainJob, settings: EvaluateConfig) -> tuple[Store, int]:
    """The store and how many shapes of it there are to fit, which have all that fitting and measuring need."""
    family, store = registry.load(job.family), Store.open(job.data.store)
    need = family.need(job.model)
    store.require(need.view, need.columns)
    return store, len(shapes_to_evaluate(settings, store, job, settings.categories))


def scale_of_fits(job: TrainJob, typed: Mapping[str, Any]) -> EvaluateScale:
    """Where fits run: a worker takes as many shapes as it fits together, and a network may take a day."""
    return EvaluateScale().override({"batch_shapes": usual_batch(job), "shape_limit_s": _DAY, **typed})


@contextmanager
def begin_fits(
    job: TrainJob, settings: EvaluateConfig, name: str, root: str | Path, tracker: str
) -> Iterator[RunDirectory]:
    """The run that fits belong to, claimed and tracked; its checkpoint holds settings and a network that knows nothing.

    Raises:
        UsageError: the directory holds a sweep or a set of networks.
        ShapesysError: no store, no shape to fit, or fits by other settings.
    """
    store, _ = _checked(job, settings)
    for text in registry.load(job.family).warnings(job.model):
        click.echo(f"warning: {text}", err=True)
    run = create(root, name)
    check_kind(run, run.config.name)
    with Folder(str(run.path)).exclusive():
        begin(run, job)
        facts = provenance.collect(store.digest(), sys.argv, job)
        write_json(run.provenance, facts)
        with told(run, BackgroundTracker(open_tracker(run, tracker))) as tracked:
            tracked.start(describe_run(job, run, facts, "fits", "one network fitted to each shape of"))
            tracked.artifacts([run.config, run.provenance])
            yield run
            shutil.rmtree(run.half_done, ignore_errors=True)
