"""Classifiers whose gradients are weighed by the saliency of training shapes (section 5.2, table 5).

Nothing of a test shape's saliency is used: the file of maps holds training shapes alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from shapesys.families import registry
from shapesys.reproduction.experiment import Experiment
from shapesys.reproduction.finding import Finding
from shapesys.reproduction.kept import Kept, at_work, check_kept
from shapesys.reproduction.recipe import Request
from shapesys.reproduction.saliency import TRAINING, MapVariant, WeighedGradients
from shapesys.reproduction.saliency_experiments import maps_of, variant_job
from shapesys.reproduction.saliency_files import maps_file, read_maps
from shapesys.reproduction.trained_experiment import TrainedExperiment
from shapesys.training.maps_claim import digest_of
from shapesys.training.run_dir import create
from shapesys.training.saliency import use_of


@dataclass(frozen=True)
class CollectExperiment(Experiment):
    """Puts the maps of training shapes into one file.

    Attributes:
        root: folder of the runs.
        method: that made them.
        maps: paths of the files that together hold them, and no others.
        split: of the shapes.
    """

    root: str
    method: str
    maps: tuple[str, ...]
    split: str

    def describe(self) -> dict[str, str]:
        return {"makes": f"one file of maps by {self.method} of split {self.split}"}

    def perform(self) -> list[Finding]:
        folder = create(self.root, self.name).path
        with at_work(folder):
            made = read_maps(self.maps, self.method)
            facts = {"split": self.split, "maps": [digest_of(path) for path in self.maps]}
            kept = Kept(folder / maps_file(self.split))
            kept.keep(facts, replace(made, facts={"split": self.split}).write)
        return []


@dataclass(frozen=True)
class LearningExperiment(TrainedExperiment):
    """Trains a classifier, by maps where its job names some, then measures it."""

    def perform(self) -> list[Finding]:
        if self.job.data.saliency:
            check_kept([Path(self.job.data.saliency)], "maps to train by")
        return super().perform()


def collecting(recipe: WeighedGradients, request: Request) -> Iterator[CollectExperiment]:
    """One file of maps for every seed."""
    for seed in request.seeds:
        maps = maps_of(recipe, request, recipe.weights, seed)
        yield CollectExperiment(_collected(recipe, seed), request.root, recipe.weights.label, maps, TRAINING)


def classifying(recipe: WeighedGradients, request: Request) -> Iterator[LearningExperiment]:
    """One training for every variant and seed.

    Raises:
        UsageError: a setting that a family does not have.
    """
    for seed in request.seeds:
        for variant in recipe.variants:
            yield _classifying(recipe, request, variant, seed)


def _classifying(recipe: WeighedGradients, request: Request, variant: MapVariant, seed: int) -> LearningExperiment:
    job = variant_job(variant, request, seed, recipe.categories[request.data])
    if use_of(job, registry.load(job.family)).training:
        collected = Path(request.root) / _collected(recipe, seed) / maps_file(TRAINING)
        job = job.override({"data.saliency": str(collected)})
    return LearningExperiment(variant.run_name(seed), request.root, job, recipe.split, {variant.label: {}})


def _collected(recipe: WeighedGradients, seed: int) -> str:
    return f"training-{recipe.weights.key}-s{seed}"
