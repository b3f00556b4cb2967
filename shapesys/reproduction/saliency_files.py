"""Where saliency maps of recipes lie, and how those are read that may be used.

<method>[-<category>][-s<seed>]/
  maps-<split>.parquet    the maps of a split's shapes, for recipes that need them
  categories.json         of a classifier: what it takes each test shape for
  config.json, ...        the run of the network, unless its training is shared under another name
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from shapesys.reproduction.kept import check_kept
from shapesys.samples.saliency_maps import SaliencyMaps, merged, read_saliency_maps

CATEGORIES = "categories.json"


def maps_file(split: str | None) -> str:
    """Name of the file of a split's maps, or of every shape's where None."""
    return "maps.parquet" if split is None else f"maps-{split}.parquet"


def read_maps(paths: tuple[str, ...], method: str) -> SaliencyMaps:
    """All of a variant's maps.

    Raises:
        ShapesysError: some were not made; names the experiments that failed.
    """
    check_maps_made(paths, method)
    return merged([replace(read_saliency_maps(path), method=method) for path in paths])


def check_maps_made(paths: tuple[str, ...], method: str) -> None:
    """Refuse to go on without some of a variant's maps.

    Raises:
        ShapesysError: names the experiments that failed.
    """
    check_kept(map(Path, paths), f"maps by {method}")
