"""SSR and d_sym of a method's maps, with pictures of maps and of mirror planes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shapesys.evaluation.planes import Planes, planes_of
from shapesys.metrics.saliency import Scaling
from shapesys.reproduction.experiment import Experiment
from shapesys.reproduction.finding import Finding, Picture
from shapesys.reproduction.recipe import Request
from shapesys.reproduction.saliency import MapTable, MapVariant
from shapesys.reproduction.saliency_experiments import maps_of
from shapesys.reproduction.saliency_files import read_maps
from shapesys.saliency.config import MapMetrics
from shapesys.saliency.gallery import Gallery
from shapesys.saliency.measure import measure_maps, summary_of
from shapesys.samples.saliency_maps import SaliencyMaps
from shapesys.samples.shape_ids import category_of, name_of
from shapesys.samples.store import Store

PLANES = "Mirror planes"
"""Heading of the pictures of planes."""


@dataclass(frozen=True)
class MeasureExperiment(Experiment):
    """Measures the maps of one variant and seed.

    Attributes:
        root: folder of the runs.
        variant: label of the variant.
        group: heading of its pictures.
        seed: of the maps.
        maps: paths of the files that hold them.
        store: whose shapes.
        categories: that are measured.
        settings: of the metrics.
        pictured: shapes of each category that pictures are drawn of; 0 for none.
        coloured: rescaling by which maps are coloured.
        planes_pictured: whether the mirror planes are drawn as well.
    """

    root: str
    variant: str
    group: str
    seed: int
    maps: tuple[str, ...]
    store: str
    categories: tuple[str, ...]
    settings: MapMetrics
    pictured: int
    coloured: Scaling
    planes_pictured: bool

    def describe(self) -> dict[str, str]:
        return {"measured as": self.variant}

    def perform(self) -> list[Finding]:
        maps = read_maps(self.maps, self.variant)
        store = Store.open(self.store)
        planes = planes_of(store, self.categories, self.settings.planes(), self.settings.split)
        rows = measure_maps(maps, store, planes.shapes, self.settings, self.categories)
        summary = summary_of(rows, self.settings).to_json()
        return [Finding(self.variant, self.seed, self.root, summary, self._pictures(store, maps, planes))]

    def _pictures(self, store: Store, maps: SaliencyMaps, planes: Planes) -> tuple[Picture, ...]:
        folder = Path(self.root) / "pictures" / f"s{self.seed}"
        gallery = Gallery(folder, store, self.coloured)
        shown = gallery.shown(self.settings.split, self.categories, self.pictured)
        words = {name: known.in_words() for name, known in planes.categories.items()}
        found = [
            Picture(str(path), name, (category_of(name), name_of(name)), self.group)
            for name, path in gallery.maps(self.variant, maps, shown).items()
        ]
        if self.planes_pictured:
            found += [
                Picture(str(path), f"{name}: {words[category_of(name)]}", (category_of(name), name_of(name)), PLANES)
                for name, path in gallery.planes(planes, shown).items()
            ]
        return tuple(found)


def measuring(recipe: MapTable, request: Request) -> Iterator[MeasureExperiment]:
    """One experiment for every variant and seed; those of the first seed draw pictures."""
    settings = MapMetrics().override({"split": recipe.split, **recipe.metric_settings.get(request.data, {})})
    for seed in request.seeds:
        for variant in recipe.variants:
            yield _measure(recipe, request, variant, seed, settings)


def _measure(
    recipe: MapTable, request: Request, variant: MapVariant, seed: int, settings: MapMetrics
) -> MeasureExperiment:
    first = seed == request.seeds[0]
    return MeasureExperiment(
        f"measure-{variant.key}-s{seed}",
        request.root,
        variant.label,
        variant.group,
        seed,
        maps_of(recipe, request, variant, seed),
        request.store,
        recipe.measured_of(request.data),
        settings,
        recipe.pictured if first else 0,
        recipe.coloured,
        first and variant is recipe.variants[0],
    )
