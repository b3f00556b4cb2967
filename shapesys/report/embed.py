"""Meshes small enough to travel inside a page: quantised, compressed, as text.

Positions are rounded to a 16-bit lattice over the pair's bounding box, attributes to 8 bits of the page's colour
range, and every array is deflated and written in base64. At 65,535 steps the rounding is 8e-6 of the box's longest
edge, far below a pixel.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapesys.geometry.mesh import Floats, Mesh

LEVELS = 65_535
MOST_FACES = 30_000
"""Faces above which a mesh is simplified for the page."""


@dataclass(frozen=True)
class Range:
    """Ends of a colour bar."""

    low: float
    high: float

    def ticks(self, count: int = 5) -> list[float]:
        return [float(tick) for tick in np.linspace(self.low, self.high, count)]


def attribute_range(meshes: list[Mesh], name: str, low: float | None = None) -> Range | None:
    """A colour range all shapes of a page share: the 1st to 99th percentile, rounded outward to two digits.

    Args:
        meshes: those without the attribute are passed over.
        name: the attribute.
        low: the lower end where it is known beforehand (0 for an error).

    Returns:
        None where no mesh has a finite value of the attribute.
    """
    found = [np.ravel(mesh.attributes[name]) for mesh in meshes if name in mesh.attributes]
    values = np.concatenate(found) if found else np.empty(0)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return None
    bottom, top = np.percentile(values, [1, 99])
    bottom = bottom if low is None else low
    step = 10.0 ** (np.floor(np.log10(max(top - bottom, 1e-9))) - 1)
    return Range(float(np.floor(bottom / step) * step), float(np.ceil(top / step + 1e-9) * step))


def simplified(mesh: Mesh, most_faces: int = MOST_FACES) -> Mesh:
    """The mesh with about `most_faces` faces, attributes from the nearest old vertex; as it is when small enough.

    Without the package fast-simplification the mesh stays as it is, and the page grows.
    """
    if len(mesh.faces) <= most_faces:
        return mesh
    try:
        import fast_simplification
    except ImportError:
        return mesh
    from scipy.spatial import cKDTree

    vertices, faces = fast_simplification.simplify(
        np.ascontiguousarray(mesh.vertices, dtype=np.float32),
        np.ascontiguousarray(mesh.faces, dtype=np.int32),
        1.0 - most_faces / len(mesh.faces),
    )
    nearest = cKDTree(mesh.vertices).query(vertices)[1]
    return Mesh(vertices, faces, {name: values[nearest] for name, values in mesh.attributes.items()})


def encode(mesh: Mesh, origin: Floats, step: float, ranges: Mapping[str, Range]) -> dict[str, Any]:
    """A mesh as JSON-ready text.

    Args:
        mesh: what to embed.
        origin: (3,) lowest corner of the lattice.
        step: lattice spacing; positions come back as ``origin + step * integer``.
        ranges: attribute -> colour range; attributes that the mesh lacks are left out.
    """
    used = compacted(mesh)
    lattice = np.rint((used.vertices - origin) / step).clip(0, LEVELS).astype("<u2")
    wide = len(used.vertices) > LEVELS
    levels = {name: _levels(used.attributes[name], span) for name, span in ranges.items() if name in used.attributes}
    return {
        "vertexCount": len(used.vertices),
        "faceCount": len(used.faces),
        "wide": wide,
        "positions": pack(lattice),
        "faces": pack(used.faces.astype("<u4" if wide else "<u2")),
        "attributes": {name: pack(values) for name, values in levels.items()},
    }


def encode_points(
    points: Floats, origin: Floats, step: float, levels: Mapping[str, NDArray[np.uint8]], radius: float
) -> dict[str, Any]:
    """A point cloud as JSON-ready text.

    Args:
        points: (n, 3), within the lattice of `origin` and `step`, see `encode`.
        levels: named (n,) entries of colour tables; 255 for what has none.
        radius: of the ball that each point is drawn as.
    """
    lattice = np.rint((points - origin) / step).clip(0, LEVELS).astype("<u2")
    return {
        "pointCount": len(points),
        "radius": radius,
        "positions": pack(lattice),
        "attributes": {name: pack(values.astype(np.uint8)) for name, values in levels.items()},
    }


def lattice_around(points: Floats) -> tuple[Floats, float]:
    """Origin and spacing of the lattice that holds these points (n, 3)."""
    low, high = points.min(axis=0), points.max(axis=0)
    return low.astype(np.float64), max(float((high - low).max()), 1e-12) / LEVELS


def lattice_of(*meshes: Mesh) -> tuple[Floats, float]:
    """Origin and spacing of the lattice that holds all these meshes."""
    corners = [corner for mesh in meshes if not mesh.is_empty for corner in mesh.bounds]
    if not corners:
        return np.zeros(3), 1.0
    return lattice_around(np.stack(corners))


def compacted(mesh: Mesh) -> Mesh:
    """Without the vertices that no face uses, equal vertices joined: neighbours in the file give smooth shading."""
    _, first, which = np.unique(mesh.vertices, axis=0, return_index=True, return_inverse=True)
    faces = which.reshape(-1)[mesh.faces]
    used, flat = np.unique(faces, return_inverse=True)
    kept = first[used]
    attributes = {name: values[kept] for name, values in mesh.attributes.items()}
    return replace(mesh, vertices=mesh.vertices[kept], faces=flat.reshape(-1, 3), attributes=attributes)


def pack(array: NDArray[Any]) -> str:
    """An array's bytes, deflated, in base64."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(array).tobytes(), 9)).decode("ascii")


def _levels(values: Floats, span: Range) -> NDArray[np.uint8]:
    """Values as 0..254 along the colour range; 255 marks what is not a number."""
    values = np.ravel(values).astype(np.float64)
    width = span.high - span.low
    share = (values - span.low) / width if width > 0 else np.zeros_like(values)
    levels = np.rint(np.clip(np.nan_to_num(share), 0, 1) * 254)
    return np.where(np.isfinite(values), levels, 255).astype(np.uint8)
