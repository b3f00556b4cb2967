"""Which shapes are shown, and the files of their maps and mirror planes as pictures."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shapesys.evaluation.planes import SEARCHED_POINTS, Planes
from shapesys.geometry.render import write_png
from shapesys.metrics.saliency import Scaling
from shapesys.saliency.maps import stored_points
from shapesys.saliency.pictures import picture_of_map, picture_of_plane
from shapesys.saliency.surfaces import surface_of
from shapesys.samples.saliency_maps import SaliencyMaps
from shapesys.samples.store import Store


@dataclass(frozen=True)
class Gallery:
    """Draws into a folder.

    Attributes:
        folder: of the pictures.
        store: whose shapes.
        scaling: by which maps are coloured.
    """

    folder: Path
    store: Store
    scaling: Scaling = "rank"

    def shown(self, split: str, categories: Sequence[str], count: int) -> list[str]:
        """The first shapes of each category in a split."""
        return [name for one in categories for name in self.store.shape_ids(split, [one], "cloud")[:count]]

    def maps(self, key: str, maps: SaliencyMaps, shape_ids: Sequence[str]) -> dict[str, Path]:
        """Shape id -> the picture of its map, for those that have one."""
        return {name: self._map(key, maps, name) for name in shape_ids if name in maps.values}

    def planes(self, planes: Planes, shape_ids: Sequence[str]) -> dict[str, Path]:
        """Shape id -> the picture of its mirror plane, for those that have one."""
        return {name: self._plane(planes, name) for name in shape_ids if planes.shapes.get(name)}

    def _map(self, key: str, maps: SaliencyMaps, shape_id: str) -> Path:
        saliency = maps.of(shape_id)
        points = stored_points(self.store, [shape_id], len(saliency))[0]
        path = self._file(f"map {key} {self.scaling} {shape_id}")
        surface = surface_of(self.store, shape_id, points)
        write_png(picture_of_map(surface, points, saliency, scaling=self.scaling), path)
        return path

    def _plane(self, planes: Planes, shape_id: str) -> Path:
        plane = planes.shapes[shape_id]
        assert plane is not None
        points = self.store.read("cloud", [shape_id], ["points"])["points"][0][:SEARCHED_POINTS]
        path = self._file(f"plane {shape_id}")
        write_png(picture_of_plane(surface_of(self.store, shape_id, points), plane), path)
        return path

    def _file(self, what: str) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        # Named by a checksum of all that tells pictures of a folder apart, since recipes share it, and since shapes may
        # have characters that file systems refuse.
        return self.folder / f"{zlib.crc32(what.encode()):08x}.png"
