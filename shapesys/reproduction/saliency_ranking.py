"""The maps by which points are ranked (section 5.2, table 6): by the true and by the predicted category of test shapes.

    ranked-<method>-s<seed>/
      oracle.parquet       maps of true categories
      predicted.parquet    the same, but of test shapes that are taken for another category, the maps of that one

A shape that no map can be made of gets a flat one, by which its first points are taken: farthest point sampling spreads
them, and no shape is dropped from an accuracy. Both files name these shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from shapesys.errors import ShapesysError, in_words
from shapesys.reproduction.experiment import Experiment
from shapesys.reproduction.finding import Finding
from shapesys.reproduction.kept import Kept, at_work, check_kept
from shapesys.reproduction.recipe import Request
from shapesys.reproduction.saliency import TRAINING, MapVariant, TopPoints
from shapesys.reproduction.saliency_experiments import map_settings, maps_of, networks_of, variant_job
from shapesys.reproduction.saliency_files import CATEGORIES, read_maps
from shapesys.saliency.config import MapSettings
from shapesys.saliency.kinds import Kind, used_by
from shapesys.saliency.maps import Maps, make_maps
from shapesys.saliency.predicted import read_categories
from shapesys.samples.saliency_maps import SaliencyMaps, read_saliency_maps
from shapesys.samples.shape_ids import category_of
from shapesys.samples.store import Store
from shapesys.training.context import pick_device
from shapesys.training.maps_claim import digest_of
from shapesys.training.run_dir import create

ORACLE, PREDICTED = "oracle.parquet", "predicted.parquet"
_FLAT = "flat"


@dataclass(frozen=True)
class RankingExperiment(Experiment):
    """Puts a variant's maps together, and makes those that test shapes have by their predicted categories.

    Attributes:
        root: folder of the runs.
        variant: its label.
        kind: of the maps.
        networks: category -> name of the run that makes its maps; empty where none is needed.
        maps: paths of the variant's maps.
        told: file of the predicted categories.
        store: whose shapes.
        settings: of the maps.
    """

    root: str
    variant: str
    kind: Kind
    networks: Mapping[str, str]
    maps: tuple[str, ...]
    told: str
    store: str
    settings: MapSettings

    def describe(self) -> dict[str, str]:
        return {"makes": f"maps by {self.variant} of predicted categories"}

    def perform(self) -> list[Finding]:
        folder = create(self.root, self.name).path
        with at_work(folder):
            check_kept([Path(self.told)], "predicted categories")
            made, wrong = read_maps(self.maps, self.variant), self._wrong()
            known = {"maps": [digest_of(path) for path in self.maps], "settings": used_by(self.kind, self.settings)}
            self._keep(folder / ORACLE, {**known, "category": "true"}, lambda: made)
            told = {**known, "category": "predicted", "wrong": wrong}
            self._keep(folder / PREDICTED, told, lambda: self._as_predicted(made, wrong))
        return []

    def _keep(self, file: Path, facts: dict[str, Any], make: Callable[[], SaliencyMaps]) -> None:
        """Write maps, with flat ones for shapes that have none, unless they are current."""

        def write(path: Path) -> None:
            maps = make()
            flat = dict.fromkeys(maps.failed, np.zeros(self.settings.points, np.float32))
            told = {**facts, _FLAT: dict(maps.failed)}
            replace(maps, values={**maps.values, **flat}, facts=told, failed={}).write(path)

        Kept(file).keep(facts, write)

    def _wrong(self) -> dict[str, str]:
        """Shape id -> the other category that it is taken for."""
        told = read_categories(Path(self.told))
        return {name: category for name, category in told.items() if category != category_of(name)}

    def _as_predicted(self, made: SaliencyMaps, wrong: Mapping[str, str]) -> SaliencyMaps:
        if not self.networks:
            return made
        found = Maps(
            {name: values for name, values in made.values.items() if name not in wrong},
            {name: why for name, why in made.failed.items() if name not in wrong},
        )
        for category in sorted(set(wrong.values())):
            found |= self._of_category(category, [name for name, other in wrong.items() if other == category])
        return replace(made, values=found.values, failed=found.failed)

    def _of_category(self, category: str, taken: list[str]) -> Maps:
        """The maps of shapes that are taken for a category."""
        run, store, device = create(self.root, self.networks[category]), Store.open(self.store), pick_device("auto")
        try:
            return make_maps(self.kind, run, store, taken, self.settings, device, dict.fromkeys(taken, category))
        except ShapesysError as error:
            # Of these few, there may well be a map of none.
            return Maps(failed=dict.fromkeys(taken, in_words(error)))


def left_out(paths: Iterable[str]) -> int:
    """How many shapes have a flat map in some of these files, because none could be made."""
    return len({name for path in paths for name in read_saliency_maps(path).facts[_FLAT]})


def ranking(recipe: TopPoints, request: Request) -> Iterator[RankingExperiment]:
    """One experiment for every method that ranks points, and seed."""
    settings = map_settings(recipe, request)
    for seed in request.seeds:
        for variant in recipe.variants:
            if variant.kind:
                yield RankingExperiment(
                    ranked(variant, seed),
                    request.root,
                    variant.label,
                    variant.kind,
                    networks_of(recipe, request, variant, seed),
                    maps_of(recipe, request, variant, seed),
                    str(Path(request.root) / f"{recipe.classifier.key}-s{seed}" / CATEGORIES),
                    request.store,
                    settings,
                )


def ranked(variant: MapVariant, seed: int) -> str:
    """Name of the experiment that ranks points by a variant's maps."""
    return f"ranked-{variant.key}-s{seed}"


def ranked_splits(recipe: TopPoints, request: Request) -> tuple[str, ...]:
    """The splits whose points are ranked: to train by, to choose a checkpoint by where that is done, and to measure."""
    train = variant_job(recipe.judge_at(request.scale), request, request.seeds[0], recipe.categories[request.data])
    chosen = (train.data.validation_split,) if train.train.select == "best" else ()
    return tuple(dict.fromkeys((TRAINING, *chosen, recipe.split)))
