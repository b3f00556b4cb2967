"""Point clouds from files: positions, and normals where the file has them."""

from __future__ import annotations

from pathlib import Path

from shapesys.geometry.cloud_io import CLOUD_SUFFIXES, check_cloud_suffix, parse_cloud
from shapesys.geometry.formats.geometry import Limits
from shapesys.geometry.io import DEFAULT_LIMITS, read_bytes
from shapesys.geometry.mesh import Floats

POINT_SUFFIXES = CLOUD_SUFFIXES

Points = tuple[Floats, Floats | None]


def read_points(path: str | Path, limits: Limits = DEFAULT_LIMITS) -> Points:
    """Read (n, 3) positions and (n, 3) unit normals, or None where the file gives none, as float64.

    Formats are those of `shapesys.geometry.cloud_io.parse_cloud`. Points that are not finite are left out.

    Raises:
        ShapeRejected: stage "read", the reason names what is wrong and what is accepted.
    """
    path = Path(path)
    check_cloud_suffix(path.name)
    cloud = parse_cloud(read_bytes(path, limits), path.name, limits)
    return cloud.points, cloud.normals
