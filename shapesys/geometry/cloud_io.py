"""Labelled point clouds from the bytes of any accepted format: positions, normals, colours, labels."""

from __future__ import annotations

import io as streams
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import ShapeRejected
from shapesys.geometry.cloud import Cloud
from shapesys.geometry.formats.geometry import Limits
from shapesys.geometry.formats.pcd import read_pcd
from shapesys.geometry.formats.text import number_rows, whole_numbers, without_comments
from shapesys.geometry.io import DEFAULT_LIMITS, check_bytes, parse_geometry
from shapesys.geometry.mesh import Floats, Ints

COLUMN_NAMES = ("x", "y", "z", "nx", "ny", "nz", "red", "green", "blue", "label", "_")
"""What `columns` may name; ``_`` passes a column over."""

_ALIASES = {
    "normal_x": "nx", "normal_y": "ny", "normal_z": "nz", "r": "red", "g": "green", "b": "blue",
    "scalar_label": "label", "labels": "label",
}  # fmt: skip
_AUTO = {3: ("x", "y", "z"), 6: ("x", "y", "z", "nx", "ny", "nz")}
_MOST_COLOUR = 255.0

Columns = Mapping[str, NDArray[np.generic]]


def parse_cloud(data: bytes, name: str, limits: Limits = DEFAULT_LIMITS, columns: Sequence[str] = ()) -> Cloud:
    """A cloud from the bytes of a file; the ending of `name` gives the format.

    PLY, OBJ, OFF and PCD name their columns; faces are ignored. XYZ, TXT and CSV have a point per line, whose
    numbers `columns` names, else a first line of names, else three are a position and six a position and a normal. NPY
    holds such a table. NPZ holds the arrays ``points`` (or its only one) and, where it has them,
    ``normals``, ``colors`` and ``labels``. Points that are not finite are left out, as depth cameras write NaN where
    they saw nothing. Colours up to 255 are scaled to [0, 1].

    Args:
        columns: names from `COLUMN_NAMES` for the columns of text and NPY files.

    Raises:
        ShapeRejected: stage "read", the reason names what is wrong and what is accepted.
    """
    suffix = check_cloud_suffix(name)
    check_bytes(data, limits)
    try:
        return _cloud(_READERS[suffix](data, name, limits, columns), limits)
    except ShapeRejected:
        raise
    except Exception as error:
        raise ShapeRejected("read", f"malformed {suffix[1:].upper()}: {error}") from None


