"""What a scanner saw of a shape, and the shape itself where it is known."""

from __future__ import annotations

from dataclasses import dataclass

from shapesys.geometry.cloud import Cloud
from shapesys.geometry.mesh import Mesh


@dataclass(frozen=True)
class Scan:
    """A scan whose clean shape is known, as simulated scanners and registered data sets give.

    Attributes:
        observed: what is learned from, in the file's unit, with its noise, holes and outliers: points, or the faces of
            a raw surface where the scanner's own meshing is part of the data. Distances are then to its triangles.
        truth: what a reconstruction is measured against, in the same frame.
    """

    observed: Cloud | Mesh
    truth: Mesh
