"""Shapes laid out by the distances between their most salient points (section 5.2, figure 6).

The distance matrix is measured in blocks, a share of them by each of several experiments; how many shapes there are is
known only then, so that their number says nothing of the experiments.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import ShapesysError
from shapesys.geometry.mesh import Floats
from shapesys.metrics.point_sets import assemble, blocks_of, hausdorff_block
from shapesys.reproduction.experiment import Experiment
from shapesys.reproduction.finding import Finding, Scatter
from shapesys.reproduction.recipe import Request
from shapesys.reproduction.saliency import Clusters, MapVariant
from shapesys.reproduction.saliency_experiments import check_maps_made, maps_of, read_maps
from shapesys.saliency.cluster import SILHOUETTE, SILHOUETTE_DRAWN, clusters_of_distances, salient_set
from shapesys.saliency.maps import stored_points
from shapesys.samples.filesystem import Folder
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
        return store.shape_ids(self.split, self.categories, "cloud")

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
        check_maps_made(self.maps, self.variant)
        return {
            "store": store.digest(),
            "maps": [digest_of(path) for path in self.maps],
            "shapes": self.shape_ids(store),
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
    def file(self) -> Path:
        return Path(self.root) / self.name / _FILE

    def describe(self) -> dict[str, str]:
        return {"makes": f"distances by {self.compared.variant}, part {self.part + 1} of {self.parts}"}

    def perform(self) -> list[Finding]:
        store = Store.open(self.compared.store)
        facts = self.compared.facts(store)
        if self.kept(facts) is None:
            sets = self.compared.sets(store)
            blocks = blocks_of(len(sets), size=self.compared.block)[self.part :: self.parts]
            found = [hausdorff_block(sets[list(at.rows)], sets[list(at.columns)]) for at in blocks]
            self._keep(facts, found)
        return []

    def kept(self, facts: dict[str, Any]) -> list[Distances] | None:
        """The measured blocks in order; None where there are none that depend on the same."""
        if not self.file.is_file():
            return None
        with np.load(self.file) as held:
            if json.loads(str(held["facts"])) != self._all_facts(facts):
                return None
            return [held[f"block{number}"] for number in range(len(held.files) - 1)]

    def _keep(self, facts: dict[str, Any], blocks: list[Distances]) -> None:
        arrays: dict[str, Any] = {f"block{number}": block for number, block in enumerate(blocks)}
        buffer = io.BytesIO()
        np.savez(buffer, facts=json.dumps(self._all_facts(facts)), **arrays)
        Folder(str(create(self.root, self.name).path)).write(_FILE, buffer.getvalue())

    def _all_facts(self, facts: dict[str, Any]) -> dict[str, Any]:
        return facts | {"part": self.part, "parts": self.parts}


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
        categories = [name.partition("/")[0] for name in compared.shape_ids(store)]
        found = clusters_of_distances(self.matrix(store), categories, self.seed)
        numbers = {SILHOUETTE: found.silhouette, SILHOUETTE_DRAWN: found.silhouette_drawn}
        summary = {"whole_set": {name: {"value": value} for name, value in numbers.items()}}
        points = [(float(x), float(y)) for x, y in found.positions]
        scatter = Scatter(f"silhouette {found.silhouette:.2f}", points, categories)
        return [Finding(self.variant, self.seed, self.root, summary, scatter=scatter)]

    def matrix(self, store: Store) -> Distances:
        """(m, m) distances of the shapes, sorted by id.

        Raises:
            ShapesysError: a part was not measured; names it.
        """
        compared = self.parts[0].compared
        facts = compared.facts(store)
        blocks = blocks_of(len(facts["shapes"]), size=compared.block)
        measured: list[Distances] = [np.empty((0, 0), np.float32)] * len(blocks)
        for part in self.parts:
            found = part.kept(facts)
            if found is None:
                raise ShapesysError(f"{self.name} needs the distances of {part.name}, which failed")
            measured[part.part :: part.parts] = found
        return assemble(blocks, measured, len(facts["shapes"]))


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
