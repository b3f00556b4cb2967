"""What becomes of one shape: its row of the `shapes` view, and its rows of every other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shapesys.errors import ShapeRejected
from shapesys.geometry.normalise import Normalisation
from shapesys.samples.settings import PrepareConfig
from shapesys.sources.base import Plane, ShapeRef, Source, digest_of

Row = dict[str, Any]

_UNKNOWN: Row = {
    "faces": 0,
    "watertight": False,
    "sign_method": "none",
    "sign_undecided": None,
    "sign_quality": None,
    "inside_share": None,
}
"""Of a shape that is no surface."""


@dataclass(frozen=True)
class ShapeSamples:
    """A prepared shape.

    Attributes:
        shape: its row of the `shapes` view, without the content digest.
        samples: view -> rows, one per chunk, without the id.
        missing: the views it could not be prepared for.
        reason: why they are missing; None where nothing is.
    """

    shape: Row
    samples: dict[str, list[Row]]
    missing: tuple[str, ...] = ()
    reason: ShapeRejected | None = None


@dataclass(frozen=True)
class Seeds:
    """Independent seeds for each use of chance in one shape."""

    sign: int
    surface: int
    noise: int
    order: int
    occupancy: int
    cloud: int
    unsigned: int
    inside: int
    images: int

    @classmethod
    def of(cls, seed: int, shape_id: str) -> Seeds:
        words = np.frombuffer(bytes.fromhex(digest_of(shape_id)), dtype=np.uint32)
        state = np.random.SeedSequence([seed, *words.tolist()]).generate_state(9)
        return cls(*(int(word) for word in state))


def shape_row(source: Source, ref: ShapeRef, settings: PrepareConfig, frame: Normalisation, facts: Row) -> Row:
    """The row of the `shapes` view; `facts` hold what is known of a surface, see `_UNKNOWN`."""
    return {
        "shape_id": ref.id,
        "category": ref.category,
        "split": ref.split,
        "source": ref.source,
        "centre": list(frame.centre),
        "scale": frame.scale,
        "symmetry_plane": _plane_in_frame(source.symmetry_plane(ref), frame),
        "parts": list(source.part_names(ref.category)),
        "sampler": json.dumps(settings.recorded(), sort_keys=True),
        **(_UNKNOWN | facts),
    }


def known_parts(source: Source, ref: ShapeRef, labels: Sequence[int] | np.ndarray | None) -> None:
    """Make sure that every label has a name where the category's parts are named.

    Raises:
        ShapeRejected: stage "validate", a label without a name.
    """
    names = source.part_names(ref.category)
    if not names or labels is None or not len(labels):
        return
    low, high = int(np.min(labels)), int(np.max(labels))
    if low < 0 or high >= len(names):
        raise ShapeRejected(
            "validate", f"part labels range from {low} to {high}; '{ref.category}' has the labels 0 to {len(names) - 1}"
        )


def _plane_in_frame(plane: Plane | None, frame: Normalisation) -> list[float]:
    """(nx, ny, nz, d) of the file's frame -> of the normalised frame; empty where there is none."""
    if plane is None:
        return []
    normal, offset = np.asarray(plane[:3]), plane[3]
    return [*plane[:3], float((offset - normal @ np.asarray(frame.centre)) / frame.scale)]
