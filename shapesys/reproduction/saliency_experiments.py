"""Experiments that make saliency maps, and where they leave them.

A run directory of its own belongs to every experiment. Maps are made again only where checkpoint, settings or store
changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shapesys.errors import ShapesysError
from shapesys.reproduction.experiment import Experiment
from shapesys.reproduction.finding import Finding
from shapesys.reproduction.recipe import Request
from shapesys.reproduction.saliency import MapRecipe, MapVariant
from shapesys.reproduction.train_once import train_once
from shapesys.saliency.config import MapSettings
from shapesys.saliency.maps import Maps, field_maps, geometry_maps, gradient_maps
from shapesys.saliency.predicted import predict_categories, write_categories
from shapesys.samples.filesystem import Folder
from shapesys.samples.saliency_maps import SaliencyMaps, merged, read_saliency_maps
from shapesys.samples.store import Store
from shapesys.training.checkpoint import chosen_of
from shapesys.training.config import TrainJob, of_category, resolve
from shapesys.training.context import pick_device
from shapesys.training.run_dir import RunDirectory, create

MAPS, CATEGORIES = "maps.parquet", "categories.json"
"""Files of an experiment's run: the maps, and for a classifier the category it takes each test shape for."""
_UNDONE = "undone"
"""A file that is there while an experiment works, and where it failed: maps beside it are of an earlier one."""


@dataclass(frozen=True)
class MapExperiment(Experiment):
    """Makes the maps of some shapes.

    Attributes:
        root: folder of the runs.
        method: as people know it.
        store: whose shapes.
        categories: of the shapes.
        settings: of the maps.
    """

    root: str
    method: str
    store: str
    categories: tuple[str, ...]
    settings: MapSettings

    @property
    def run(self) -> RunDirectory:
        return create(self.root, self.name)

    def describe(self) -> dict[str, str]:
        return {"makes": f"maps by {self.method} of {', '.join(self.categories)}"}

    def perform(self) -> list[Finding]:
        with Folder(str(self.run.path)).exclusive():
            undone = self.run.path / _UNDONE
            undone.touch()
            self.prepare()
            self._make_where_missing()
            undone.unlink()
        return []

    def _make_where_missing(self) -> None:
        store, path, facts = Store.open(self.store), self.run.path / MAPS, self.facts()
        if not _made(path, store.digest(), facts):
            shape_ids = store.shape_ids(categories=self.categories, view="cloud")
            made = self.make(store, shape_ids)
            SaliencyMaps(self.method, store.digest(), made.values, facts, made.failed).write(path)

    def prepare(self) -> None:
        """What has to be trained before."""

    def facts(self) -> dict[str, Any]:
        """What the maps depend on beside the store."""
        return {"settings": self.settings.model_dump(mode="json"), "categories": list(self.categories)}

    def make(self, store: Store, shape_ids: list[str]) -> Maps:
        """The maps."""
        return geometry_maps(store, shape_ids, self.settings)


@dataclass(frozen=True)
class TrainedMapExperiment(MapExperiment):
    """Trains, then makes maps with what was trained: a field network of one category."""

    job: TrainJob

    def describe(self) -> dict[str, str]:
        return {"family": self.job.family, "preset": self.job.preset, **super().describe()}

    def prepare(self) -> None:
        train_once(self.run, self.job)

    def facts(self) -> dict[str, Any]:
        return {**super().facts(), "step": chosen_of(self.run).step}

    def make(self, store: Store, shape_ids: list[str]) -> Maps:
        return field_maps(self.run, store, shape_ids, self.settings, pick_device(self.job.scale.device))


@dataclass(frozen=True)
class ClassifierExperiment(TrainedMapExperiment):
    """Trains a classifier of all categories; its gradients are maps, and it says what it takes test shapes for."""

    split: str

    def make(self, store: Store, shape_ids: list[str]) -> Maps:
        device = pick_device(self.job.scale.device)
        unseen = store.shape_ids(self.split, self.categories, "cloud")
        write_categories(self.run.path / CATEGORIES, predict_categories(self.run, store, unseen, device))
        return gradient_maps(self.run, store, shape_ids, self.settings, device)


