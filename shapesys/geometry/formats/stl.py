"""STL, binary and text: three new vertices per triangle; `validation.clean` joins the equal ones."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from shapesys.geometry.formats.geometry import Geometry, Limits
from shapesys.geometry.formats.text import number_rows

_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("extra", "<u2")])
_HEADER_BYTES = 84
_TEXT = re.compile(rb"\b(facet|endsolid)\b", re.IGNORECASE)
_VERTEX = re.compile(rb"\bvertex\s+(\S+\s+\S+\s+\S+)", re.IGNORECASE)


def read_stl(data: bytes, limits: Limits) -> Geometry:
    """Parse STL. It is binary when the size fits the count at byte 80, even if the first word is "solid".

    Raises:
        ValueError: malformed.
        ShapeRejected: over the limits.
    """
    promised = int.from_bytes(data[80:_HEADER_BYTES], "little") if len(data) >= _HEADER_BYTES else -1
    expected = _HEADER_BYTES + promised * _TRIANGLE.itemsize
    is_text = len(data) != expected and data.lstrip()[:5].lower() == b"solid" and _TEXT.search(data) is not None
    if not is_text:
        if promised < 0 or len(data) < expected:
            raise ValueError(f"neither text nor binary: {len(data)} bytes do not hold {max(promised, 0)} triangles")
        limits.check("faces", promised)
        triangles = np.frombuffer(data, dtype=_TRIANGLE, count=promised, offset=_HEADER_BYTES)
        return _soup(triangles["corners"].reshape(-1, 3))
    corners = _VERTEX.findall(data)
    limits.check("vertices", len(corners))
    if len(corners) % 3:
        raise ValueError(f"{len(corners)} vertices, not a multiple of three")
    return _soup(number_rows(b" ".join(corners)).values.reshape(-1, 3))


def _soup(corners: NDArray[np.floating]) -> Geometry:
    return Geometry(corners, np.arange(len(corners), dtype=np.int64).reshape(-1, 3))
