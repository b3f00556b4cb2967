"""Surfaces between two shapes: along a path from one latent code to the other.

A network that has learned a category, and not its shapes by heart, has a shape for every code between two, and
consecutive ones differ little. How little is a number here: the distance from each surface to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shapesys.errors import ShapesysError
from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.given_shapes import CodedShapes, GivenShape
from shapesys.evaluation.latent_path import PathKind, codes_between
from shapesys.fields.extraction import extract
from shapesys.fields.field import Box, Field
from shapesys.fields.in_box import in_box
from shapesys.geometry.mesh import Floats, Mesh
from shapesys.geometry.volume import enclosed_volume
from shapesys.metrics.sampled import why_empty
from shapesys.metrics.to_surface import consecutive_distances
from shapesys.training.run_dir import RunDirectory

RESOLUTION = 128
"""Cells along the box, unless asked for otherwise: as many as pictures show."""


@dataclass(frozen=True)
class Step:
    """One surface on the way.

    Attributes:
        fraction: of the path: 0 at the first shape, 1 at the second.
        code: (D,) float32.
        mesh: in the shapes' normalised frame, with the field's attributes.
        empty: why there is no surface; an empty text where there is one.
        cut: where the box cuts the surface, or None.
    """

    fraction: float
    code: Floats
    mesh: Mesh
    empty: str = ""
    cut: str | None = None

    @property
    def code_norm(self) -> float:
        return float(np.linalg.norm(np.asarray(self.code, np.float64)))

    @property
    def area(self) -> float:
        """In squared units of the normalised frame; 0 where there is no surface."""
        return float(self.mesh.face_areas.sum(dtype=np.float64))

    @property
    def volume(self) -> float | None:
        """In cubed units of the normalised frame; 0 where there is no surface, None where the box cuts it open."""
        return None if self.cut else enclosed_volume(self.mesh)


@dataclass(frozen=True)
class Interpolation:
    """Two shapes as the network knows them, and what lies between.

    Attributes:
        steps: the first shape, those in between, and the second.
        distances: Chamfer distance of each surface to the next, in units of the normalised frame (see
            `consecutive_distances`); None where one of the two is empty.
    """

    first: GivenShape
    second: GivenShape
    path: PathKind
    steps: tuple[Step, ...]
    distances: tuple[float | None, ...]

    @property
    def mean_distance(self) -> float | None:
        """Of consecutive surfaces; None where nowhere two follow each other."""
        known = [distance for distance in self.distances if distance is not None]
        return float(np.mean(known)) if known else None

    @property
    def largest_distance(self) -> float | None:
        """Of consecutive surfaces: far above the mean where the shape jumps."""
        return max((distance for distance in self.distances if distance is not None), default=None)

    def rows(self) -> list[dict[str, Any]]:
        """What is to be told of every step, as plain data."""
        return [
            {
                "fraction": step.fraction,
                "code_norm": step.code_norm,
                "empty": bool(step.empty),
                "reason": step.empty,
                "cut": step.cut,
                "vertices": len(step.mesh.vertices),
                "faces": len(step.mesh.faces),
                "area": step.area,
                "volume": step.volume,
                "chamfer_to_next": distance,
            }
            for step, distance in zip(self.steps, (*self.distances, None), strict=True)
        ]


def interpolate(
    run: RunDirectory,
    first: str,
    second: str,
    steps: int = 7,
    path: PathKind = "linear",
    settings: EvaluateConfig | None = None,
    store: str | None = None,
) -> Interpolation:
    """Extract the surfaces of the codes between those of two shapes, and those of the shapes themselves.

    Args:
        first, second: ids of shapes of the store, whose codes are the trained ones where there are any, else found as
            an evaluation finds them; or files, observed as a reconstruction observes them.
        steps: codes in between.
        path: see `codes_between`.
        settings: resolution, extraction, seed, and how codes are found; nothing else of it counts.
        store: in place of the one that the run was trained on.

    Raises:
        UsageError: the run tells its shapes by no codes, neither an id nor a file, or a path that cannot be gone.
        ShapesysError: no checkpoint, an unusable file, or no surface from one end to the other.
    """
    settings = settings or EvaluateConfig(resolution=RESOLUTION)
    shapes = CodedShapes.open(run, settings, store)
    ends = shapes.shape(first), shapes.shape(second)
    fractions = np.linspace(0.0, 1.0, steps + 2)
    codes = codes_between(ends[0].code, ends[1].code, fractions, path)
    box = _box_about(ends)
    found: list[Step] = []
    for fraction, code in zip(fractions.tolist(), codes, strict=True):
        field = shapes.field(code, f"{first}--{second} at {fraction:.3g}")
        found.append(_step(fraction, code, field if box is None else in_box(field, box), settings))
    if all(step.empty for step in found):
        raise ShapesysError(f"there is no surface from {first} to {second}: {found[0].empty}")
    distances = consecutive_distances([step.mesh for step in found], settings.seed)
    return Interpolation(*ends, path, tuple(found), tuple(distances))


def _box_about(ends: Sequence[GivenShape]) -> Box | None:
    """Around both shapes, where they may lie anywhere; None for the field's own box."""
    points = [end.points for end in ends if end.points is not None]
    return Box.about(np.concatenate(points)) if points else None


def _step(fraction: float, code: Floats, field: Field, settings: EvaluateConfig) -> Step:
    found = extract(field, settings.resolution, settings.extraction())
    return Step(fraction, code, found.mesh, found.report.empty or why_empty(found.mesh), found.report.cut)
