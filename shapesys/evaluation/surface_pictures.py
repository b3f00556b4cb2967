"""What pictures of a reconstruction are drawn of: it, and what it was measured against, coloured by their distance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from shapesys.evaluation.curves import write_curves
from shapesys.evaluation.measured import Measured
from shapesys.fields.field import Field
from shapesys.geometry.mesh import Floats, Mesh
from shapesys.geometry.neighbours import nearest
from shapesys.geometry.subdivide import subdivided_to_show
from shapesys.geometry.surface import sample_surface
from shapesys.geometry.write import write_mesh, write_points
from shapesys.training.run_dir import EvaluationDirectory

ERROR_SAMPLES = 100_000
"""Surface samples behind the per-vertex error that pictures are coloured by."""
LONGEST_SHOWN_EDGE = 0.1
"""Longest edge of the ground truth in pictures, in the normalised frame; of larger shapes than the unit sphere holds, a
twentieth of their longest side."""


@dataclass(frozen=True)
class ShownScan:
    """Points (n, 3) of a scan, with named attributes (n,)."""

    points: Floats
    attributes: Mapping[str, Floats] = field(default_factory=dict)


@dataclass(frozen=True)
class MeasuredSurface(Measured):
    """With the meshes to keep; of a bare scan its points, in place of the truth.

    Attributes:
        curves: how numbers went while the shape was optimised, by iteration: (n,) float32.
    """

    prediction: Mesh
    truth: Mesh | None
    scan: ShownScan | None = None
    curves: Mapping[str, np.ndarray] = field(default_factory=dict)

    def write(self, keep: EvaluationDirectory) -> None:
        shape_id = self.row["shape_id"]
        for mesh, path in (
            (self.prediction, keep.prediction_mesh(shape_id)),
            (self.truth, keep.truth_mesh(shape_id)),
        ):
            if mesh is not None and not mesh.is_empty:
                write_mesh(mesh, path, "saliency" if "saliency" in mesh.attributes else None)
        if self.scan is not None:
            write_points(self.scan.points, self.scan.attributes, keep.scan(shape_id))
        if self.curves:
            write_curves(self.curves, keep.curves(shape_id))


def beside_truth(predicted: Mesh, truth: Mesh, field: Field, seed: int) -> tuple[Mesh, Mesh]:
    """Both meshes with what pictures show: saliency, and distance to the other surface.

    The truth's large faces are divided, since a colour is shown at vertices and nowhere else.
    """
    truth = subdivided_to_show(truth, LONGEST_SHOWN_EDGE)
    vertices = np.asarray(truth.vertices, np.float32)
    shown: Mapping[str, Floats] = dict(truth.attributes) | dict(field.attributes(vertices))
    if predicted.is_empty:
        return predicted, replace(truth, attributes=dict(shown))
    found = _with_error(predicted, _samples(truth, seed))
    return found, _with_error(replace(truth, attributes=dict(shown)), _samples(found, seed))


def beside_scan(predicted: Mesh, scan: Floats, field: Field, seed: int) -> tuple[Mesh, ShownScan]:
    """The same where there are points (n, 3) in place of the true surface."""
    shown = dict(field.attributes(scan))
    if predicted.is_empty:
        return predicted, ShownScan(scan, shown)
    error = nearest(_samples(predicted, seed), scan).distances
    return _with_error(predicted, scan), ShownScan(scan, shown | {"error": error})


def _samples(mesh: Mesh, seed: int) -> Floats:
    return sample_surface(mesh, ERROR_SAMPLES, seed).points


def _with_error(mesh: Mesh, other: Floats) -> Mesh:
    """The mesh with the distance of its vertices to points (n, 3) of the other surface."""
    error = nearest(other, np.asarray(mesh.vertices, np.float32)).distances.astype(np.float32)
    return replace(mesh, attributes=dict(mesh.attributes) | {"error": error})
