"""PCD, the point clouds of the Point Cloud Library: text, binary and compressed, any fields of single numbers."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shapesys.geometry.formats.geometry import Geometry, Limits
from shapesys.geometry.formats.lzf import decompress
from shapesys.geometry.formats.text import number_rows

_KINDS = frozenset({"F4", "F8", "I1", "I2", "I4", "I8", "U1", "U2", "U4", "U8"})
_HEADER = re.compile(rb"(?:^|\n)DATA[ \t]+(\w+)[ \t]*\r?\n")
_MAX_HEADER = 1 << 16
_MAX_COUNT = 1 << 12
_NORMALS = ("normal_x", "normal_y", "normal_z")
_PACKED = ("rgb", "rgba")


@dataclass(frozen=True)
class _Field:
    name: str
    kind: np.dtype
    count: int


Columns = dict[str, NDArray[np.generic]]


def read_pcd(data: bytes, limits: Limits) -> Geometry:
    """Parse PCD; colours packed into ``rgb`` become the attributes ``red``, ``green`` and ``blue`` from 0 to 255.

    Fields of several numbers (descriptors) are passed over, and so is the viewpoint.

    Raises:
        ValueError: malformed; the message says where.
        ShapeRejected: over the limits.
    """
    found = _HEADER.search(data, 0, _MAX_HEADER)
    if found is None:
        raise ValueError("the header has no DATA line")
    header = _header(data[: found.start()])
    fields, points = _fields(header), _point_count(header)
    limits.check("vertices", points)
    limits.check("bytes", points * sum(field.kind.itemsize * field.count for field in fields))
    encoding, body = found[1].decode(), data[found.end() :]
    if encoding not in _READERS:
        raise ValueError(f"DATA is '{encoding}'; known: {', '.join(_READERS)}")
    columns = _READERS[encoding](body, fields, points)
    if not {"x", "y", "z"} <= columns.keys():
        raise ValueError(f"no fields x, y and z among {', '.join(columns) or 'none'}")
    return _geometry(columns)


def _header(text: bytes) -> dict[str, list[str]]:
    lines = text.decode("ascii", "replace").splitlines()
    words = [line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return {first.upper(): rest for first, *rest in words}


def _fields(header: dict[str, list[str]]) -> list[_Field]:
    names = header.get("FIELDS") or header.get("COLUMNS") or []
    sizes, types = header.get("SIZE", []), header.get("TYPE", [])
    counts = header.get("COUNT", ["1"] * len(names))
    if not names or not len(names) == len(sizes) == len(types) == len(counts):
        raise ValueError(
            f"{len(names)} FIELDS with {len(sizes)} SIZE, {len(types)} TYPE and {len(counts)} COUNT entries; they must "
            "be as many"
        )
    return [_field(*entry) for entry in zip(names, sizes, types, counts, strict=True)]


def _field(name: str, size: str, kind: str, count: str) -> _Field:
    if f"{kind}{size}" not in _KINDS:
        raise ValueError(f"field '{name}' has type '{kind}' of size '{size}'; known: {', '.join(sorted(_KINDS))}")
    if not count.isdecimal() or not 1 <= int(count) <= _MAX_COUNT:
        raise ValueError(f"field '{name}' has the count '{count}'; allowed: 1 to {_MAX_COUNT}")
    return _Field(name, np.dtype(f"<{kind.lower()}{size}"), int(count))


def _point_count(header: dict[str, list[str]]) -> int:
    words = header.get("POINTS") or [*header.get("WIDTH", []), *header.get("HEIGHT", [])]
    if not words or not all(word.isdecimal() for word in words):
        raise ValueError(f"the number of points is '{' x '.join(words) or 'missing'}'")
    count = 1
    for word in words:
        count *= int(word)
    return count


def _from_text(body: bytes, fields: list[_Field], points: int) -> Columns:
    rows = number_rows(body)
    if len(rows) < points:
        raise ValueError(f"{points} points promised, {len(rows)} lines found")
    table = rows[:points].columns(sum(field.count for field in fields), "point")
    starts = np.cumsum([0, *(field.count for field in fields)])
    return {
        field.name: table[:, start].astype(field.kind)
        for field, start in zip(fields, starts[:-1], strict=True)
        if field.count == 1
    }


def _from_rows(body: bytes, fields: list[_Field], points: int) -> Columns:
    row = np.dtype([(f"field{at}", field.kind, (field.count,)) for at, field in enumerate(fields)])
    _check_length(body, row.itemsize * points)
    table = np.frombuffer(body, row, points)
    return {field.name: table[f"field{at}"][:, 0] for at, field in enumerate(fields) if field.count == 1}


def _from_compressed(body: bytes, fields: list[_Field], points: int) -> Columns:
    """One field after the other, each for all points, behind the sizes before and after decompression."""
    _check_length(body, 8)
    packed, size = struct.unpack_from("<II", body)
    expected = points * sum(field.kind.itemsize * field.count for field in fields)
    if size != expected:
        raise ValueError(f"{size} bytes compressed, but {points} points need {expected}")
    _check_length(body, 8 + packed)
    plain = decompress(body[8 : 8 + packed], size)
    columns: Columns = {}
    offset = 0
    for field in fields:
        values = np.frombuffer(plain, field.kind, points * field.count, offset)
        offset += values.nbytes
        if field.count == 1:
            columns[field.name] = values
    return columns


_READERS = {"ascii": _from_text, "binary": _from_rows, "binary_compressed": _from_compressed}


def _check_length(body: bytes, needed: int) -> None:
    if len(body) < needed:
        raise ValueError(f"the file ends after {len(body)} of {needed} bytes of points")


def _geometry(columns: Columns) -> Geometry:
    points = np.stack([columns[name].astype(np.float64) for name in "xyz"], axis=1)
    has_normals = columns.keys() >= set(_NORMALS)
    normals = np.stack([columns[name].astype(np.float64) for name in _NORMALS], axis=1) if has_normals else None
    rest = {
        name: values.astype(np.float32)
        for name, values in columns.items()
        if name not in ("x", "y", "z", *_NORMALS, *_PACKED)
    }
    for name in _PACKED:
        if name in columns and columns[name].dtype.itemsize == 4:
            rest |= _unpacked(columns[name])
    return Geometry(points, normals=normals, attributes=rest)


def _unpacked(values: NDArray[np.generic]) -> dict[str, NDArray[np.floating]]:
    """The three bytes inside a 32-bit number, which the format often calls a float."""
    bits = np.ascontiguousarray(values).view("<u4")
    return {
        name: ((bits >> shift) & 0xFF).astype(np.float32) for name, shift in (("red", 16), ("green", 8), ("blue", 0))
    }
