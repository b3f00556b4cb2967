"""Surfaces of unseen shapes, and their category-salient and instance-specific parts (section 5.1, figure 5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapesys.evaluation.apart import together_or_apart
from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.evaluator import Evaluator
from shapesys.evaluation.measured import identity
from shapesys.families.base import FieldPrediction
from shapesys.fields.extraction import extract
from shapesys.fields.network_field import SALIENCY
from shapesys.geometry.io import read_mesh
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.render import write_png
from shapesys.geometry.write import write_mesh
from shapesys.metrics.aggregate import summarise
from shapesys.metrics.record import Status
from shapesys.reproduction.experiment import Experiment
from shapesys.reproduction.finding import Finding, Picture
from shapesys.reproduction.kept import Kept, at_work, check_kept
from shapesys.reproduction.recipe import Request
from shapesys.reproduction.saliency import CutVariant, SalientParts
from shapesys.reproduction.saliency_experiments import TrainedMapExperiment, made_for
from shapesys.saliency.kinds import used_by
from shapesys.saliency.parts import CUT, EXTRACTED, MEASURES, Parts, cut_by_area, cut_by_saliency, measures_of
from shapesys.saliency.pictures import picture_of_part
from shapesys.samples.shape_ids import category_of, name_of
from shapesys.samples.store import Store
from shapesys.training.checkpoint import chosen_of
from shapesys.training.context import pick_device
from shapesys.training.run_dir import create, file_name, read_json, write_json

_FILE = "surfaces.json"
Row = dict[str, Any]


@dataclass(frozen=True)
class NoSurface:
    """What stands in place of a surface."""

    status: Status
    reason: str


@dataclass(frozen=True)
class SurfaceExperiment(Experiment):
    """Reconstructs the first unseen shapes of a category; keeps them as GLB files with their saliency.

    Attributes:
        network: that made the category's maps.
        split: of the shapes.
        shapes: how many.
        resolution: cells along the box.
    """

    network: TrainedMapExperiment
    split: str
    shapes: int
    resolution: int

    @property
    def folder(self) -> Path:
        return Path(self.network.root) / self.name

    @property
    def kept(self) -> Kept:
        """The list of shapes, with those that have no surface; the others lie beside it."""
        return Kept(self.folder / _FILE)

    def describe(self) -> dict[str, str]:
        return {"makes": f"surfaces of {self.shapes} shapes of {', '.join(self.network.categories)}"}

    def perform(self) -> list[Finding]:
        with at_work(create(self.network.root, self.name).path):
            # Where its training failed, the newest checkpoint is half a network.
            check_kept([self.network.network.config], "networks")
            store = Store.open(self.network.store)
            shape_ids = store.shape_ids(self.split, self.network.categories, "cloud")[: self.shapes]

            def write(path: Path) -> None:
                lacking = self._reconstruct(store, shape_ids)
                write_json(path, {name: lacking.get(name) for name in shape_ids})

            self.kept.keep(self._facts(store, shape_ids), write)
        return []

    def surfaces(self) -> dict[str, Mesh | NoSurface]:
        """Shape id -> its surface, or why it has none.

        Raises:
            ShapesysError: they were not made; names the experiment that failed.
        """
        check_kept([self.kept.path], "surfaces")
        held: dict[str, tuple[Status, str] | None] = read_json(self.kept.path)
        return {name: NoSurface(*why) if why else read_mesh(self._file(name)) for name, why in held.items()}

    def _reconstruct(self, store: Store, shape_ids: list[str]) -> dict[str, tuple[Status, str]]:
        """Write every surface; the shapes without one, with a status and why."""
        maps, run = self.network.settings, self.network.network
        settings = EvaluateConfig(observed_queries=maps.observed_queries, inference=maps.inference, seed=maps.seed)
        evaluator = Evaluator.open(chosen_of(run), store.url, settings, None, pick_device("auto"))
        predictions, failed = together_or_apart(shape_ids, evaluator.predict) if shape_ids else ([], {})
        lacking: dict[str, tuple[Status, str]] = {name: ("failed", why) for name, why in failed.items()}
        for prediction in predictions:
            assert isinstance(prediction, FieldPrediction)
            found = extract(prediction.field, self.resolution)
            if found.mesh.is_empty:
                lacking[prediction.shape_id] = ("empty", found.report.empty or "no surface")
            else:
                write_mesh(found.mesh, self._file(prediction.shape_id), SALIENCY)
        return lacking

    def _facts(self, store: Store, shape_ids: list[str]) -> dict[str, Any]:
        """What the surfaces depend on."""
        return {
            "store": store.digest(),
            "network": chosen_of(self.network.network).digest(),
            "settings": used_by("fields", self.network.settings),
            "shapes": shape_ids,
            "resolution": self.resolution,
        }

    def _file(self, shape_id: str) -> Path:
        return self.folder / f"{file_name(shape_id)}.glb"


@dataclass(frozen=True)
class CutExperiment(Experiment):
    """Cuts surfaces in two, keeps the parts as GLB files and measures them.

    Attributes:
        root: folder of the runs.
        variant: the method and the cut.
        seed: of the networks.
        surfaces: the experiments that made them.
        split: of the shapes.
        pictured: whether pictures are drawn.
    """

    root: str
    variant: CutVariant
    seed: int
    surfaces: tuple[SurfaceExperiment, ...]
    split: str
    pictured: bool

    def describe(self) -> dict[str, str]:
        return {"measured as": self.variant.label}

    def perform(self) -> list[Finding]:
        folder = create(self.root, self.name).path
        rows: list[Row] = []
        pictures: list[Picture] = []
        for surface in (one for made in self.surfaces for one in made.surfaces().items()):
            row, drawn = self._of_shape(folder, *surface)
            rows.append(row)
            pictures += drawn
        summary = summarise(rows, MEASURES).to_json()
        return [Finding(self.variant.label, self.seed, str(folder), summary, tuple(pictures))]

    def _of_shape(self, folder: Path, shape_id: str, surface: Mesh | NoSurface) -> tuple[Row, list[Picture]]:
        category = category_of(shape_id)
        if isinstance(surface, NoSurface):
            row = identity(shape_id, category, self.split, surface.status, surface.reason)
            return row | {EXTRACTED: 0.0, CUT: 0.0}, []
        parts = self._cut(surface)
        for name, part in (("salient", parts.salient), ("specific", parts.specific)):
            if not part.is_empty:
                write_mesh(part, folder / name / f"{file_name(shape_id)}.glb", SALIENCY)
        drawn = list(_pictures(folder, shape_id, parts)) if self.pictured else []
        return identity(shape_id, category, self.split, "ok") | measures_of(parts), drawn

    def _cut(self, surface: Mesh) -> Parts:
        cut = cut_by_area if self.variant.cut_by == "area" else cut_by_saliency
        return cut(surface, self.variant.cut_at)


def reconstructing(recipe: SalientParts, request: Request) -> Iterator[SurfaceExperiment]:
    """One experiment for every network, whatever the number of cuts."""
    seen: set[str] = set()
    for seed in request.seeds:
        for variant in recipe.variants:
            for made in _surfaces(recipe, request, variant, seed):
                if made.name not in seen:
                    seen.add(made.name)
                    yield made


def cutting(recipe: SalientParts, request: Request) -> Iterator[CutExperiment]:
    """One experiment for every variant and seed; those of the first seed draw pictures."""
    for seed in request.seeds:
        for variant in recipe.variants:
            yield CutExperiment(
                f"parts-{variant.key}-{variant.cut_by}-{variant.cut_at:g}-s{seed}",
                request.root,
                variant,
                seed,
                tuple(_surfaces(recipe, request, variant, seed)),
                recipe.split,
                seed == request.seeds[0],
            )


def _surfaces(recipe: SalientParts, request: Request, variant: CutVariant, seed: int) -> Iterator[SurfaceExperiment]:
    for network in made_for(recipe, request, variant, seed):
        assert isinstance(network, TrainedMapExperiment), f"{variant.label} makes no surfaces"
        yield SurfaceExperiment(
            f"surfaces-{network.name}", network, recipe.split, recipe.shapes, recipe.resolution[request.scale]
        )


def _pictures(folder: Path, shape_id: str, parts: Parts) -> Iterator[Picture]:
    """The whole surface, then each part that is not empty, side by side."""
    category, name = category_of(shape_id), name_of(shape_id)
    shown = ((name, parts.whole), ("category-salient", parts.salient), ("instance-specific", parts.specific))
    for place, (caption, part) in enumerate(shown):
        if not part.is_empty:
            path = folder / "pictures" / f"{file_name(shape_id)}.{place}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_png(picture_of_part(part, parts.whole), path)
            yield Picture(str(path), caption, (name, place), category)
