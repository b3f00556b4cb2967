"""Signed distance to meshes as they come: the distance from the closest point, the sign from the solid they bound.

Negative inside. The distance is always to the original faces, inner walls and sheets included, so it is exact whatever
the sign; only the sign is an estimate where the mesh leaves its inside open, and `SignReport` says how good a one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shapesys.geometry.distance import ClosestPoints, MeshDistance
from shapesys.geometry.mesh import Floats, Ints, Mesh
from shapesys.geometry.sign import sign_field
from shapesys.geometry.sign_quality import SignReport, assess_signs
from shapesys.geometry.topology import Flags


@dataclass(frozen=True)
class SignedDistance:
    """Answers for n queries, in the queries' order and the mesh's unit.

    Attributes:
        distance: (n,) float32, negative inside.
        closest: (n, 3) float32 closest surface point.
        face: (n,) int32 face that it lies on.
        report: how the sign was found and whether to trust it.
    """

    distance: Floats
    closest: Floats
    face: Ints
    report: SignReport


class SignedMesh:
    """Search structures of one mesh, built once, for any number of queries. Not picklable: build it where it is used.

    Args:
        mesh: at least one face, finite vertices where faces use them.
        device: ``cpu`` (one thread) or ``cuda[:i]``.
        seed: of visibility rays and probes; the same mesh and seed give the same answers.

    Raises:
        ShapeRejected: the mesh has no faces, an index out of range or a vertex that is not finite.
        ShapesysError: neither warp nor libigl is installed.
    """

    def __init__(self, mesh: Mesh, *, device: str = "cpu", seed: int = 0) -> None:
        self._distance = MeshDistance(mesh, winding=True, device=device)
        self._sign = sign_field(self._distance, seed)
        self.report = assess_signs(self._distance, self._sign, seed)

    def distance(self, points: Floats) -> SignedDistance:
        """(n, 3) finite points in the mesh's frame -> signed distances."""
        queries = self._distance.sort(points)
        closest, distance, face = self._distance.closest_local(queries)
        inside = self._sign.inside(queries, distance)
        found = self._distance.report(queries, closest, np.where(inside, -distance, distance), face)
        return SignedDistance(found.distance, found.closest, found.face, self.report)

    def unsigned(self, points: Floats) -> ClosestPoints:
        """(n, 3) finite points -> unsigned distances, without the cost of signs."""
        return self._distance.closest(points)

    def inside(self, points: Floats) -> Flags:
        """(n, 3) finite points -> (n,) bool occupancy, without the cost of distances."""
        queries = self._distance.sort(points)
        return queries.restore(self._sign.inside(queries))


def signed_distance(shape: Mesh | SignedMesh, points: Floats, *, device: str = "cpu", seed: int = 0) -> SignedDistance:
    """Signed distance of (n, 3) points to a mesh, or to one prepared before (then `device` and `seed` are its own)."""
    prepared = shape if isinstance(shape, SignedMesh) else SignedMesh(shape, device=device, seed=seed)
    return prepared.distance(points)
