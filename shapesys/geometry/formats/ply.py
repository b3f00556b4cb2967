"""PLY: text and binary, either byte order, mixed polygons, triangle strips, any extra vertex property."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapesys.geometry.formats.geometry import Geometry, Limits
from shapesys.geometry.formats.polygons import fan, strip
from shapesys.geometry.formats.text import Rows, gather, number_rows, whole_numbers

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "int64": "i8", "uint64": "u8",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
_STRUCT = {"i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "i8": "q", "u8": "Q"}
_BYTE_ORDER = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_INDEX_LISTS = ("vertex_indices", "vertex_index")
_MAX_HEADER = 1 << 16


@dataclass
class _Property:
    name: str
    kind: str
    count_kind: str | None = None


@dataclass
class _Element:
    name: str
    count: int
    properties: list[_Property] = field(default_factory=list)


@dataclass(frozen=True)
class _List:
    """A list property: `sizes` (r,) items per row, `items` (sum,) float64 or integers."""

    sizes: NDArray[np.int64]
    items: NDArray[Any]


Columns = dict[str, Any]


def read_ply(data: bytes, limits: Limits) -> Geometry:
    """Parse PLY; textures are never opened.

    Raises:
        ValueError: malformed; the message says where.
        ShapeRejected: over the limits.
    """
    order, elements, body = _header(data)
    for element in elements:
        limits.check("vertices" if element.name == "vertex" else "faces", element.count)
    columns = _text_body(body, elements) if order == "" else _binary_body(body, elements, order)
    vertex = columns.get("vertex", {})
    if not {"x", "y", "z"} <= vertex.keys():
        raise ValueError("no vertex element with the properties x, y and z")
    scalars = {name: values for name, values in vertex.items() if isinstance(values, np.ndarray)}
    normals = _triple(scalars, "nx", "ny", "nz")
    others = scalars.keys() - _POSITION_AND_NORMAL
    rest = {name: values.astype(np.float32) for name, values in scalars.items() if name in others}
    return Geometry(_triple(scalars, "x", "y", "z"), _triangles(columns), normals, rest)


_POSITION_AND_NORMAL = frozenset({"x", "y", "z", "nx", "ny", "nz"})


def _triple(scalars: Columns, *names: str) -> Any:
    return np.stack([scalars[name] for name in names], axis=1) if scalars.keys() >= set(names) else None


def _triangles(columns: dict[str, Columns]) -> NDArray[np.int64]:
    for element, join in (("face", fan), ("tristrips", lambda items, sizes: strip(items))):
        for name in _INDEX_LISTS:
            found = columns.get(element, {}).get(name)
            if isinstance(found, _List) and len(found.items):
                return join(whole_numbers(found.items.astype(np.float64), "vertex index"), found.sizes)
    return np.empty((0, 3), dtype=np.int64)


def _header(data: bytes) -> tuple[str, list[_Element], bytes]:
    if data[:3].lower() != b"ply":
        raise ValueError(f"does not begin with 'ply' but with {data[:20]!r}")
    end = data.find(b"end_header", 0, _MAX_HEADER)
    if end < 0:
        raise ValueError("the header has no end_header line")
    after = end + len(b"end_header")
    after += 2 if data[after : after + 2] == b"\r\n" else 1
    order: str | None = None
    elements: list[_Element] = []
    for line in data[3:end].decode("ascii", "replace").splitlines():
        match line.split():
            case ["format", encoding, *_]:
                order = _BYTE_ORDER.get(encoding)
            case ["element", name, count]:
                elements.append(_Element(name, _count(name, count)))
            case ["property", *rest] if elements:
                elements[-1].properties.append(_property(rest))
    if order is None:
        raise ValueError(f"no format line with one of {', '.join(_BYTE_ORDER)}")
    return order, elements, data[after:]


def _count(name: str, text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"element '{name}' has the count '{text}'")
    return int(text)


def _property(words: list[str]) -> _Property:
    match words:
        case ["list", count, kind, name] if count in _TYPES and kind in _TYPES and _TYPES[count][0] != "f":
            return _Property(name, _TYPES[kind], _TYPES[count])
        case [kind, name] if kind in _TYPES:
            return _Property(name, _TYPES[kind])
    raise ValueError(f"property '{' '.join(words)}' is not understood")


def _text_body(body: bytes, elements: list[_Element]) -> dict[str, Columns]:
    rows = number_rows(body)
    found: dict[str, Columns] = {}
    for element in elements:
        if len(rows) < element.count:
            raise ValueError(f"{element.count} {element.name} lines promised, {len(rows)} found")
        found[element.name] = _text_columns(rows[: element.count], element)
        rows = rows[element.count :]
    return found


def _text_columns(rows: Rows, element: _Element) -> Columns:
    columns: Columns = {}
    cursor = np.zeros(len(rows), dtype=np.int64)
    for item in element.properties:
        if (cursor >= rows.lengths).any():
            raise ValueError(f"a {element.name} line ends before its property '{item.name}'")
        head = rows.values[rows.starts + cursor]
        cursor = cursor + 1
        if item.count_kind is None:
            columns[item.name] = head
            continue
        sizes = whole_numbers(head, "list length")
        if (sizes < 0).any() or (cursor + sizes > rows.lengths).any():
            raise ValueError(f"a {element.name} line is shorter than the length of its list '{item.name}'")
        columns[item.name] = _List(sizes, gather(rows.values, rows.starts + cursor, sizes))
        cursor = cursor + sizes
    return columns


def _binary_body(body: bytes, elements: list[_Element], order: str) -> dict[str, Columns]:
    found: dict[str, Columns] = {}
    offset = 0
    for element in elements:
        if element.count == 0 or not element.properties:
            found[element.name] = {item.name: np.empty(0) for item in element.properties}
            continue
        uniform = _uniform(body, offset, element, order)
        columns, offset = uniform if uniform else _ragged(body, offset, element, order)
        found[element.name] = columns
    return found


def _uniform(body: bytes, offset: int, element: _Element, order: str) -> tuple[Columns, int] | None:
    """All rows at once, where every row's lists are as long as the first row's; else None."""
    fields: list[Any] = []
    cursor = offset
    for index, item in enumerate(element.properties):
        kind = np.dtype(order + item.kind)
        if item.count_kind is None:
            fields.append((f"value{index}", kind))
            cursor += kind.itemsize
            continue
        count_kind = np.dtype(order + item.count_kind)
        size = int(np.frombuffer(_take(body, cursor, count_kind.itemsize, element), count_kind)[0])
        cursor += count_kind.itemsize + size * kind.itemsize
        if size < 0 or cursor > len(body):
            raise ValueError(f"the list '{item.name}' of the first {element.name} promises {size} items, the file ends")
        fields += [(f"count{index}", count_kind), (f"value{index}", kind, (size,))]
    row = np.dtype(fields)
    if any(item.count_kind for item in element.properties) and offset + element.count * row.itemsize > len(body):
        return None
    end = offset + element.count * row.itemsize
    table = np.frombuffer(_take(body, offset, end - offset, element), row)
    columns: Columns = {}
    for index, item in enumerate(element.properties):
        values = table[f"value{index}"]
        if item.count_kind is None:
            columns[item.name] = values
            continue
        sizes = table[f"count{index}"].astype(np.int64)
        if (sizes != values.shape[1]).any():
            return None
        columns[item.name] = _List(sizes, values.reshape(-1))
    return columns, end


def _ragged(body: bytes, offset: int, element: _Element, order: str) -> tuple[Columns, int]:
    """Row by row, for lists of differing lengths: only the lengths are walked, the items are cast at once."""
    parts: list[list[Any]] = [[] for _ in element.properties]
    plans = [
        (part, np.dtype(item.kind).itemsize, struct.Struct((order or "<") + _STRUCT[item.count_kind]))
        if item.count_kind
        else (part, np.dtype(item.kind).itemsize, None)
        for part, item in zip(parts, element.properties, strict=True)
    ]
    for _ in range(element.count):
        for part, width, count in plans:
            size = width
            if count is not None:
                _take(body, offset, count.size, element)
                size = width * int(count.unpack_from(body, offset)[0])
                offset += count.size
            part.append(_take(body, offset, size, element))
            offset += size
    columns: Columns = {}
    for part, item in zip(parts, element.properties, strict=True):
        kind = np.dtype(order + item.kind)
        values = np.frombuffer(b"".join(part), kind)
        sizes = np.array([len(chunk) for chunk in part], dtype=np.int64) // kind.itemsize
        columns[item.name] = _List(sizes, values) if item.count_kind else values
    return columns, offset


def _take(body: bytes, offset: int, size: int, element: _Element) -> bytes:
    if size < 0 or offset + size > len(body):
        raise ValueError(f"the file ends inside its {element.count} {element.name} rows")
    return body[offset : offset + size]
