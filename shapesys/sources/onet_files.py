"""The files of Occupancy Networks and ConvONet: queries with their inside bits, and surface points with normals.

Positions and normals are mostly in half precision, bits packed eight to a byte. The arrays ``loc``, ``scale`` and
``z_scale`` tell how the shape came into its normalised frame; they are not read, since all samples lie in that frame.

Legend: n queries or points.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import ShapeRejected
from shapesys.geometry.cloud import Cloud, with_noise
from shapesys.geometry.cloud_io import unit_normals
from shapesys.geometry.formats.geometry import Limits
from shapesys.geometry.formats.npz import Arrays, read_npz
from shapesys.geometry.formats.text import whole_numbers
from shapesys.geometry.mesh import Ints

Points = NDArray[np.float32]
Bits = NDArray[np.bool_]


def read_queries(data: bytes, path: str, limits: Limits, jitter: float, seed: int) -> tuple[Points, Bits]:
    """Queries (n, 3) and their inside bits (n,) of ``points.npz`` and files like it.

    Args:
        path: names the file in errors.
        jitter: standard deviation of what is added to queries in half precision; others stay as they are.

    Raises:
        ShapeRejected: stage "read": an array is missing or malformed, or there are no queries.
    """
    arrays = _arrays(data, path, ("points", "occupancies"), limits)
    points, bits = _triples(arrays, "points", path, limits), _bits(arrays, path)
    if arrays["points"].dtype == np.float16 and jitter:
        points = with_noise(points, jitter, np.random.default_rng(seed))
    return points, bits


def read_surface(data: bytes, path: str, limits: Limits, labelled: bool) -> Cloud:
    """Points (n, 3) with unit normals of ``pointcloud.npz`` and files like it.

    Args:
        labelled: whether the file has ``semantics`` (n,), which become labels as they are.

    Raises:
        ShapeRejected: as of `read_queries`.
    """
    arrays = _arrays(data, path, ("points", "normals", *(["semantics"] if labelled else [])), limits)
    points, normals = _triples(arrays, "points", path, limits), _triples(arrays, "normals", path, limits)
    if len(normals) != len(points):
        raise ShapeRejected("read", f"'{path}': {len(normals)} normals beside {len(points)} points")
    labels = _whole(arrays["semantics"], len(points), path) if labelled else None
    return Cloud(points, unit_normals(normals), labels=labels)


def joined(clouds: list[Cloud]) -> Cloud:
    """One cloud of several; without normals, or labels, where one of them has none."""
    normals = [cloud.normals for cloud in clouds if cloud.normals is not None]
    labels = [cloud.labels for cloud in clouds if cloud.labels is not None]
    return Cloud(
        np.concatenate([cloud.points for cloud in clouds]),
        np.concatenate(normals) if len(normals) == len(clouds) else None,
        labels=np.concatenate(labels) if len(labels) == len(clouds) else None,
    )


def _arrays(data: bytes, path: str, names: tuple[str, ...], limits: Limits) -> Arrays:
    try:
        return read_npz(data, names, limits)
    except ShapeRejected as problem:
        raise ShapeRejected(problem.stage, f"'{path}': {problem.reason}") from None
    except Exception as error:
        # Damaged archives end in errors of many kinds.
        raise ShapeRejected("read", f"malformed NPZ '{path}': {error}") from None


def _triples(arrays: Arrays, name: str, path: str, limits: Limits) -> Points:
    """(n, 3) numbers that are finite in single precision, n > 0."""
    found = arrays[name]
    if found.dtype.kind != "f" or found.ndim != 2 or found.shape[1] != 3 or not len(found):
        raise ShapeRejected(
            "read",
            f"'{path}': {name} of type {found.dtype} and shape {found.shape}; expected real numbers (n, 3), n > 0",
        )
    limits.check("vertices", len(found))
    with np.errstate(over="ignore"):
        single = found.astype(np.float32)
    if broken := int((~np.isfinite(single)).any(axis=1).sum()):
        raise ShapeRejected("read", f"'{path}': {broken} of {len(found)} {name} are not finite in single precision")
    return single


def _bits(arrays: Arrays, path: str) -> Bits:
    """(n,) bits of n queries: eight to a byte, or one number each."""
    count, found = len(arrays["points"]), arrays["occupancies"]
    packed = -(-count // 8)
    if found.dtype == np.uint8 and found.shape == (packed,):
        return np.unpackbits(found)[:count].astype(bool)
    if found.shape != (count,) or found.dtype.kind not in "buif":
        raise ShapeRejected(
            "read",
            f"'{path}': occupancies of type {found.dtype} and shape {found.shape} beside {count} points; expected one "
            f"truth value each, or {packed} bytes of packed bits",
        )
    if not np.isin(found, (0, 1)).all():
        raise ShapeRejected(
            "read", f"'{path}': occupancies range from {found.min()} to {found.max()}; expected 0 and 1"
        )
    return found.astype(bool)


def _whole(semantics: NDArray[Any], count: int, path: str) -> Ints:
    if semantics.shape != (count,) or semantics.dtype.kind not in "fiu":
        raise ShapeRejected(
            "read", f"'{path}': semantics of type {semantics.dtype} and shape {semantics.shape} beside {count} points"
        )
    try:
        return whole_numbers(semantics.astype(np.float64), "semantics")
    except ValueError as error:
        raise ShapeRejected("read", f"'{path}': {error}") from None
