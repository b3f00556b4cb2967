"""glTF 2.0 and GLB: the triangles of the default scene with all node transforms applied.

Only positions, indices and custom scalars per vertex (``_NAME``) are read (Khronos glTF 2.0 specification, sections
3.5 to 3.7). Images, materials, skins and animations are never opened, and buffers come from the file itself, a data
URI, or a file in the same folder.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import ShapeRejected
from shapesys.geometry.formats.geometry import Fetch, Geometry, Limits
from shapesys.geometry.formats.polygons import strip

_COMPONENT = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTH = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_COMPRESSED = {
    "KHR_draco_mesh_compression": "Draco",
    "EXT_meshopt_compression": "meshoptimizer",
    "KHR_meshopt_compression": "meshoptimizer",
}
_TRIANGLES, _STRIP, _FAN = 4, 5, 6
_MAX_INSTANCES = 100_000
_MAX_DEPTH = 256
_JSON_CHUNK, _BINARY_CHUNK = 0x4E4F534A, 0x004E4942
Json = dict[str, Any]
Array = NDArray[Any]
Part = tuple[Array, Array, dict[str, Array]]
"""(v, 3) positions, (f, 3) triangles, named (v,) scalars."""


def read_glb(data: bytes, limits: Limits, fetch: Fetch) -> Geometry:
    """Parse binary glTF.

    Raises:
        ValueError: malformed; the message says where.
        ShapeRejected: over the limits, compressed, or it points outside its folder.
    """
    if len(data) < 12 or data[:4] != b"glTF":
        raise ValueError("not a GLB file (it does not begin with 'glTF')")
    version, length = struct.unpack_from("<II", data, 4)
    if version != 2 or length > len(data):
        raise ValueError(f"GLB version {version} (expected 2), {length} bytes promised and {len(data)} found")
    chunks: dict[int, bytes] = {}
    offset = 12
    while offset + 8 <= length:
        size, kind = struct.unpack_from("<II", data, offset)
        offset += 8
        if offset + size > length:
            raise ValueError(f"a chunk of {size} bytes runs past the end of the file")
        chunks.setdefault(kind, data[offset : offset + size])
        offset += size
    if _JSON_CHUNK not in chunks:
        raise ValueError("no JSON chunk")
    return _read(chunks[_JSON_CHUNK], chunks.get(_BINARY_CHUNK), limits, fetch)


def read_gltf(data: bytes, limits: Limits, fetch: Fetch) -> Geometry:
    """Parse glTF text with its buffers; raises like `read_glb`."""
    return _read(data, None, limits, fetch)


def _read(text: bytes, binary: bytes | None, limits: Limits, fetch: Fetch) -> Geometry:
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("the JSON is not an object")
    version = str(document.get("asset", {}).get("version"))
    if not version.startswith("2."):
        raise ValueError(f"glTF version {version}, expected 2.x")
    for name in document.get("extensionsRequired", []):
        if name in _COMPRESSED:
            raise _compressed(name)
    return _Scene(document, binary, limits, fetch).geometry()


def _compressed(extension: str) -> ShapeRejected:
    return ShapeRejected(
        "read", f"{_COMPRESSED[extension]}-compressed glTF ({extension}) is not supported; export it uncompressed"
    )


class _Scene:
    """One document while it is being read."""

    def __init__(self, document: Json, binary: bytes | None, limits: Limits, fetch: Fetch) -> None:
        self.document, self.binary, self.limits, self.fetch = document, binary, limits, fetch
        self.buffers: dict[int, bytes] = {}
        self.meshes: dict[int, list[Part]] = {}

    def geometry(self) -> Geometry:
        vertices: list[Array] = []
        faces: list[Array] = []
        scalars: list[dict[str, Array]] = []
        vertex_count = face_count = 0
        for mesh, transform in self.instances():
            turned = np.linalg.det(transform[:3, :3]) < 0
            for points, triangles, attributes in self.mesh(mesh):
                scalars.append(attributes)
                vertices.append(points @ transform[:3, :3].T + transform[:3, 3])
                faces.append((triangles[:, ::-1] if turned else triangles) + vertex_count)
                vertex_count += len(points)
                face_count += len(triangles)
                self.limits.check("vertices", vertex_count)
                self.limits.check("faces", face_count)
        if not vertices:
            raise ValueError(self.why_empty())
        shared = [name for name in scalars[0] if all(name in attributes for attributes in scalars)]
        joined = {name: np.concatenate([attributes[name] for attributes in scalars]) for name in shared}
        return Geometry(np.concatenate(vertices), np.concatenate(faces), attributes=joined)

    def why_empty(self) -> str:
        meshes = self.document.get("meshes", [])
        if not meshes:
            return "it holds no mesh"
        shown = "only points or lines" if self.meshes else "but no node of its scene shows one"
        return f"it holds {len(meshes)} meshes, {shown}"

    def instances(self) -> list[tuple[int, Array]]:
        """(mesh index, 4 x 4 transform) of every node of the scene that shows a mesh."""
        nodes = self.document.get("nodes", [])
        found: list[tuple[int, Array]] = []
        waiting = [(root, np.eye(4), 0) for root in self.roots]
        visited = 0
        while waiting:
            index, above, depth = waiting.pop()
            visited += 1
            node = _item(nodes, index, "node")
            # A node may have one parent only, so a longer walk than this is a loop or a hostile graph.
            if visited > min(_MAX_INSTANCES, len(nodes)) or depth > _MAX_DEPTH:
                raise ValueError(
                    "the node graph is not a tree (a node is its own descendant or has two parents), or has more than "
                    f"{_MAX_INSTANCES} nodes or {_MAX_DEPTH} levels"
                )
            with np.errstate(invalid="ignore"):
                transform = above @ _local(node)
            if "mesh" in node:
                found.append((node["mesh"], transform))
            waiting += [(child, transform, depth + 1) for child in reversed(node.get("children", []))]
        return found

    @cached_property
    def roots(self) -> list[int]:
        """The default scene's nodes; without scenes, every node that is nobody's child."""
        scenes = self.document.get("scenes", [])
        if scenes:
            roots: list[int] = list(_item(scenes, self.document.get("scene", 0), "scene").get("nodes", []))
            return roots[::-1]
        nodes = self.document.get("nodes", [])
        children = {child for node in nodes for child in node.get("children", [])}
        return [index for index in range(len(nodes)) if index not in children][::-1]

    def mesh(self, index: int) -> list[Part]:
        if index not in self.meshes:
            primitives = _item(self.document.get("meshes", []), index, "mesh").get("primitives", [])
            parts = [self.primitive(primitive) for primitive in primitives]
            self.meshes[index] = [part for part in parts if part is not None]
        return self.meshes[index]

    def primitive(self, primitive: Json) -> Part | None:
        """The primitive's triangles; points and lines give None."""
        mode = primitive.get("mode", _TRIANGLES)
        position = primitive.get("attributes", {}).get("POSITION")
        if mode not in (_TRIANGLES, _STRIP, _FAN) or position is None:
            return None
        points = self.accessor(position).astype(np.float64)
        if points.shape[1] != 3:
            raise ValueError("POSITION is not a VEC3 accessor")
        if "indices" in primitive:
            corners = self.accessor(primitive["indices"])[:, 0]
            if corners.dtype.kind == "f":
                raise ValueError("indices are floating-point numbers")
            corners = corners.astype(np.int64)
        else:
            corners = np.arange(len(points), dtype=np.int64)
        triangles = _triangles(corners, mode)
        if triangles.size and triangles.max() >= len(points):
            raise ValueError(f"vertex index {triangles.max()} out of range, the primitive has {len(points)} vertices")
        return points, triangles, self.scalars(primitive, len(points))

    def scalars(self, primitive: Json, count: int) -> dict[str, Array]:
        """Custom attributes with one number per vertex: ``_SALIENCY`` comes back as ``saliency``."""
        custom = {name: index for name, index in primitive["attributes"].items() if name.startswith("_")}
        values = {name.strip("_").lower(): self.accessor(index) for name, index in custom.items()}
        return {name: found[:, 0].astype(np.float32) for name, found in values.items() if found.shape == (count, 1)}

    def accessor(self, index: int) -> Array:
        """(count, width) values, normalised integers as floats, sparse replacements applied."""
        accessor = _item(self.document.get("accessors", []), index, "accessor")
        kind, width = np.dtype(_COMPONENT[accessor["componentType"]]), _WIDTH[accessor["type"]]
        count = _natural(accessor, "count")
        self.limits.check("vertices", count // 3 if width == 1 else count)
        if "bufferView" in accessor:
            values = self.strided(accessor["bufferView"], _natural(accessor, "byteOffset"), kind, width, count)
        else:
            values = np.zeros((count, width), dtype=kind)
        if "sparse" in accessor:
            values = self.replaced(values, accessor["sparse"], kind, width)
        if accessor.get("normalized") and kind.kind != "f":
            return np.maximum(values.astype(np.float64) / np.iinfo(kind).max, -1.0)
        return values

    def replaced(self, values: Array, sparse: Json, kind: np.dtype[Any], width: int) -> Array:
        count = _natural(sparse, "count")
        where, what = sparse["indices"], sparse["values"]
        index_kind = np.dtype(_COMPONENT[where["componentType"]])
        rows = self.strided(where["bufferView"], _natural(where, "byteOffset"), index_kind, 1, count)[:, 0]
        values = values.copy()
        values[rows] = self.strided(what["bufferView"], _natural(what, "byteOffset"), kind, width, count)
        return values

    def strided(self, view: int, start: int, kind: np.dtype[Any], width: int, count: int) -> Array:
        span = _item(self.document.get("bufferViews", []), view, "buffer view")
        for extension in span.get("extensions", {}):
            if extension in _COMPRESSED:
                raise _compressed(extension)
        row = kind.itemsize * width
        stride = span.get("byteStride", row)
        offset, size = _natural(span, "byteOffset") + start, _natural(span, "byteLength") - start
        data = self.buffer(span.get("buffer"))
        if stride < row or (count and ((count - 1) * stride + row > size or offset + size > len(data))):
            raise ValueError(f"an accessor of {count} elements reaches past the end of its buffer")
        if not count:
            return np.zeros((0, width), dtype=kind)
        return np.ndarray((count, width), dtype=kind, buffer=data, offset=offset, strides=(stride, kind.itemsize))

    def buffer(self, index: Any) -> bytes:
        if index not in self.buffers:
            buffer = _item(self.document.get("buffers", []), index, "buffer")
            data = self.content(buffer.get("uri"))
            if len(data) < _natural(buffer, "byteLength"):
                raise ValueError(f"buffer {index} promises {buffer['byteLength']} bytes, {len(data)} found")
            self.buffers[index] = data
        return self.buffers[index]

    def content(self, uri: str | None) -> bytes:
        if uri is None:
            if self.binary is None:
                raise ValueError("a buffer without uri, and no binary chunk")
            return self.binary
        if not uri.startswith("data:"):
            return self.fetch(uri)
        header, _, payload = uri.partition(",")
        if not header.endswith(";base64"):
            raise ValueError(f"data URI '{header[:60]}' is not base64")
        try:
            return base64.b64decode(payload, validate=True)
        except binascii.Error as error:
            raise ValueError(f"broken base64 in a data URI: {error}") from None


def _triangles(corners: Array, mode: int) -> Array:
    if mode == _STRIP:
        return strip(corners, restart=None)
    if mode == _FAN:
        middle = np.arange(1, max(len(corners) - 1, 1))
        return np.stack([np.full(len(middle), corners[0]), corners[middle], corners[middle + 1]], axis=1)
    return corners[: len(corners) // 3 * 3].reshape(-1, 3)


def _local(node: Json) -> Array:
    """The node's own 4 x 4 transform: its column-major matrix, or T R S."""
    if "matrix" in node:
        return np.array(node["matrix"], dtype=np.float64).reshape(4, 4).T
    x, y, z, w = node.get("rotation", (0.0, 0.0, 0.0, 1.0))
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    transform = np.eye(4)
    transform[:3, :3] = rotation * np.asarray(node.get("scale", (1.0, 1.0, 1.0)), dtype=np.float64)
    transform[:3, 3] = node.get("translation", (0.0, 0.0, 0.0))
    return transform


def _item(items: list[Json], index: Any, what: str) -> Json:
    if not isinstance(index, int) or not 0 <= index < len(items):
        raise ValueError(f"{what} {index!r} does not exist ({len(items)} in the file)")
    return items[index]


def _natural(item: Json, key: str) -> int:
    value = item.get(key, 0)
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"'{key}' is {value!r}, expected a whole number >= 0")
    return value
