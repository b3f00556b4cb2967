"""The queries of `WarpTree` on libigl, in float64: the fallback where warp is missing, and the reference in tests."""

from __future__ import annotations

import os

import numpy as np

from shapesys.geometry.mesh import Floats, Ints
from shapesys.geometry.topology import Flags


class IglTree:
    """Same answers as `WarpTree`, on the CPU, several times slower.

    Args:
        vertices: (V, 3); faces: (F, 3) with F >= 1; winding: also prepare winding numbers.

    Raises:
        ImportError: libigl is not installed.
    """

    def __init__(self, vertices: Floats, faces: Ints, *, winding: bool = False) -> None:
        # One core per process is the rule here, and libigl reads this once, at import.
        os.environ.setdefault("IGL_NUM_THREADS", "1")
        import igl

        self._vertices = np.ascontiguousarray(vertices, dtype=np.float64)
        self._faces = np.ascontiguousarray(faces, dtype=np.int64)
        self._boxes = igl.AABB()
        self._boxes.init(self._vertices, self._faces)
        self._winding = igl.FastWindingNumberBVH() if winding else None
        if self._winding is not None:
            self._winding.init(self._vertices, self._faces)

    def closest(self, points: Floats) -> tuple[Floats, Floats, Ints]:
        """(n, 3) points -> closest points (n, 3), distances (n,), faces (n,)."""
        squared, face, closest = self._boxes.squared_distance(self._vertices, self._faces, points.astype(np.float64))
        distance = np.sqrt(np.maximum(squared, 0.0))
        return closest.astype(np.float32), distance.astype(np.float32), face.astype(np.int32)

    def winding(self, points: Floats, empty_radius: Floats | None = None) -> Floats:
        """(n, 3) points -> (n,) winding numbers; `empty_radius` is accepted for the common interface and not needed.

        Raises:
            ValueError: the tree was built without `winding`.
        """
        del empty_radius
        if self._winding is None:
            raise ValueError("this tree was built with winding=False; build it with winding=True to ask for signs")
        return np.asarray(self._winding.winding_number(points.astype(np.float64))).astype(np.float32)

    def escapes(self, origins: Floats, directions: Floats) -> Flags:
        """(n, 3) ray origins and directions -> (n,) True where the ray meets no face."""
        if len(origins) == 0:
            return np.zeros(0, dtype=bool)
        face, _, _ = self._boxes.intersect_ray_first(
            self._vertices, self._faces, origins.astype(np.float64), directions.astype(np.float64)
        )
        return np.asarray(face) < 0
