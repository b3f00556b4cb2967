"""Meshes to GLB, PLY, OBJ and STL files, and point clouds to PLY; complete or not at all."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import UsageError, unknown_name
from shapesys.geometry.mesh import Floats, Mesh

WRITE_SUFFIXES = (".glb", ".ply", ".obj", ".stl")
COLOR = "color"
_PLY_TYPES = {"f8": "double", "f4": "float", "u1": "uchar", "i4": "int"}


def write_mesh(mesh: Mesh, path: str | Path, colour_by: str | None = None) -> Path:
    """Write a mesh in the format of the path's ending; the file appears whole, or the old one stays.

    PLY and GLB carry every vertex attribute (GLB as ``_NAME``, as custom attributes of glTF are called); GLB, PLY
    and OBJ carry vertex colours. STL has room for neither.

    Args:
        mesh: vertices in the unit the file shall have.
        path: a new or existing file; its folder is made where missing.
        colour_by: attribute (V,) to show as viridis colours from its lowest to its highest value. Without it, an
            attribute ``color`` (V, 3 or 4) in [0, 1] is used where present.

    Raises:
        UsageError: an ending that cannot be written, or no such attribute.
    """
    path = check_suffix(path)
    write_whole(path, _encode(mesh, path.suffix.lower()[1:], _colours(mesh, colour_by)))
    return path


def check_suffix(path: str | Path) -> Path:
    """The path, if its ending names a format that meshes can be written in.

    Raises:
        UsageError: it does not.
    """
    path = Path(path)
    if path.suffix.lower() not in WRITE_SUFFIXES:
        raise UsageError(f"cannot write '{path.name}': the ending must be one of {', '.join(WRITE_SUFFIXES)}")
    return path


def write_points(
    points: Floats,
    attributes: Mapping[str, NDArray[Any]],
    path: str | Path,
    colours: NDArray[np.uint8] | None = None,
    comments: Sequence[str] = (),
) -> Path:
    """Write a point cloud with attributes as binary PLY, in the order and the precision given.

    Args:
        points: (n, 3) positions; float32 stays so, anything else is stored as float64, since scans may lie far from
            their origin.
        attributes: named (n,) values: integers are stored as int32, others as float32.
        path: a new or existing file; its folder is made where missing.
        colours: (n, 3) of the points; the first attribute as viridis colours where not given.
        comments: lines for the header, such as what labels mean.

    Raises:
        ValueError: an attribute has not one value per point.
    """
    position = "f4" if points.dtype == np.float32 else "f8"
    columns: dict[str, tuple[str, NDArray[Any]]] = {axis: (position, points[:, at]) for at, axis in enumerate("xyz")}
    if colours is None and attributes:
        from shapesys.geometry.colormap import viridis

        colours = viridis(next(iter(attributes.values())))
    if colours is not None:
        columns |= {name: ("u1", colours[:, place]) for place, name in enumerate(("red", "green", "blue"))}
    columns |= {name: ("i4" if values.dtype.kind in "iu" else "f4", values) for name, values in attributes.items()}
    write_whole(Path(path), _ply_of_points(len(points), columns, comments))
    return Path(path)


def _ply_of_points(count: int, columns: Mapping[str, tuple[str, NDArray[Any]]], comments: Sequence[str]) -> bytes:
    table = np.empty(count, dtype=[(name, f"<{kind}") for name, (kind, _) in columns.items()])
    for name, (_, values) in columns.items():
        if values.shape != (count,):
            raise ValueError(f"attribute '{name}' has shape {values.shape}; expected ({count},)")
        table[name] = values
    # A header is ASCII, one line each.
    said = [f"comment {' '.join(line.encode('ascii', 'replace').decode().split())}" for line in comments]
    properties = [f"property {_PLY_TYPES[kind]} {name}" for name, (kind, _) in columns.items()]
    header = ["ply", "format binary_little_endian 1.0", *said, f"element vertex {count}", *properties, "end_header"]
    return "\n".join([*header, ""]).encode() + table.tobytes()


def _encode(mesh: Mesh, kind: str, colours: NDArray[np.uint8] | None) -> bytes:
    import trimesh

    body = trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_colors=colours, process=False, validate=False)
    options: dict[str, Any] = {}
    if kind in ("ply", "glb"):
        prefix = "_" if kind == "glb" else ""
        for name, values in mesh.attributes.items():
            if name != COLOR:
                body.vertex_attributes[prefix + (name.upper() if prefix else name)] = _float32(values)
    if kind == "ply":
        options["vertex_normal"] = False
    encoded = body.export(file_type=kind, **options)
    return encoded.encode() if isinstance(encoded, str) else bytes(encoded)


def _float32(values: NDArray[Any]) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, dtype=np.float32)


def _colours(mesh: Mesh, colour_by: str | None) -> NDArray[np.uint8] | None:
    """(V, 4) bytes, or None."""
    if colour_by is not None:
        if colour_by not in mesh.attributes:
            raise unknown_name("vertex attribute", colour_by, mesh.attributes)
        from shapesys.geometry.colormap import viridis

        return viridis(mesh.attributes[colour_by])
    if COLOR not in mesh.attributes:
        return None
    given = np.clip(np.asarray(mesh.attributes[COLOR], dtype=np.float64), 0.0, 1.0)
    opaque = np.ones((len(given), 4))
    opaque[:, : given.shape[1]] = given
    return np.rint(opaque * 255.0).astype(np.uint8)


def write_whole(path: Path, data: bytes) -> None:
    """Write beside the target, then rename: readers never see half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        beside.write_bytes(data)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
