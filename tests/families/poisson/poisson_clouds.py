"""Clouds of known solids, and a library of which nothing is installed."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from shapesys.families.base import Observation
from shapesys.geometry.mesh import Floats


def ball(count: int = 2000, radius: float = 0.7, seed: int = 0) -> tuple[Floats, Floats]:
    """(count, 3) points of a sphere, and their outward normals."""
    normals = np.random.default_rng(seed).standard_normal((count, 3))
    normals = (normals / np.linalg.norm(normals, axis=1, keepdims=True)).astype(np.float32)
    return np.float32(radius) * normals, normals


def seen(points: Floats, normals: Floats | None = None, name: str = "ball/1") -> Observation:
    """What the family is shown; without normals as the store has none, an empty column."""
    return Observation(
        name, {"points": points, "normals": np.empty((0, 3), np.float32) if normals is None else normals}
    )


@dataclass
class FakeOpen3D:
    """Stands for the library: what it was asked is kept, and what it answers was said before.

    Attributes:
        vertices, triangles, densities: the surface that it finds.
        error: raised in place of every answer, where there is one.
        asked: name of the call -> its arguments.
    """

    vertices: Any = field(default_factory=lambda: np.eye(3))
    triangles: Any = field(default_factory=lambda: np.array([[0, 1, 2]]))
    densities: Any = field(default_factory=lambda: np.array([5.0, 6.0, 7.0]))
    error: str = ""
    asked: dict[str, Any] = field(default_factory=dict)

    def module(self) -> ModuleType:
        """To be found by ``import open3d``."""
        made: Any = ModuleType("open3d")
        made.utility = SimpleNamespace(
            Vector3dVector=np.array, VerbosityLevel=SimpleNamespace(Error=0), VerbosityContextManager=_Quietly
        )
        made.geometry = SimpleNamespace(
            PointCloud=self._cloud,
            KDTreeSearchParamKNN=lambda count: count,
            TriangleMesh=SimpleNamespace(create_from_point_cloud_poisson=self._solve),
        )
        found: ModuleType = made
        return found

    def _cloud(self, points: Any) -> Any:
        return SimpleNamespace(
            points=points,
            normals=-points,
            estimate_normals=lambda count: self.asked.update(neighbours=count),
            orient_normals_consistent_tangent_plane=self._orient,
        )

    def _orient(self, count: int) -> None:
        self.asked["orientation_neighbours"] = count
        self._fail()

    def _solve(self, cloud: Any, **settings: Any) -> tuple[Any, Any]:
        self.asked |= {"points": cloud.points, "normals": cloud.normals, "settings": settings}
        self._fail()
        return SimpleNamespace(vertices=self.vertices, triangles=self.triangles), self.densities

    def _fail(self) -> None:
        if self.error:
            raise RuntimeError(self.error)


class _Quietly:
    def __init__(self, level: int) -> None:
        self.level = level

    def __enter__(self) -> None:
        pass

    def __exit__(self, *args: object) -> None:
        pass
