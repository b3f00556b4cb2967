"""Point clouds from files: positions, and normals where the file has them."""

from __future__ import annotations

import io as streams
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import ShapeRejected
from shapesys.geometry.formats.geometry import Limits
from shapesys.geometry.formats.text import number_rows, without_comments
from shapesys.geometry.io import DEFAULT_LIMITS, check_bytes, parse_geometry, read_bytes
from shapesys.geometry.mesh import Floats

POINT_SUFFIXES = (".ply", ".obj", ".off", ".xyz", ".txt", ".csv", ".npy", ".npz")

Points = tuple[Floats, Floats | None]


def read_points(path: str | Path, limits: Limits = DEFAULT_LIMITS) -> Points:
    """Read (n, 3) positions and (n, 3) unit normals, or None where the file gives none, as float64.

    PLY, OBJ (with ``vn``) and OFF use the vertices and ignore faces. XYZ, TXT and CSV have a point per line: x y z,
    then optionally nx ny nz; one line of column names may come first. NPY holds (n, 3) or (n, 6); NPZ the array
    ``points`` (or its only one), and ``normals`` where present. Points that are not finite are left out, as depth
    cameras write NaN where they saw nothing.

    Raises:
        ShapeRejected: stage "read", the reason names what is wrong and what is accepted.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in POINT_SUFFIXES:
        raise ShapeRejected(
            "read", f"'{suffix or path.name}' is not an accepted point format (accepted: {', '.join(POINT_SUFFIXES)})"
        )
    data = read_bytes(path, limits)
    check_bytes(data, limits)
    if suffix in (".ply", ".obj", ".off"):
        geometry = parse_geometry(data, path.name, limits)
        return _checked(geometry.vertices, geometry.normals, limits)
    try:
        points, normals = _from_numpy(data) if suffix in (".npy", ".npz") else _from_text(data)
    except Exception as error:
        raise ShapeRejected("read", f"malformed {suffix[1:].upper()}: {error}") from None
    return _checked(points, normals, limits)


def _from_text(data: bytes) -> Points:
    text = without_comments(data.replace(b",", b" ").replace(b";", b" "))
    first, _, rest = text.lstrip().partition(b"\n")
    try:
        number_rows(first)
    except ValueError:
        text = rest
    rows = number_rows(text)
    # Some exporters put the number of points alone on the first line.
    if len(rows) > 1 and rows.lengths[0] == 1:
        rows = rows[1:]
    columns = rows.columns(3, "point")
    return columns, rows.columns(6, "point")[:, 3:6] if (rows.lengths == 6).all() and len(rows) else None


def _from_numpy(data: bytes) -> Points:
    loaded = np.load(streams.BytesIO(data), allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return _split(loaded)
    with loaded:
        names = loaded.files
        name = "points" if "points" in names else names[0] if len(names) == 1 else None
        if name is None:
            raise ValueError(f"no array 'points' among {', '.join(names) or 'none'}")
        points, normals = _split(loaded[name])
        return points, loaded["normals"] if "normals" in names else normals


def _split(table: NDArray[np.generic]) -> Points:
    if table.ndim != 2 or table.shape[1] not in (3, 6) or table.dtype.kind not in "fiu":
        raise ValueError(f"an array of shape {table.shape} and type {table.dtype}, expected (n, 3) or (n, 6) numbers")
    numbers = table.astype(np.float64)
    return numbers[:, :3], numbers[:, 3:] if table.shape[1] == 6 else None


def _checked(points: Floats, normals: Floats | None, limits: Limits) -> Points:
    points = np.asarray(points, dtype=np.float64)
    limits.check("vertices", len(points))
    if normals is not None and np.shape(normals) != points.shape:
        raise ShapeRejected("read", f"normals of shape {np.shape(normals)} beside points of shape {points.shape}")
    finite = np.isfinite(points).all(axis=1)
    if not finite.any():
        raise ShapeRejected("read", f"none of the {len(points)} points is finite" if len(points) else "no points")
    return points[finite], None if normals is None else _unit(np.asarray(normals, dtype=np.float64)[finite])


def _unit(normals: Floats) -> Floats | None:
    """Unit length; None where most are missing (zero or not finite), since then the file has no normals to use."""
    length = np.linalg.norm(normals, axis=1)
    known = np.isfinite(length) & (length > 0)
    if known.mean() < 0.5:
        return None
    return np.where(known[:, None], normals / np.where(known, length, 1.0)[:, None], 0.0)
