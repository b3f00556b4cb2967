"""Exact distance to a triangle mesh: unsigned distance, closest point and face of any number of query points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from shapesys.errors import ShapeRejected
from shapesys.geometry.mesh import Floats, Ints, Mesh
from shapesys.geometry.morton import morton_order
from shapesys.geometry.normalise import Normalisation, unit_sphere_of_points
from shapesys.geometry.slivers import widen_slivers
from shapesys.geometry.triangle_tree import build_tree

Values = TypeVar("Values", bound=np.ndarray)

STAGE = "distance"
COMFORTABLE_RADII = (0.05, 20.0)
"""Meshes whose vertices all lie within the second radius and reach the first are computed in their own frame."""


@dataclass(frozen=True)
class ClosestPoints:
    """Answers for n queries, in the queries' order and the mesh's unit.

    Attributes:
        distance: (n,) float32 unsigned distance.
        closest: (n, 3) float32 closest surface point.
        face: (n,) int32 face that it lies on.
    """

    distance: Floats
    closest: Floats
    face: Ints


@dataclass(frozen=True)
class SortedQueries:
    """Queries in the computing frame along the Morton curve: `points` (n, 3) float32 = original[order]."""

    points: Floats
    order: Ints

    def restore(self, values: Values) -> Values:
        """Per-query values (n, ...) back in the caller's order."""
        restored = np.empty_like(values)
        restored[self.order] = values
        return restored


class MeshDistance:
    """One bounding volume hierarchy over the faces of a mesh. Not picklable: build it where it is used.

    Degenerate faces count as the segments and points they are. Unreferenced vertices are ignored.

    Args:
        mesh: at least one face; finite vertices where faces use them.
        winding: also prepare winding numbers of the faces as they are oriented.
        device: ``cpu`` or ``cuda[:i]``.

    Raises:
        ShapeRejected: no faces, an index out of range, or a vertex that is not finite.
        ShapesysError: neither warp nor libigl is installed.
    """

    def __init__(self, mesh: Mesh, *, winding: bool = False, device: str = "cpu") -> None:
        _check(mesh)
        self.device = device
        self._frame = _computing_frame(mesh)
        self.vertices = self._local(mesh.vertices)
        self.faces = np.asarray(mesh.faces, dtype=np.int32)
        vertices, faces, self._face_of = widen_slivers(self.vertices, self.faces)
        self.tree = build_tree(vertices, faces, winding=winding, device=device)

    def closest(self, points: Floats) -> ClosestPoints:
        """(n, 3) finite points, float32 or float64, in the mesh's frame -> closest points.

        Raises:
            ValueError: points of another shape, or not finite.
        """
        return self.closest_sorted(self.sort(points))

    def sort(self, points: Floats) -> SortedQueries:
        """The same queries where the tree wants them: in the computing frame, neighbours together."""
        points = np.asarray(points)
        if points.ndim != 2 or points.shape[1] != 3:
            raise ValueError(f"query points have shape {points.shape}; expected (n, 3)")
        local = self._local(points)
        if not np.isfinite(local).all():
            bad = int((~np.isfinite(local).all(axis=1)).sum())
            raise ValueError(f"{bad} of {len(points)} query points are not finite; drop them first")
        order = morton_order(local) if len(local) else np.zeros(0, dtype=np.int32)
        return SortedQueries(local[order], order)

    def closest_sorted(self, queries: SortedQueries) -> ClosestPoints:
        """`closest` for queries that `sort` prepared; answers stand in the caller's original order."""
        closest, distance, face = self.closest_local(queries)
        return self.report(queries, closest, distance, face)

    def closest_local(self, queries: SortedQueries) -> tuple[Floats, Floats, Ints]:
        """Closest points (n, 3), distances (n,) and faces (n,) in the computing frame and in sorted order."""
        closest, distance, face = self.tree.closest(queries.points)
        return closest, distance, self._face_of[face]

    def report(self, queries: SortedQueries, closest: Floats, distance: Floats, face: Ints) -> ClosestPoints:
        """Sorted answers of the computing frame -> the caller's order and frame."""
        frame = self._frame
        if frame is not None:
            closest, distance = frame.undo(closest), distance * np.float32(frame.scale)
        return ClosestPoints(queries.restore(distance), queries.restore(closest), queries.restore(face))

    def _local(self, points: Floats) -> Floats:
        # Unreferenced vertices may hold anything.
        with np.errstate(over="ignore", invalid="ignore"):
            if self._frame is None:
                return np.ascontiguousarray(points, dtype=np.float32)
            return self._frame.apply(points.astype(np.float64)).astype(np.float32)


def _check(mesh: Mesh) -> None:
    if mesh.is_empty:
        raise ShapeRejected(STAGE, "the mesh has no faces")
    low, high = int(np.min(mesh.faces)), int(np.max(mesh.faces))
    if low < 0 or high >= len(mesh.vertices):
        bad = low if low < 0 else high
        raise ShapeRejected(STAGE, f"a face uses vertex {bad}, but there are {len(mesh.vertices)} vertices")
    used = np.zeros(len(mesh.vertices), dtype=bool)
    used[mesh.faces.ravel()] = True
    if not np.isfinite(mesh.vertices[used]).all():
        raise ShapeRejected(STAGE, "a vertex that faces use is not finite")


def _computing_frame(mesh: Mesh) -> Normalisation | None:
    """None for meshes of ordinary size about the origin; else the frame in which float32 serves them well."""
    used = np.zeros(len(mesh.vertices), dtype=bool)
    used[mesh.faces.ravel()] = True
    corners = mesh.vertices[used].astype(np.float64)
    low, high = corners.min(axis=0), corners.max(axis=0)
    reach, extent = float(np.abs([low, high]).max()), float((high - low).max())
    smallest, largest = COMFORTABLE_RADII
    if extent >= smallest and reach <= min(largest, 4.0 * extent):
        return None
    if extent == 0.0:
        x, y, z = (float(value) for value in low)
        return Normalisation((x, y, z), max(reach, 1.0))
    return unit_sphere_of_points(corners, margin=1.0)
