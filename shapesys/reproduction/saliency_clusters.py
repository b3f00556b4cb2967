"""Shapes laid out by the distances between their most salient points (section 5.2, figure 6).

The distance matrix is measured in blocks, a share of them by each of several experiments; how many shapes there are is
known only then, so that their number says nothing of the experiments. Shapes that a method has no map of are left out,
and counted.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapesys.geometry.mesh import Floats
from shapesys.metrics.point_sets import assemble, blocks_of, hausdorff_block
from shapesys.reproduction.experiment import Experiment
from shapesys.reproduction.finding import Finding, Scatter
from shapesys.reproduction.kept import Kept, at_work, check_kept
from shapesys.reproduction.recipe import Request
from shapesys.reproduction.saliency import LEFT_OUT, Clusters, MapVariant
from shapesys.reproduction.saliency_experiments import maps_of
from shapesys.reproduction.saliency_files import read_maps
from shapesys.saliency.cluster import SILHOUETTE, SILHOUETTE_DRAWN, clusters_of_distances, salient_set
from shapesys.saliency.maps import stored_points
from shapesys.samples.filesystem import Folder
from shapesys.samples.shape_ids import category_of
from shapesys.samples.store import Store
from shapesys.training.maps_claim import digest_of
from shapesys.training.run_dir import create

Distances = NDArray[np.float32]

_FILE = "distances.npz"


@dataclass(frozen=True)
class Compared:
    """Which shapes are compared, by which of their points.

    Attributes:
        variant: label of the method whose maps rank points.
        maps: paths of the files that together hold them; where there are none, a shape's first points are compared.
        store: whose shapes.
        split: of the shapes.
        categories: of the shapes.
        count: points of each shape.
        block: shapes along each side of a block.
    """

    variant: str
    maps: tuple[str, ...]
    store: str
    split: str
    categories: tuple[str, ...]
    count: int
    block: int

    def shape_ids(self, store: Store) -> list[str]:
        """Those that are compared, sorted: all but the ones that no map could be made of.

        Raises:
            ShapesysError: there are no maps.
        """
        asked = store.shape_ids(self.split, self.categories, "cloud")
        failed = read_maps(self.maps, self.variant).failed if self.maps else {}
        return [name for name in asked if name not in failed]

    def left_out(self, store: Store) -> int:
        """How many are not."""
        return len(store.shape_ids(self.split, self.categories, "cloud")) - len(self.shape_ids(store))

    def sets(self, store: Store) -> Floats:
        """(m, count, 3) the points of every shape."""
        names = self.shape_ids(store)
        if not self.maps:
            return stored_points(store, names, self.count)
        maps = read_maps(self.maps, self.variant)
        sets = []
        for name in names:
            saliency = maps.of(name)
            sets.append(salient_set(stored_points(store, [name], len(saliency))[0], saliency, self.count))
        return np.stack(sets) if sets else np.empty((0, self.count, 3), np.float32)

    def facts(self, store: Store) -> dict[str, Any]:
        """What the distances depend on."""
        shapes = self.shape_ids(store)
        return {
            "store": store.digest(),
            "maps": [digest_of(path) for path in self.maps],
            "shapes": shapes,
            "count": self.count,
            "block": self.block,
        }


@dataclass(frozen=True)
class DistancesExperiment(Experiment):
    """Measures every ``parts``-th block of the matrix, from the ``part``-th on; keeps them.

    Attributes:
        root: folder of the runs.
        compared: the shapes.
        part, parts: which share of the blocks.
    """

    root: str
    compared: Compared
    part: int
    parts: int

    @property
    def kept(self) -> Kept:
        return Kept(Path(self.root) / self.name / _FILE)

    def describe(self) -> dict[str, str]:
        return {"makes": f"distances by {self.compared.variant}, part {self.part + 1} of {self.parts}"}

    def perform(self) -> list[Finding]:
        with at_work(create(self.root, self.name).path):
            store = Store.open(self.compared.store)
            part = {"part": self.part, "parts": self.parts}
            self.kept.keep(self.compared.facts(store) | part, lambda path: self._measure(store, path))
        return []

    def _measure(self, store: Store, path: Path) -> None:
        sets = self.compared.sets(store)
        blocks = blocks_of(len(sets), size=self.compared.block)[self.part :: self.parts]
        found = [hausdorff_block(sets[list(at.rows)], sets[list(at.columns)]) for at in blocks]
        arrays: dict[str, Any] = {f"block{number}": block for number, block in enumerate(found)}
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        Folder(str(path.parent)).write(path.name, buffer.getvalue())

    def measured(self) -> list[Distances]:
        """The blocks of this part in order."""
        with np.load(self.kept.path) as held:
            return [held[f"block{number}"] for number in range(len(held.files))]


@dataclass(frozen=True)
class ClusterExperiment(Experiment):
    """Puts the matrix together, scores its categories and lays its shapes out.

    Attributes:
        root: folder of the runs.
        variant: label of the variant.
        seed: of the maps, and of the layout.
        parts: that measured the matrix.
    """

    root: str
    variant: str
    seed: int
    parts: tuple[DistancesExperiment, ...]

    def describe(self) -> dict[str, str]:
        return {"measured as": self.variant}

    def perform(self) -> list[Finding]:
        compared = self.parts[0].compared
        store = Store.open(compared.store)
        categories = [category_of(name) for name in compared.shape_ids(store)]
        found = clusters_of_distances(self.matrix(store), categories, self.seed)
        left_out = compared.left_out(store)
        numbers = {SILHOUETTE: found.silhouette, SILHOUETTE_DRAWN: found.silhouette_drawn, LEFT_OUT: left_out}
        summary = {"whole_set": {name: {"value": value} for name, value in numbers.items()}}
        points = [(float(x), float(y)) for x, y in found.positions]
        told = f", {left_out} of {left_out + len(points)} shapes left out, which have no map" if left_out else ""
        scatter = Scatter(f"silhouette {found.silhouette:.2f}{told}", points, categories)
        return [Finding(self.variant, self.seed, self.root, summary, scatter=scatter)]

    def matrix(self, store: Store) -> Distances:
        """(m, m) distances of the shapes, sorted by id.

        Raises:
            ShapesysError: a part was not measured; names it.
        """
        check_kept([part.kept.path for part in self.parts], "distances")
        compared = self.parts[0].compared
        count = len(compared.shape_ids(store))
        blocks = blocks_of(count, size=compared.block)
        measured: list[Distances] = [np.empty((0, 0), np.float32)] * len(blocks)
        for part in self.parts:
            measured[part.part :: part.parts] = part.measured()
        return assemble(blocks, measured, count)


def distances(recipe: Clusters, request: Request) -> Iterator[DistancesExperiment]:
    """As many experiments as there are parts for every variant and seed."""
    for seed in request.seeds:
        for variant in recipe.variants:
            yield from _parts(recipe, request, variant, seed)


def clustering(recipe: Clusters, request: Request) -> Iterator[ClusterExperiment]:
    """One experiment for every variant and seed."""
    for seed in request.seeds:
        for variant in recipe.variants:
            parts = _parts(recipe, request, variant, seed)
            yield ClusterExperiment(f"clusters-{variant.key}-s{seed}", request.root, variant.label, seed, parts)


def _parts(recipe: Clusters, request: Request, variant: MapVariant, seed: int) -> tuple[DistancesExperiment, ...]:
    compared = Compared(
        variant.label,
        maps_of(recipe, request, variant, seed),
        request.store,
        recipe.split,
        recipe.measured_of(request.data),
        recipe.count,
        recipe.block,
    )
    name = f"distances-{variant.key}-s{seed}"
    return tuple(
        DistancesExperiment(f"{name}-{part}", request.root, compared, part, recipe.parts)
        for part in range(recipe.parts)
    )
