"""Object File Format, with the defects of ModelNet: counts glued to the header, blank lines, polygons."""

from __future__ import annotations

import re

import numpy as np

from shapesys.geometry.formats.geometry import Geometry, Limits
from shapesys.geometry.formats.polygons import fan
from shapesys.geometry.formats.text import gather, number_rows, whole_numbers, without_comments

_HEADER = re.compile(rb"\s*(ST)?C?N?(4?n?)OFF(\s+BINARY)?", re.IGNORECASE)


def read_off(data: bytes, limits: Limits) -> Geometry:
    """Parse OFF, COFF, NOFF or STOFF text; colours, normals and texture coordinates are passed over.

    Raises:
        ValueError: malformed; the message says where.
        ShapeRejected: over the limits.
    """
    text = without_comments(data)
    header = _HEADER.match(text)
    if header is None:
        raise ValueError(f"no OFF header (the file begins with {data[:20]!r})")
    if header.group(2) or header.group(3):
        raise ValueError(f"{header.group().decode().strip()!r} is not supported, only text in three dimensions")
    rows = number_rows(text[header.end() :])
    if len(rows) == 0:
        raise ValueError("no vertex and face counts after the header")
    vertex_count, face_count = whole_numbers(rows[:1].columns(2, "the line of counts")[0], "count").tolist()
    limits.check("vertices", vertex_count)
    limits.check("faces", face_count)
    if min(vertex_count, face_count) < 0 or len(rows) < 1 + vertex_count + face_count:
        raise ValueError(
            f"the header promises {vertex_count} vertices and {face_count} faces, the file has {len(rows) - 1} lines"
        )
    vertices = rows[1 : 1 + vertex_count].columns(3, "vertex")
    polygons = rows[1 + vertex_count : 1 + vertex_count + face_count]
    sizes = whole_numbers(polygons.columns(1, "face")[:, 0], "corner count")
    wrong = np.flatnonzero((sizes < 0) | (sizes + 1 > polygons.lengths))
    if len(wrong):
        face = int(wrong[0])
        raise ValueError(f"face {face} promises {sizes[face]} corners, its line has {polygons.lengths[face] - 1}")
    corners = whole_numbers(gather(polygons.values, polygons.starts + 1, sizes), "vertex index")
    return Geometry(vertices, fan(corners, sizes))
