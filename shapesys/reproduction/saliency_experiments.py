"""Experiments that make saliency maps, each once for all recipes that share them.

Maps are made again only where network, settings or store changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapesys.reproduction.experiment import Experiment
from shapesys.reproduction.finding import Finding
from shapesys.reproduction.kept import Kept, at_work
from shapesys.reproduction.recipe import Request
from shapesys.reproduction.saliency import MapRecipe, MapVariant
from shapesys.reproduction.saliency_files import CATEGORIES, maps_file
from shapesys.reproduction.train_once import train_once
from shapesys.saliency.config import MapSettings
from shapesys.saliency.kinds import Kind, used_by
from shapesys.saliency.maps import make_maps
from shapesys.saliency.predicted import predict_categories, write_categories
from shapesys.samples.saliency_maps import SaliencyMaps
from shapesys.samples.store import Store
from shapesys.training.checkpoint import chosen_of
from shapesys.training.config import TrainJob, of_category, resolve
from shapesys.training.context import pick_device
from shapesys.training.network_set import finished_result
from shapesys.training.run_dir import RunDirectory, create


@dataclass(frozen=True)
class MapExperiment(Experiment):
    """Makes the maps of some shapes.

    Attributes:
        root: folder of the runs.
        method: as people know it.
        kind: of the maps.
        store: whose shapes.
        categories: of the shapes.
        settings: of the maps.
        splits: of the shapes, each with a file of its own; None stands for all of them in one.
    """

    root: str
    method: str
    kind: Kind
    store: str
    categories: tuple[str, ...]
    settings: MapSettings
    splits: tuple[str | None, ...]

    @property
    def run(self) -> RunDirectory:
        return create(self.root, self.name)

    @property
    def network(self) -> RunDirectory | None:
        """The run of the network that makes the maps; None where none is needed."""
        return None

    @property
    def device(self) -> str:
        """Where the network works."""
        return "auto"

    def describe(self) -> dict[str, str]:
        return {"makes": f"maps by {self.method} of {', '.join(self.categories)}"}

    def was_done(self) -> bool:
        folder = Path(self.root) / self.name
        if not folder.is_dir() or not all((folder / maps_file(split)).is_file() for split in self.splits):
            return False
        return self.network is None or finished_result(self.network) is not None

    def perform(self) -> list[Finding]:
        with at_work(*self.folders()):
            self.prepare()
            store = Store.open(self.store)
            facts = self.facts(store) if self.splits else {}
            for split in self.splits:
                self._keep(store, split, facts | {"split": split})
        return []

    def folders(self) -> tuple[Path, ...]:
        """Those that it writes to."""
        return (self.run.path,)

    def prepare(self) -> None:
        """What has to be done before maps are made."""

    def facts(self, store: Store) -> dict[str, Any]:
        """What the maps of every split depend on."""
        network = {} if self.network is None else {"network": chosen_of(self.network).digest()}
        return {
            "store": store.digest(),
            "categories": list(self.categories),
            "kind": self.kind,
            "settings": used_by(self.kind, self.settings),
            **network,
        }

    def _keep(self, store: Store, split: str | None, facts: dict[str, Any]) -> None:
        def write(path: Path) -> None:
            shape_ids = store.shape_ids(split, self.categories, "cloud")
            made = make_maps(self.kind, self.network, store, shape_ids, self.settings, pick_device(self.device))
            SaliencyMaps(self.method, store.digest(), made.values, facts, made.failed).write(path)

        Kept(self.run.path / maps_file(split)).keep(facts, write)


@dataclass(frozen=True)
class TrainedMapExperiment(MapExperiment):
    """Trains, then makes maps with what was trained: a field network of one category.

    Attributes:
        job: of the training.
        trained: name of its run.
    """

    job: TrainJob
    trained: str

    @property
    def network(self) -> RunDirectory:
        return create(self.root, self.trained)

    @property
    def device(self) -> str:
        return self.job.scale.device

    def describe(self) -> dict[str, str]:
        making = super().describe() if self.splits else {}
        return {"family": self.job.family, "preset": self.job.preset, **making}

    def folders(self) -> tuple[Path, ...]:
        return (*super().folders(), self.network.path)

    def prepare(self) -> None:
        train_once(self.network, self.job)


@dataclass(frozen=True)
class ClassifierExperiment(TrainedMapExperiment):
    """Trains a classifier of all categories; its gradients are maps, and it says what it takes unseen shapes for.

    Attributes:
        unseen: split of those shapes.
    """

    unseen: str

    def prepare(self) -> None:
        super().prepare()
        store = Store.open(self.store)
        facts = {"store": store.digest(), "split": self.unseen, "network": chosen_of(self.network).digest()}

        def write(path: Path) -> None:
            shape_ids = store.shape_ids(self.unseen, self.categories, "cloud")
            write_categories(path, predict_categories(self.network, store, shape_ids, pick_device(self.device)))

        Kept(self.run.path / CATEGORIES).keep(facts | {"categories": list(self.categories)}, write)


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
    named = _names(recipe, request, variant, seed).items()
    if variant.kind is None:
        return []
    common = (request.root, variant.label, variant.kind, request.store)
    how = (map_settings(recipe, request), recipe.splits(request))
    if variant.kind == "geometry":
        return [MapExperiment(name, *common, categories, *how) for name, categories in named]
    job = variant_job(variant, request, seed, recipe.categories[request.data])
    if variant.kind == "classifier":
        trained = variant.run_name(seed)
        return [
            ClassifierExperiment(name, *common, categories, *how, job, trained, recipe.split)
            for name, categories in named
        ]
    return [
        TrainedMapExperiment(name, *common, (category,), *how, of_category(job, category), name)
        for name, (category,) in named
    ]


def networks_of(recipe: MapRecipe, request: Request, variant: MapVariant, seed: int) -> dict[str, str]:
    """Category -> name of the run of the network that makes a variant's maps of it; empty where none is needed."""
    if variant.kind == "classifier":
        return dict.fromkeys(recipe.categories[request.data], variant.run_name(seed))
    named = _names(recipe, request, variant, seed).items()
    return {category: name for name, (category,) in named} if variant.kind == "fields" else {}


def maps_of(recipe: MapRecipe, request: Request, variant: MapVariant, seed: int) -> tuple[str, ...]:
    """Paths of the files that together hold a variant's maps, as far as the recipe needs them."""
    names = _names(recipe, request, variant, seed)
    return tuple(str(Path(request.root) / name / maps_file(one)) for name in names for one in recipe.splits(request))


def _names(recipe: MapRecipe, request: Request, variant: MapVariant, seed: int) -> dict[str, tuple[str, ...]]:
    """Name of each experiment that makes a variant's maps -> the categories of its shapes."""
    if variant.kind is None:
        return {}
    if variant.kind == "geometry":
        return {variant.key: recipe.categories[request.data]}
    if variant.kind == "classifier":
        return {f"{variant.key}-s{seed}": recipe.categories[request.data]}
    return {f"{variant.key}-{category}-s{seed}": (category,) for category in recipe.measured_of(request.data)}


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
