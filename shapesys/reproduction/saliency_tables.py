"""SSR and d_sym of a method's maps, with pictures of maps and of mirror planes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shapesys.evaluation.planes import Planes, planes_of
from shapesys.evaluation.row_log import Row
from shapesys.geometry.render import write_png
from shapesys.reproduction.experiment import Experiment
from shapesys.reproduction.finding import Finding, Picture
from shapesys.reproduction.recipe import Request
from shapesys.reproduction.saliency import MapTable, MapVariant
from shapesys.reproduction.saliency_experiments import maps_of, read_maps
from shapesys.saliency.config import MapMetrics
from shapesys.saliency.maps import stored_points
from shapesys.saliency.measure import measure_maps, summary_of
from shapesys.saliency.pictures import picture_of_map, picture_of_plane
from shapesys.samples.saliency_maps import SaliencyMaps
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
    planes_pictured: bool

    def describe(self) -> dict[str, str]:
        return {"measured as": self.variant}

    def perform(self) -> list[Finding]:
        maps = read_maps(self.maps, self.variant)
        store = Store.open(self.store)
        planes = planes_of(store, self.categories, self.settings.symmetry_plane)
        rows = measure_maps(maps, store, planes.shapes, self.settings, self.categories)
        summary = summary_of(rows, self.settings).to_json()
        return [Finding(self.variant, self.seed, self.root, summary, self._pictures(store, maps, planes, rows))]

    def _pictures(self, store: Store, maps: SaliencyMaps, planes: Planes, rows: Sequence[Row]) -> tuple[Picture, ...]:
        chosen = [name for category in self.categories for name in _of_category(rows, category)[: self.pictured]]
        found = [self._map_picture(store, maps, name) for name in chosen]
        if self.planes_pictured:
            found += [self._plane_picture(store, planes, name) for name in chosen if planes.shapes.get(name)]
        return tuple(found)

    def _map_picture(self, store: Store, maps: SaliencyMaps, shape_id: str) -> Picture:
        saliency = maps.of(shape_id)
        points = stored_points(store, [shape_id], len(saliency))[0]
        path = self._file(f"map {self.variant} {shape_id}")
        write_png(picture_of_map(store.mesh(shape_id), points, saliency), path)
        return Picture(str(path), shape_id, tuple(shape_id.split("/", 1)), self.group)

    def _plane_picture(self, store: Store, planes: Planes, shape_id: str) -> Picture:
        plane, known = planes.shapes[shape_id], planes.categories[shape_id.partition("/")[0]]
        assert plane is not None
        path = self._file(f"plane {shape_id}")
        write_png(picture_of_plane(store.mesh(shape_id), plane), path)
        return Picture(str(path), f"{shape_id}: {known.in_words()}", tuple(shape_id.split("/", 1)), PLANES)

    def _file(self, what: str) -> Path:
        folder = Path(self.root) / "pictures"
        folder.mkdir(parents=True, exist_ok=True)
        # Named by a checksum, since labels and shapes may have characters that file systems refuse.
        return folder / f"{zlib.crc32(what.encode()):08x}-s{self.seed}.png"


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
        first and variant is recipe.variants[0],
    )


def _of_category(rows: Sequence[Row], category: str) -> list[str]:
    return [row["shape_id"] for row in rows if row["category"] == category and row["status"] == "ok"]
