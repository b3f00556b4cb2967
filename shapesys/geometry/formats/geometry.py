"""What every format reader returns, and the limits it obeys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import ShapeRejected

Fetch = Callable[[str], bytes]
"""Reads a file that stands beside the one being read, by the relative name that the latter gives."""


@dataclass(frozen=True)
class Limits:
    """What is refused before memory is spent on it."""

    max_bytes: int = 1 << 30
    max_vertices: int = 20_000_000
    max_faces: int = 20_000_000

    def check(self, what: str, count: int) -> None:
        """Refuse more than the allowed number of "bytes", "vertices" or "faces".

        Raises:
            ShapeRejected: stage "read".
        """
        allowed: int = getattr(self, f"max_{what}")
        if count > allowed:
            raise ShapeRejected("read", f"{count} {what}, more than the limit of {allowed}")


@dataclass(frozen=True)
class Geometry:
    """The unchecked content of a file.

    Attributes:
        vertices: (v, 3) float.
        faces: (f, 3) int64; empty for a point cloud.
        normals: (v, 3) float, where the file gives one per vertex.
        attributes: further named (v,) scalars per vertex.
    """

    vertices: NDArray[np.floating]
    faces: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 3), dtype=np.int64))
    normals: NDArray[np.floating] | None = None
    attributes: dict[str, NDArray[np.floating]] = field(default_factory=dict)
