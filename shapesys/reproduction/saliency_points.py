"""Shapes classified by their most salient points (section 5.2, table 6), with the category of test shapes named.

The maps of a test shape come from its category's network. ``oracle`` takes the true category, as the only protocol that
can explain the published figures; ``predicted`` takes the word of a classifier that sees all points.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.evaluation.plan import evaluate_locally
from shapesys.reproduction.experiment import Experiment
from shapesys.reproduction.finding import Finding
from shapesys.reproduction.kept import Kept, at_work, check_kept
from shapesys.reproduction.recipe import Request
from shapesys.reproduction.saliency import ACCURACY, KNOWN, LEFT_OUT, Known, MapVariant, TopPoints, measure_name
from shapesys.reproduction.saliency_experiments import variant_job
from shapesys.reproduction.saliency_ranking import ORACLE, PREDICTED, left_out, ranked
from shapesys.reproduction.train_once import train_once
from shapesys.samples.store import Store
from shapesys.training.checkpoint import chosen_of
from shapesys.training.config import TrainJob
from shapesys.training.maps_claim import digest_of
from shapesys.training.network_set import finished_result
from shapesys.training.run_dir import RunDirectory, create, read_json, write_json

_RESULT = "accuracy.json"


@dataclass(frozen=True)
class TopPointsExperiment(Experiment):
    """Trains a classifier on the most salient points of every shape, and counts how often it is right.

    Attributes:
        root: folder of the runs.
        variant: label of the method that ranks points.
        job: of the classifier, by the maps of true categories.
        trained: name of its run.
        count: points of each shape.
        split: what is measured.
        predicted: the maps by predicted categories; empty where nothing is ranked.
    """

    root: str
    variant: str
    job: TrainJob
    trained: str
    count: int
    split: str
    predicted: str

    def describe(self) -> dict[str, str]:
        return {"family": self.job.family, "preset": self.job.preset, "measured as": f"{self.variant}, {self.count}"}

    def was_done(self) -> bool:
        return finished_result(RunDirectory(Path(self.root) / self.trained)) is not None

    def perform(self) -> list[Finding]:
        own, run = create(self.root, self.name), create(self.root, self.trained)
        maps = self._maps()
        check_kept(map(Path, maps.values()), f"points ranked by {self.variant}")
        with at_work(own.path, run.path):
            train_once(run, self.job)
            numbers = self._accuracies(own, run, maps)
        numbers |= {LEFT_OUT: float(left_out(maps.values()))} if maps else {}
        summary = {"whole_set": {name: {"value": value} for name, value in numbers.items()}}
        return [Finding(self.variant, self.job.train.seed, str(run.path), summary)]

    def _maps(self) -> dict[Known, str]:
        """The files of maps; none where nothing is ranked."""
        return {"oracle": self.job.data.saliency, "predicted": self.predicted} if self.predicted else {}

    def _accuracies(self, own: RunDirectory, run: RunDirectory, maps: Mapping[Known, str]) -> dict[str, float]:
        """By the name of the measure; kept, because every other evaluation of the run takes its place."""
        facts = {
            "store": Store.open(self.job.data.store).digest(),
            "split": self.split,
            "network": chosen_of(run).digest(),
            "maps": {known: digest_of(path) for known, path in maps.items()},
        }
        kept = Kept(own.path / _RESULT)
        kept.keep(facts, lambda path: write_json(path, self._evaluated(run, maps)))
        return dict(read_json(kept.path))

    def _evaluated(self, run: RunDirectory, maps: Mapping[Known, str]) -> dict[str, float]:
        found: dict[str, float] = {}
        for known in KNOWN if maps else KNOWN[:1]:
            settings = EvaluateConfig(split=self.split, saliency=maps.get(known, ""))
            summary: Any = evaluate_locally(run, settings, EvaluateScale(num_actors=1, save_meshes=False))
            found[measure_name(self.count, known)] = summary["whole_set"][ACCURACY]["value"]
        return found


def classifying(recipe: TopPoints, request: Request) -> Iterator[TopPointsExperiment]:
    """One classifier for every method, number of points and seed."""
    for seed in request.seeds:
        for variant in recipe.variants:
            for count in recipe.counts[request.scale] if variant.kind else (recipe.all_points,):
                yield _classifying(recipe, request, variant, seed, count)


def _classifying(
    recipe: TopPoints, request: Request, variant: MapVariant, seed: int, count: int
) -> TopPointsExperiment:
    categories = recipe.categories[request.data]
    judge = variant_job(recipe.judge_at(request.scale), request, seed, categories)
    name, predicted = f"top{count}-{variant.key}-s{seed}", ""
    trained = name
    if variant.kind is None:
        job = judge.override({"train.points_per_shape": count, "inference.points": count})
        if job == variant_job(recipe.judge, request, seed, categories):
            # The judge sees all points as it would anywhere, so its run is that of other recipes.
            trained = recipe.judge.run_name(seed)
    else:
        folder = Path(request.root) / ranked(variant, seed)
        job = judge.override({"data.saliency": str(folder / ORACLE), "model.salient_points": count})
        predicted = str(folder / PREDICTED)
    return TopPointsExperiment(name, request.root, variant.label, job, trained, count, recipe.split, predicted)
