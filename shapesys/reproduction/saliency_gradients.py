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
from shapesys.reproduction.recipe import Request
from shapesys.reproduction.saliency import MapVariant, WeighedGradients
from shapesys.reproduction.saliency_experiments import MAPS, maps_of, read_maps, variant_job
from shapesys.reproduction.trained_experiment import TrainedExperiment
from shapesys.samples.store import Store
from shapesys.training.run_dir import create
from shapesys.training.saliency import use_of


@dataclass(frozen=True)
class CollectExperiment(Experiment):
    """Puts the maps of training shapes into one file.

    Attributes:
        root: folder of the runs.
        method: that made them.
        maps: paths of the files that together hold them.
        store: whose shapes.
        split: of the shapes.
    """

    root: str
    method: str
    maps: tuple[str, ...]
    store: str
    split: str

    def describe(self) -> dict[str, str]:
        return {"makes": f"one file of maps by {self.method} of split {self.split}"}

    def perform(self) -> list[Finding]:
        made = read_maps(self.maps, self.method)
        values = {name: made.of(name) for name in Store.open(self.store).shape_ids(self.split) if name in made.values}
        path = create(self.root, self.name).path / MAPS
        replace(made, values=values, facts={"split": self.split}).write(path)
        return []


def collecting(recipe: WeighedGradients, request: Request) -> Iterator[CollectExperiment]:
    """One file of maps for every seed."""
    for seed in request.seeds:
        maps = maps_of(recipe, request, recipe.weights, seed)
        yield CollectExperiment(
            _collected(recipe, seed), request.root, recipe.weights.label, maps, request.store, "train"
        )


def classifying(recipe: WeighedGradients, request: Request) -> Iterator[TrainedExperiment]:
    """One training for every variant and seed.

    Raises:
        UsageError: a setting that a family does not have.
    """
    for seed in request.seeds:
        for variant in recipe.variants:
            yield _classifying(recipe, request, variant, seed)


def _classifying(recipe: WeighedGradients, request: Request, variant: MapVariant, seed: int) -> TrainedExperiment:
    job = variant_job(variant, request, seed, recipe.categories[request.data])
    if use_of(job, registry.load(job.family)).training:
        job = job.override({"data.saliency": str(Path(request.root) / _collected(recipe, seed) / MAPS)})
    return TrainedExperiment(f"{variant.key}-s{seed}", request.root, job, recipe.split, {variant.label: {}})


def _collected(recipe: WeighedGradients, seed: int) -> str:
    return f"training-{recipe.weights.key}-s{seed}"