def making(recipe: MapRecipe, request: Request) -> Iterator[MapExperiment]:
    """The experiments that make a recipe's maps, each once.

    Raises:
        UsageError: a setting that a family does not have.
    """
    seen: set[str] = set()
    for seed in request.seeds:
        for variant in recipe.makers():
            for made in made_for(recipe, request, variant, seed):
                if made.name not in seen:
                    seen.add(made.name)
                    yield made


def made_for(recipe: MapRecipe, request: Request, variant: MapVariant, seed: int) -> list[MapExperiment]:
    """The experiments that together make a variant's maps with a seed: one for each category of a method of fields."""
    settings = map_settings(recipe, request)
    common = (request.root, variant.label, request.store)
    named = _names(recipe, request, variant, seed).items()
    if variant.kind in ("geometry", "none"):
        return [MapExperiment(name, *common, categories, settings) for name, categories in named]
    job = variant_job(variant, request, seed, recipe.categories[request.data])
    if variant.kind == "classifier":
        return [
            ClassifierExperiment(name, *common, categories, settings, job, recipe.split) for name, categories in named
        ]
    return [
        TrainedMapExperiment(name, *common, (category,), settings, of_category(job, category))
        for name, (category,) in named
    ]


def maps_of(recipe: MapRecipe, request: Request, variant: MapVariant, seed: int) -> tuple[str, ...]:
    """Paths of the files that together hold a variant's maps."""
    return tuple(str(Path(request.root) / name / MAPS) for name in _names(recipe, request, variant, seed))


def _names(recipe: MapRecipe, request: Request, variant: MapVariant, seed: int) -> dict[str, tuple[str, ...]]:
    """Name of each experiment that makes a variant's maps -> the categories of its shapes."""
    if variant.kind == "none":
        return {}
    if variant.kind == "geometry":
        return {variant.key: recipe.categories[request.data]}
    if variant.kind == "classifier":
        return {f"{variant.key}-s{seed}": recipe.categories[request.data]}
    return {f"{variant.key}-{category}-s{seed}": (category,) for category in recipe.measured_of(request.data)}


def read_maps(paths: tuple[str, ...], method: str) -> SaliencyMaps:
    """All of a variant's maps.

    Raises:
        ShapesysError: some were not made; names the experiment that failed.
    """
    check_maps_made(paths, method)
    return merged([replace(read_saliency_maps(path), method=method) for path in paths])


def check_maps_made(paths: tuple[str, ...], method: str) -> None:
    """Refuse to go on without some of a variant's maps.

    Raises:
        ShapesysError: names the experiments that failed.
    """
    runs = [Path(path).parent for path in paths]
    lost = [run.name for run in runs if not (run / MAPS).is_file() or (run / _UNDONE).exists()]
    if lost:
        raise ShapesysError(f"there are no maps by {method} of {', '.join(lost)}, whose experiment failed")


def map_settings(recipe: MapRecipe, request: Request) -> MapSettings:
    """How maps are made at the request's scale."""
    changes = {**recipe.map_settings, **recipe.map_settings_at.get(request.scale, {})}
    settings: MapSettings = MapSettings().override(changes)
    return settings


def variant_job(variant: MapVariant, request: Request, seed: int, categories: tuple[str, ...]) -> TrainJob:
    """The training of a variant's family on some categories."""
    data = {"data.store": request.store, "data.categories": categories, "train.seed": seed}
    changes = variant.settings(request.scale) | dict(request.changes) | data
    return resolve(variant.family, variant.presets[request.scale], changes)


def _made(path: Path, digest: str, facts: dict[str, Any]) -> bool:
    if not path.is_file():
        return False
    held = read_saliency_maps(path)
    return held.store_digest == digest and dict(held.facts) == facts
