"""STL, binary and text: three new vertices per triangle; `validation.clean` joins the equal ones."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from shapesys.geometry.formats.geometry import Geometry, Limits
from shapesys.geometry.formats.text import number_rows

_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("extra", "<u2")])
_HEADER_BYTES = 84
_VERTEX = re.compile(rb"\bvertex\s+(\S+\s+\S+\s+\S+)", re.IGNORECASE)


def read_stl(data: bytes, limits: Limits) -> Geometry:
    """Parse STL. It is binary exactly when the size fits the count at byte 80, whatever the first word says.

    Raises:
        ValueError: malformed.
        ShapeRejected: over the limits.
    """
    count = int.from_bytes(data[80:_HEADER_BYTES], "little") if len(data) >= _HEADER_BYTES else -1
    if count >= 0 and len(data) == _HEADER_BYTES + count * _TRIANGLE.itemsize:
        limits.check("faces", count)
        return _soup(np.frombuffer(data, dtype=_TRIANGLE, offset=_HEADER_BYTES)["corners"].reshape(-1, 3))
    if b"solid" not in data[:1024].lower():
        raise ValueError(f"neither text STL nor binary: {len(data)} bytes do not fit a count of {count} triangles")
    lines = [b" ".join(match.split()) for match in _VERTEX.findall(data)]
    limits.check("vertices", len(lines))
    if len(lines) % 3:
        raise ValueError(f"{len(lines)} vertices, not a multiple of three")
    return _soup(number_rows(b"\n".join(lines)).columns(3, "vertex"))


def _soup(corners: NDArray[np.floating]) -> Geometry:
    return Geometry(corners, np.arange(len(corners), dtype=np.int64).reshape(-1, 3))
