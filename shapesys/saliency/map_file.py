"""The file of a method's maps: what one command after the other made of the clouds of a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from shapesys.errors import ShapesysError
from shapesys.samples.saliency_maps import SaliencyMaps, read_saliency_maps
from shapesys.samples.shape_ids import category_of


def add_to_file(path: Path, made: SaliencyMaps) -> dict[str, Any]:
    """Write maps, and keep those of other categories that the file holds of the same method and store.

    Nothing is written where nothing was made.

    Args:
        made: its facts tell ``made_of``: category -> what its maps depend on.

    Returns:
        Category -> what its maps depend on, of the maps that are kept.
    """
    held, fresh = _held(path, made), made.facts["made_of"]
    kept = {category: facts for category, facts in held.facts["made_of"].items() if category not in fresh}
    if fresh:
        replace(
            made,
            values={**_of(kept, held.values), **made.values},
            failed={**_of(kept, held.failed), **made.failed},
            facts={**made.facts, "made_of": {**kept, **fresh}},
        ).write(path)
    return kept


def _held(path: Path, made: SaliencyMaps) -> SaliencyMaps:
    """What a file holds that maps may stand beside; nothing where it is of something else, or cannot be read."""
    nothing = replace(made, values={}, failed={}, facts={"made_of": {}})
    try:
        held = read_saliency_maps(path)
    except ShapesysError:
        return nothing
    alike = (held.method, held.store_digest) == (made.method, made.store_digest) and "made_of" in held.facts
    return held if alike else nothing


def _of(categories: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """What belongs to shapes of some categories."""
    return {shape_id: value for shape_id, value in values.items() if category_of(shape_id) in categories}
