"""Pictures of several recipes in one folder."""

from __future__ import annotations

from pathlib import Path

from shapesys.saliency.config import MapSettings
from shapesys.saliency.gallery import Gallery
from shapesys.saliency.maps import geometry_maps
from shapesys.samples.saliency_maps import SaliencyMaps
from shapesys.samples.store import Store


def test_the_same_map_in_other_colours_is_another_picture(store: Store, tmp_path: Path) -> None:
    shape_ids = store.shape_ids("test")[:1]
    made = geometry_maps(store, shape_ids, MapSettings(points=64, neighbours=5))
    maps = SaliencyMaps("PCA", store.digest(), made.values)
    [(_, by_rank)] = Gallery(tmp_path, store, "rank").maps("pca", maps, shape_ids).items()
    before = by_rank.read_bytes()
    [(_, as_it_is)] = Gallery(tmp_path, store, "none").maps("pca", maps, shape_ids).items()
    assert as_it_is != by_rank
    assert as_it_is.read_bytes() != before == by_rank.read_bytes()
