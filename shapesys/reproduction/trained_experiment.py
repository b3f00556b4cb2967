"""Train a variant with one seed, then measure it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.plan import evaluate_locally, usual_scale
from shapesys.families import registry
from shapesys.families.base import FieldPrediction
from shapesys.reproduction.experiment import Experiment
from shapesys.reproduction.finding import Finding, Picture
from shapesys.reproduction.recipe import Request, Scale
from shapesys.reproduction.surface_pictures import pictures_of_surfaces
from shapesys.reproduction.train_once import train_once
from shapesys.reproduction.trained import Pictured, TrainedRecipe, TrainedVariant
from shapesys.samples.filesystem import Folder
from shapesys.training.config import TrainJob, resolve
from shapesys.training.context import pick_device
from shapesys.training.fitted import begin
from shapesys.training.fitting import at_once
from shapesys.training.network_set import finished_result
from shapesys.training.run_dir import RunDirectory, create

SEED = "train.seed"
SHOWN = 4
"""Pictures of each variant on the page."""


@dataclass(frozen=True)
class TrainedExperiment(Experiment):
    """A run, and the variants that are measured with it.

    Attributes:
        root: folder of the runs.
        job: what is trained.
        split: what is measured.
        variants: label -> changes to the settings of the evaluation.
        pictured: how pictures of the evaluation stand on the page; None for none.
        measured: changes to the settings of the evaluation.
    """

    root: str
    job: TrainJob
    split: str
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    pictured: Pictured | None = None
    measured: Mapping[str, Any] = field(default_factory=dict)

    @property
    def run(self) -> RunDirectory:
        return create(self.root, self.name)

    def describe(self) -> dict[str, str]:
        return {"family": self.job.family, "preset": self.job.preset, "measured as": ", ".join(self.variants)}

    @property
    def fits(self) -> bool:
        """Whether nothing is trained, and every shape gets a network where it is measured."""
        return registry.load(self.job.family).one_network_each(self.job.model)

    def was_done(self) -> bool:
        run = RunDirectory(Path(self.root) / self.name)
        if self.fits:
            return run.evaluation(self.split).summary.exists()
        return finished_result(run) is not None and self._mark(run).exists()

    def perform(self) -> list[Finding]:
        run, job = self.run, self.job
        with Folder(str(run.path)).exclusive():
            if self.fits:
                begin(run, job)
            else:
                train_once(run, job)
            found = [self._measured(label, changes) for label, changes in self.variants.items()]
            self._mark(run).parent.mkdir(exist_ok=True)
            self._mark(run).touch()
            return found

    def _mark(self, run: RunDirectory) -> Path:
        """A file that is there once all variants have been measured: recipes share runs, and measure other ones."""
        asked = json.dumps([dict(self.variants), dict(self.measured), self.split], sort_keys=True, default=str)
        return run.path / "measured" / hashlib.sha256(asked.encode()).hexdigest()[:12]

    def _measured(self, label: str, changes: Mapping[str, Any]) -> Finding:
        settings = EvaluateConfig(split=self.split).override({**self.measured, **changes})
        scale = usual_scale(self.job, settings).override({"num_actors": 1})
        if self.fits:
            scale = scale.override({"batch_shapes": at_once(self.job, pick_device("auto"))})
        summary = evaluate_locally(self.run, settings, scale)
        pictures = self._kept_pictures(list(self.variants).index(label))
        return Finding(label, self.job.train.seed, str(self.run.path), summary, pictures)

    def _kept_pictures(self, number: int) -> tuple[Picture, ...]:
        """Copies of the first pictures: those of another variant will take their place."""
        if registry.load(self.job.family).predicts is FieldPrediction:
            return pictures_of_surfaces(self.run.evaluation(self.split), self.run.path / "shown" / str(number), SHOWN)
        if self.pictured is None:
            return ()
        drawn = sorted((self.run.evaluation(self.split).path / "pictures").glob("*.png"))
        drawn = [path for path in drawn if not path.name.endswith(".truth.png")]
        folder = self.run.path / "shown" / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        kept = [(self.pictured(path), shutil.copy2(path, folder / path.name)) for path in drawn[:SHOWN]]
        return tuple(replace(picture, path=str(copy)) for picture, copy in kept)


def experiments(recipe: TrainedRecipe, request: Request) -> list[TrainedExperiment]:
    """Every run of a recipe: variants that are trained alike share one.

    Raises:
        UsageError: a setting that a family does not have.
    """
    found: list[TrainedExperiment] = []
    able = [variant for variant in recipe.variants if not variant.requires or find_spec(variant.requires)]
    for number, group in enumerate(_trained_alike(able, request.scale)):
        first = group[0]
        for seed in request.seeds:
            settings = dict(first.changes) | dict(request.changes) | {"data.store": request.store, SEED: seed}
            job = resolve(first.family, first.presets[request.scale], settings)
            variants = {variant.label: variant.evaluation(request.scale) for variant in group}
            name = f"{_name(recipe, first, number, request.scale)}-s{seed}"
            found.append(
                TrainedExperiment(
                    name,
                    request.root,
                    job,
                    recipe.split,
                    variants,
                    recipe.pictured,
                    recipe.measured.get(request.scale, {}),
                )
            )
    return found


def _name(recipe: TrainedRecipe, variant: TrainedVariant, number: int, scale: Scale) -> str:
    """Of runs that recipes share, by what is trained."""
    if not recipe.shares:
        return f"{recipe.name}-{number:02d}"
    changes = json.dumps(dict(variant.changes), sort_keys=True)
    return f"{variant.family}-{variant.presets[scale]}-{hashlib.sha256(changes.encode()).hexdigest()[:8]}"


def _trained_alike(variants: Sequence[TrainedVariant], scale: Scale) -> list[list[TrainedVariant]]:
    groups: dict[str, list[TrainedVariant]] = {}
    for variant in variants:
        key = f"{variant.family} {variant.presets[scale]} {sorted(variant.changes.items())}"
        groups.setdefault(key, []).append(variant)
    return list(groups.values())
