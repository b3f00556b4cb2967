"""The calls to Open3D, which is imported where it is used. No window is opened and no display is needed, but the
system's libraries of OpenGL and X11 are, since the package is linked with its viewer.

Legend: M points, V vertices, F faces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from shapesys.errors import ShapesysError, first_line, missing_extra
from shapesys.families.poisson.config import PoissonConfig
from shapesys.geometry.mesh import Floats, Mesh

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_PLACE = re.compile(r"^\[Open3D \w+\] .*\.(?:cpp|h):\d+: ")
"""Where in its source the library raised an error, before what it says."""


class Solution(NamedTuple):
    """A surface, and the density (V,) of points about its vertices: the depth of octree that they are enough for."""

    mesh: Mesh
    density: Floats


def screened_poisson(points: Floats, normals: Floats, config: PoissonConfig) -> Solution:
    """Solve for the surface of a cloud; the same cloud gives the same surface, bit for bit.

    Args:
        points, normals: (M, 3) each.

    Raises:
        MissingExtra: Open3D is not installed.
        ShapesysError: it cannot be loaded, or gave up; says why.
    """
    open3d = _open3d()
    cloud = _cloud(open3d, points)
    cloud.normals = open3d.utility.Vector3dVector(np.asarray(normals, np.float64))
    with _quiet(open3d), _told("solving for the surface"):
        found, density = open3d.geometry.TriangleMesh.create_from_point_cloud_poisson(
            cloud,
            depth=config.depth,
            scale=config.scale,
            linear_fit=config.linear_fit,
            samples_per_node=config.samples_per_node,
            point_weight=config.point_weight,
            n_threads=1,
        )
    mesh = Mesh(np.asarray(found.vertices, np.float32), np.asarray(found.triangles, np.int32))
    return Solution(mesh, np.asarray(density, np.float32))


def estimated_normals(points: Floats, neighbours: int, orientation_neighbours: int) -> Floats:
    """(M, 3) unit normals of points (M, 3) that agree with those beside them, all outward or all inward at best.

    Each is that of the plane of least squares through the point's neighbours. Signs spread along the spanning tree of
    the graph of neighbours whose tangent planes are most nearly parallel (Hoppe et al., SIGGRAPH 1992).

    Raises:
        MissingExtra: Open3D is not installed.
        ShapesysError: it cannot be loaded, or gave up; says why.
    """
    open3d = _open3d()
    cloud = _cloud(open3d, points)
    with _quiet(open3d), _told("estimating normals"):
        cloud.estimate_normals(open3d.geometry.KDTreeSearchParamKNN(neighbours))
        cloud.orient_normals_consistent_tangent_plane(orientation_neighbours)
    return np.asarray(cloud.normals)


def _open3d() -> Any:
    try:
        import open3d
    except ModuleNotFoundError as error:
        if error.name != "open3d":
            raise _not_loaded(error) from error
        raise missing_extra("open3d", "poisson", "Poisson reconstruction") from None
    except (ImportError, OSError) as error:
        raise _not_loaded(error) from error
    return open3d


def _not_loaded(error: Exception) -> ShapesysError:
    return ShapesysError(
        f"'open3d' is installed but cannot be loaded: {first_line(error)}; pip install 'shapesys[poisson]' brings the "
        "packages that it imports, apt-get install libegl1 libgl1 libx11-6 libusb-1.0-0 what it is linked with on Linux"
    )


def _cloud(open3d: Any, points: Floats) -> Any:
    return open3d.geometry.PointCloud(open3d.utility.Vector3dVector(np.asarray(points, np.float64)))


@contextmanager
def _quiet(open3d: Any) -> Iterator[None]:
    """Without the library's own warnings on the screen."""
    with open3d.utility.VerbosityContextManager(open3d.utility.VerbosityLevel.Error):
        yield


@contextmanager
def _told(doing: str) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        plain = _COLOUR.sub("", first_line(error))
        raise ShapesysError(f"Open3D gave up {doing}: {_PLACE.sub('', plain)}") from error
