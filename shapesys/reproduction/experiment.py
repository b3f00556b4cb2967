"""One run of a recipe: train a variant with one seed, then measure it. Done again, it does only what is missing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.evaluation.plan import evaluate_locally
from shapesys.reproduction.recipe import Measure, Recipe, Scale, Variant
from shapesys.samples.filesystem import Folder
from shapesys.training import loop
from shapesys.training.config import TrainJob, claim, resolve
from shapesys.training.context import LocalContext, pick_device
from shapesys.training.run_dir import RunDirectory, create

SEED = "train.seed"
SHOWN = 4
"""Pictures of each variant on the page."""


@dataclass(frozen=True)
class Experiment:
    """A run, and the variants that are measured with it. Picklable.

    Attributes:
        name: of the run.
        root: folder of the runs.
        job: what is trained.
        split: what is measured.
        variants: label -> changes to the inference settings.
    """

    name: str
    root: str
    job: TrainJob
    split: str
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def run(self) -> RunDirectory:
        return create(self.root, self.name)


@dataclass(frozen=True)
class Finding:
    """What one variant with one seed came out as.

    Attributes:
        variant: its label.
        seed: of the run.
        run: its folder.
        summary: of the evaluation.
        pictures: paths of a few pictures that the evaluation drew, where it drew any.
    """

    variant: str
    seed: int
    run: str
    summary: Mapping[str, Any]
    pictures: tuple[str, ...] = ()


def experiments(
    recipe: Recipe, scale: Scale, store: str, root: str, seeds: Sequence[int], changes: Mapping[str, Any]
) -> list[Experiment]:
    """Every run of a recipe: variants that are trained alike share one.

    Args:
        changes: dotted path -> value, for all runs.

    Raises:
        UsageError: a setting that a family does not have.
    """
    found: list[Experiment] = []
    for number, group in enumerate(_trained_alike(recipe.variants, scale)):
        first = group[0]
        for seed in seeds:
            settings = dict(first.changes) | dict(changes) | {"data.store": store, SEED: seed}
            job = resolve(first.family, first.presets[scale], settings)
            variants = {variant.label: dict(variant.inference) for variant in group}
            found.append(Experiment(f"{recipe.name}-{number:02d}-s{seed}", root, job, recipe.split, variants))
    return found


def _trained_alike(variants: Sequence[Variant], scale: Scale) -> list[list[Variant]]:
    groups: dict[str, list[Variant]] = {}
    for variant in variants:
        key = f"{variant.family} {variant.presets[scale]} {sorted(variant.changes.items())}"
        groups.setdefault(key, []).append(variant)
    return list(groups.values())


def perform(experiment: Experiment) -> list[Finding]:
    """Train and measure in this process.

    Raises:
        ShapesysError: training or measuring failed; says why.
    """
    run, job = experiment.run, experiment.job
    with Folder(str(run.path)).exclusive():
        claim(run, job)
        started = time.monotonic()
        loop.train(job, run, LocalContext(pick_device(job.scale.device)))
        run.update_status(state="finished", error=None, train_seconds=time.monotonic() - started)
        return [_measured(experiment, label, changes) for label, changes in experiment.variants.items()]


def _measured(experiment: Experiment, label: str, changes: Mapping[str, Any]) -> Finding:
    settings = EvaluateConfig(split=experiment.split, inference=dict(changes))
    summary = evaluate_locally(experiment.run, settings, EvaluateScale(num_actors=1))
    pictures = _kept_pictures(experiment, list(experiment.variants).index(label))
    return Finding(label, experiment.job.train.seed, str(experiment.run.path), summary, pictures)


def _kept_pictures(experiment: Experiment, number: int) -> tuple[str, ...]:
    """Copies of the first pictures: those of another variant will take their place."""
    drawn = sorted((experiment.run.evaluation(experiment.split).path / "pictures").glob("*.png"))
    drawn = [path for path in drawn if not path.name.endswith(".truth.png")]
    folder = experiment.run.path / "shown" / str(number)
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(str(shutil.copy2(path, folder / path.name)) for path in drawn[:SHOWN])


def value_of(summary: Mapping[str, Any], measure: Measure) -> float | None:
    """A measure's number in a summary, times its factor; None where it has none."""
    whole = summary.get("whole_set", {}).get(measure.name)
    named = whole or summary["overall"]["metrics"].get(measure.name, {})
    value = named.get("value", named.get("mean"))
    return None if value is None else float(value) * measure.factor
