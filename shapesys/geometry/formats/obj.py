"""Wavefront OBJ: positions and faces of all objects and groups; materials and textures are never opened."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from shapesys.geometry.formats.geometry import Geometry, Limits
from shapesys.geometry.formats.polygons import fan
from shapesys.geometry.formats.text import Rows, number_rows, whole_numbers, without_comments

_CONTINUED = re.compile(rb"\\[ \t]*\r?\n")
_VERTEX = re.compile(rb"^[ \t]*v[ \t]+([^\r\n]*)", re.MULTILINE)
_NORMAL = re.compile(rb"^[ \t]*vn[ \t]+([^\r\n]*)", re.MULTILINE)
_FACE = re.compile(rb"^[ \t]*fo?[ \t]+([^\r\n]*)", re.MULTILINE)
_KIND = re.compile(rb"^[ \t]*(v|f)o?[ \t]+\S", re.MULTILINE)
_AFTER_SLASH = re.compile(rb"/\S*")


def read_obj(data: bytes, limits: Limits) -> Geometry:
    """Parse OBJ text. Polygons become fans; faces of fewer than three corners are passed over, as viewers do.

    Raises:
        ValueError: malformed; the message says where.
        ShapeRejected: over the limits.
    """
    text = without_comments(data.replace(b"\r", b"\n") if b"\r" in data and b"\n" not in data else data)
    text = _CONTINUED.sub(b" ", text) if b"\\" in text else text
    lines = _VERTEX.findall(text)
    limits.check("vertices", len(lines))
    vertices = number_rows(b"\n".join(lines)).columns(3, "vertex")
    faces = _faces(text, len(vertices), limits)
    return Geometry(vertices, faces, normals=_normals(text, len(vertices)))


def _faces(text: bytes, vertex_count: int, limits: Limits) -> NDArray[np.int64]:
    lines = _FACE.findall(text)
    limits.check("faces", len(lines))
    rows = number_rows(_AFTER_SLASH.sub(b"", b"\n".join(lines)))
    corners = whole_numbers(rows.values, "vertex index")
    if (corners == 0).any():
        raise ValueError("vertex index 0: OBJ counts from 1")
    relative = corners < 0
    if relative.any():
        corners = corners + np.where(relative, _vertices_before(text, rows) + 1, 0)
    faces = fan(corners - 1, rows.lengths)
    limits.check("faces", len(faces))
    return faces


def _vertices_before(text: bytes, rows: Rows) -> NDArray[np.int64]:
    """For each corner, how many vertices the file defines before its face: negative indices count back from there."""
    kinds = np.array(_KIND.findall(text))
    seen = np.cumsum(kinds == b"v")[kinds == b"f"]
    return np.repeat(seen, rows.lengths)


def _normals(text: bytes, vertex_count: int) -> NDArray[np.float64] | None:
    """The ``vn`` lines where there is one per vertex, as point clouds have; else None."""
    lines = _NORMAL.findall(text)
    if not lines or len(lines) != vertex_count:
        return None
    return number_rows(b"\n".join(lines)).columns(3, "normal")