def check_cloud_suffix(name: str) -> str:
    """The lower-case ending of a file name, when it is an accepted point format.

    Raises:
        ShapeRejected: stage "read", with the accepted endings.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in _READERS:
        accepted = ", ".join(_READERS)
        raise ShapeRejected("read", f"'{suffix or name}' is not an accepted point format (accepted: {accepted})")
    return suffix


def _from_geometry(data: bytes, name: str, limits: Limits, columns: Sequence[str]) -> Columns:
    found = read_pcd(data, limits) if name.lower().endswith(".pcd") else parse_geometry(data, name, limits)
    named = {_canonical(key): values for key, values in found.attributes.items()}
    named |= dict(zip("xyz", np.asarray(found.vertices, dtype=np.float64).T, strict=True))
    if found.normals is not None:
        named |= dict(zip(("nx", "ny", "nz"), np.asarray(found.normals).T, strict=True))
    if "label" in named and not _is_whole(named["label"], np.isfinite(found.vertices).all(axis=1)):
        # A property of that name with other numbers is no label.
        del named["label"]
    return named


def _from_text(data: bytes, name: str, limits: Limits, columns: Sequence[str]) -> Columns:
    text = without_comments(data.replace(b",", b" ").replace(b";", b" ")).lstrip()
    first, _, rest = text.partition(b"\n")
    names = tuple(columns)
    try:
        number_rows(first)
    except ValueError:
        text = rest
        names = names or tuple(_canonical(word) for word in first.decode("ascii", "replace").split())
    rows = number_rows(text)
    # Some exporters put the number of points alone on the first line.
    if len(rows) > 1 and rows.lengths[0] == 1:
        rows = rows[1:]
    if not {"x", "y", "z"} <= set(names):
        names = _AUTO[6 if len(rows) and (rows.lengths == 6).all() else 3]
    return dict(zip(names, rows.columns(len(names), "point").T, strict=True))


def _from_npy(data: bytes, name: str, limits: Limits, columns: Sequence[str]) -> Columns:
    return _named(np.load(streams.BytesIO(data), allow_pickle=False), columns)


def _from_npz(data: bytes, name: str, limits: Limits, columns: Sequence[str]) -> Columns:
    with np.load(streams.BytesIO(data), allow_pickle=False) as arrays:
        names = arrays.files
        main = "points" if "points" in names else names[0] if len(names) == 1 else None
        if main is None:
            raise ValueError(f"no array 'points' among {', '.join(names) or 'none'}")
        found = dict(_named(arrays[main], columns))
        for array, parts in (("normals", ("nx", "ny", "nz")), ("colors", ("red", "green", "blue"))):
            if array in names:
                found |= dict(zip(parts, _numbers(arrays[array], 3).T, strict=True))
        label = next((array for array in ("labels", "label") if array in names), None)
        if label is not None:
            found["label"] = arrays[label].reshape(-1)
        return found


def _named(table: NDArray[np.generic], columns: Sequence[str]) -> Columns:
    names = tuple(columns) or _AUTO.get(table.shape[1] if table.ndim == 2 else 0)
    if names is None:
        raise ValueError(f"an array of shape {table.shape} and type {table.dtype}, expected (n, 3) or (n, 6) numbers")
    return dict(zip(names, _numbers(table, len(names)).T, strict=True))


def _numbers(table: NDArray[np.generic], width: int) -> Floats:
    if table.ndim != 2 or table.shape[1] != width or table.dtype.kind not in "fiu":
        raise ValueError(f"an array of shape {table.shape} and type {table.dtype}, expected (n, {width}) numbers")
    return table.astype(np.float64)


_Reader = Callable[[bytes, str, Limits, Sequence[str]], Columns]
_READERS: dict[str, _Reader] = {
    ".ply": _from_geometry, ".obj": _from_geometry, ".off": _from_geometry, ".xyz": _from_text, ".txt": _from_text,
    ".csv": _from_text, ".npy": _from_npy, ".npz": _from_npz, ".pcd": _from_geometry,
}  # fmt: skip

CLOUD_SUFFIXES = tuple(_READERS)


def _canonical(name: str) -> str:
    lowered = name.strip("\"'/").lower()
    return _ALIASES.get(lowered, lowered)


def _cloud(columns: Columns, limits: Limits) -> Cloud:
    points = _triple(columns, "x", "y", "z")
    if points is None:
        raise ValueError(f"no columns x, y and z among {', '.join(columns)}")
    limits.check("vertices", len(points))
    sizes = {name: len(values) for name, values in columns.items() if len(values) != len(points)}
    if sizes:
        name, size = next(iter(sizes.items()))
        raise ValueError(f"{size} values of '{name}' beside {len(points)} points")
    finite = np.isfinite(points).all(axis=1)
    if not finite.any():
        raise ValueError(f"none of the {len(points)} points is finite" if len(points) else "no points")
    kept = {name: values[finite] for name, values in columns.items()}
    labels = kept.get("label")
    return Cloud(
        points[finite],
        unit_normals(_triple(kept, "nx", "ny", "nz")),
        unit_colors(_triple(kept, "red", "green", "blue")),
        None if labels is None else _labels(labels),
    )


def _triple(columns: Columns, *names: str) -> Floats | None:
    if not columns.keys() >= set(names):
        return None
    return np.stack([columns[name] for name in names], axis=1).astype(np.float64)


def _is_whole(values: NDArray[np.generic], rows: NDArray[np.bool_]) -> bool:
    numbers = values[rows].astype(np.float64)
    return bool(np.isfinite(numbers).all() and (numbers == np.rint(numbers)).all())


def _labels(values: NDArray[np.generic]) -> Ints:
    return whole_numbers(values.astype(np.float64), "label").astype(np.int32)


def unit_normals(normals: Floats | None) -> Floats | None:
    """Unit length; None where most are missing (zero or not finite), since then there are no normals to use."""
    if normals is None or not len(normals):
        return None
    length = np.linalg.norm(normals, axis=1)
    known = np.isfinite(length) & (length > 0)
    if known.mean() < 0.5:
        return None
    return np.divide(normals, length[:, None], out=np.zeros_like(normals), where=known[:, None])


def unit_colors(colors: Floats | None) -> Floats | None:
    """Red, green, blue in [0, 1] from numbers up to 1 or up to 255.

    Raises:
        ValueError: a number is outside 0 to 255 or not finite.
    """
    if colors is None or not len(colors):
        return None
    low, high = float(colors.min()), float(colors.max())
    if not (low >= 0.0 and high <= _MOST_COLOUR):
        raise ValueError(f"colours range from {low:g} to {high:g}; expected 0 to 1 or 0 to 255")
    return colors / _MOST_COLOUR if high > 1.0 else colors
