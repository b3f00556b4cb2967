"""Shapes classified by their most salient points (section 5.2, table 6), with the category of test shapes named.

The maps of a test shape come from its category's network. ``oracle`` takes the true category, as the only protocol that
can explain the published figures; ``predicted`` takes the word of a classifier that sees all points.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.evaluation.plan import evaluate_locally
from shapesys.reproduction.experiment import Experiment
from shapesys.reproduction.finding import Finding
from shapesys.reproduction.recipe import Request
from shapesys.reproduction.saliency import ACCURACY, KNOWN, Kind, Known, MapVariant, TopPoints, measure_name
from shapesys.reproduction.saliency_experiments import CATEGORIES, map_settings, maps_of, read_maps, variant_job
from shapesys.reproduction.train_once import train_once
from shapesys.saliency.config import MapSettings
from shapesys.saliency.maps import Maps, field_maps, gradient_maps
from shapesys.saliency.predicted import read_categories
from shapesys.samples.filesystem import Folder
from shapesys.samples.saliency_maps import read_saliency_maps
from shapesys.samples.store import Store
from shapesys.training.checkpoint import chosen_of
from shapesys.training.config import TrainJob
from shapesys.training.context import pick_device
from shapesys.training.maps_claim import digest_of
from shapesys.training.run_dir import RunDirectory, create, read_json, write_json

_ORACLE, _PREDICTED, _RESULT = "oracle.parquet", "predicted.parquet", "accuracy.json"


@dataclass(frozen=True)
class RankingExperiment(Experiment):
    """Puts a variant's maps together, and makes those that test shapes have by their predicted categories.

    Attributes:
        root: folder of the runs.
        variant: its label.
        kind: of the variant.
        prefix, suffix: around a category in the name of its network's run.
        maps: paths of the variant's maps.
        classifier: name of the run that predicts categories.
        store: whose shapes.
        settings: of the maps.
    """

    root: str
    variant: str
    kind: Kind
    prefix: str
    suffix: str
    maps: tuple[str, ...]
    classifier: str
    store: str
    settings: MapSettings

    def describe(self) -> dict[str, str]:
        return {"makes": f"maps by {self.variant} of predicted categories"}

    def perform(self) -> list[Finding]:
        folder = create(self.root, self.name).path
        known = read_maps(self.maps, self.variant)
        wrong = {
            shape_id: category
            for shape_id, category in read_categories(Path(self.root) / self.classifier / CATEGORIES).items()
            if category != shape_id.partition("/")[0]
        }
        of = {"maps": [digest_of(path) for path in self.maps]}
        facts = {"category": "predicted", "wrong": wrong, **of}
        if not _made(folder, facts):
            replace(known, facts={"category": "true", **of}).write(folder / _ORACLE)
            told = self._of_categories(wrong)
            values = {name: found for name, found in known.values.items() if name not in told.failed} | told.values
            failed = {**known.failed, **told.failed}
            replace(known, values=values, facts=facts, failed=failed).write(folder / _PREDICTED)
        return []

    def _of_categories(self, wrong: Mapping[str, str]) -> Maps:
        """The maps of shapes that are taken for another category."""
        store, device = Store.open(self.store), pick_device("auto")
        found = Maps()
        if self.kind == "classifier":
            return gradient_maps(create(self.root, self.classifier), store, list(wrong), self.settings, device, wrong)
        if self.kind == "fields":
            for category in sorted(set(wrong.values())):
                run = create(self.root, f"{self.prefix}{category}{self.suffix}")
                taken = [shape_id for shape_id, other in wrong.items() if other == category]
                found |= field_maps(run, store, taken, self.settings, device)
        return found


@dataclass(frozen=True)
class TopPointsExperiment(Experiment):
    """Trains a classifier on the most salient points of every shape, and counts how often it is right.

    Attributes:
        root: folder of the runs.
        variant: label of the method that ranks points.
        job: of the classifier, by the maps of true categories.
        count: points of each shape.
        split: what is measured.
        predicted: the maps by predicted categories; empty where nothing is ranked.
    """

    root: str
    variant: str
    job: TrainJob
    count: int
    split: str
    predicted: str

    def describe(self) -> dict[str, str]:
        return {"family": self.job.family, "preset": self.job.preset, "measured as": f"{self.variant}, {self.count}"}

    def perform(self) -> list[Finding]:
        run = create(self.root, self.name)
        with Folder(str(run.path)).exclusive():
            train_once(run, self.job)
            summary = {"whole_set": {name: {"value": value} for name, value in self._accuracies(run).items()}}
        return [Finding(self.variant, self.job.train.seed, str(run.path), summary)]

    def _accuracies(self, run: RunDirectory) -> dict[str, float]:
        """By the name of the measure; kept, because every other evaluation of the run takes its place."""
        maps: dict[Known, str] = {"oracle": self.job.data.saliency, "predicted": self.predicted}
        facts = {name: digest_of(path) if path else "" for name, path in maps.items()} | {"step": chosen_of(run).step}
        kept = read_json(run.path / _RESULT) if (run.path / _RESULT).exists() else {}
        if kept.get("facts") != facts:
            kept = {"facts": facts, "accuracy": self._evaluated(run, maps)}
            write_json(run.path / _RESULT, kept)
        return dict(kept["accuracy"])

    def _evaluated(self, run: RunDirectory, maps: Mapping[Known, str]) -> dict[str, float]:
        found: dict[str, float] = {}
        for known in KNOWN if self.predicted else KNOWN[:1]:
            settings = EvaluateConfig(split=self.split, saliency=maps[known])
            summary: Any = evaluate_locally(run, settings, EvaluateScale(num_actors=1, save_meshes=False))
            found[measure_name(self.count, known)] = summary["whole_set"][ACCURACY]["value"]
        return found


def ranking(recipe: TopPoints, request: Request) -> Iterator[RankingExperiment]:
    """One experiment for every method that ranks points, and seed."""
    settings = map_settings(recipe, request)
    for seed in request.seeds:
        for variant in recipe.variants:
            if variant.kind != "none":
                yield RankingExperiment(
                    _ranked(variant, seed),
                    request.root,
                    variant.label,
                    variant.kind,
                    f"{variant.key}-",
                    f"-s{seed}",
                    maps_of(recipe, request, variant, seed),
                    f"{recipe.classifier.key}-s{seed}",
                    request.store,
                    settings,
                )


def classifying(recipe: TopPoints, request: Request) -> Iterator[TopPointsExperiment]:
    """One classifier for every method, number of points and seed."""
    for seed in request.seeds:
        for variant in recipe.variants:
            for count in recipe.counts if variant.kind != "none" else (recipe.all_points,):
                yield _classifying(recipe, request, variant, seed, count)


def _classifying(
    recipe: TopPoints, request: Request, variant: MapVariant, seed: int, count: int
) -> TopPointsExperiment:
    job = variant_job(recipe.judge, request, seed, recipe.categories[request.data])
    name, predicted = f"top{count}-{variant.key}-s{seed}", ""
    if variant.kind == "none":
        job = job.override({"train.points_per_shape": count, "inference.points": count})
    else:
        ranked = Path(request.root) / _ranked(variant, seed)
        job = job.override({"data.saliency": str(ranked / _ORACLE), "model.salient_points": count})
        predicted = str(ranked / _PREDICTED)
    return TopPointsExperiment(name, request.root, variant.label, job, count, recipe.split, predicted)


def _ranked(variant: MapVariant, seed: int) -> str:
    return f"ranked-{variant.key}-s{seed}"


def _made(folder: Path, facts: dict[str, Any]) -> bool:
    """Whether both files are there and depend on the same; the one of predicted categories is written last."""
    files = (folder / _ORACLE, folder / _PREDICTED)
    return all(file.is_file() for file in files) and dict(read_saliency_maps(files[1]).facts) == facts
