"""Scans in 3D beside reconstructions: each point a small octahedron, so that they share a viewer with meshes."""

from __future__ import annotations

import numpy as np

from shapesys.errors import ShapesysError
from shapesys.geometry.io import parse_geometry, read_bytes
from shapesys.geometry.mesh import Floats, Mesh
from shapesys.geometry.neighbours import k_nearest
from shapesys.report.embed import MOST_FACES
from shapesys.report.load import Evaluation

LABEL = "scan"
_SIZE = 0.62
"""Of an octahedron, centre to corner, in distances to the nearest other point: as wide as balls of labelled clouds."""
_CORNERS = np.concatenate([np.eye(3), -np.eye(3)])
_FACES = np.array([[0, 1, 2], [1, 3, 2], [3, 4, 2], [4, 0, 2], [1, 0, 5], [3, 1, 5], [4, 3, 5], [0, 4, 5]])
_COLOURS = ("red", "green", "blue", "alpha")


def load_scan(evaluation: Evaluation, shape_id: str, most_faces: int = MOST_FACES) -> Mesh | None:
    """The scan that a shape was measured against, with its attributes; None where none was kept or can be read.

    Args:
        most_faces: of all octahedra together; of more points, the first are drawn, which cover the shape.
    """
    path = evaluation.directory.scan(shape_id)
    try:
        found = parse_geometry(read_bytes(path), path.name) if path.is_file() else None
    except ShapesysError:
        return None
    if found is None:
        return None
    count = most_faces // len(_FACES)
    attributes = {name: values[:count] for name, values in found.attributes.items() if name not in _COLOURS}
    return octahedra(np.asarray(found.vertices[:count], np.float64), attributes)


def octahedra(points: Floats, attributes: dict[str, Floats]) -> Mesh:
    """One small octahedron about each point (n, 3), its corners with the point's attributes (n,)."""
    if len(points) < 2:
        return Mesh(points, np.zeros((0, 3), np.int64))
    gaps = k_nearest(points, points, 2).distances[:, 1]
    corners = points[:, None] + _SIZE * float(np.median(gaps)) * _CORNERS
    faces = _FACES + len(_CORNERS) * np.arange(len(points))[:, None, None]
    spread = {name: np.repeat(values, len(_CORNERS)) for name, values in attributes.items() if np.ndim(values) == 1}
    return Mesh(corners.reshape(-1, 3), faces.reshape(-1, 3), spread)
