"""Clean solids, and the ways in which real meshes are broken: builders for the sign tests.

The truth is always the clean solid; a damaged mesh is what a modeller, exporter or scanner might have made of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import manifold3d
import numpy as np
import trimesh

from shapesys.geometry.mesh import Floats, Ints, Mesh


@dataclass(frozen=True)
class Damaged:
    """One case: a broken mesh, the solid it stands for, and the share of wrong signs that is acceptable."""

    name: str
    mesh: Mesh
    solid: Mesh
    tolerance: float = 0.002


def box(size: tuple[float, float, float], centre: tuple[float, float, float]) -> Mesh:
    shape = trimesh.creation.box(extents=size).subdivide().subdivide()
    return Mesh(shape.vertices + centre, np.asarray(shape.faces))


def cylinder(radius: float, height: float, centre: tuple[float, float, float]) -> Mesh:
    shape = trimesh.creation.cylinder(radius=radius, height=height, sections=24)
    return Mesh(shape.vertices + centre, np.asarray(shape.faces))


def chair_parts() -> list[Mesh]:
    """Seat, back, four legs and two rails, each a closed solid that overlaps its neighbours."""
    seat = box((0.9, 0.9, 0.12), (0.0, 0.0, 0.0))
    back = box((0.9, 0.1, 0.9), (0.0, 0.4, 0.45))
    legs = [cylinder(0.06, 0.8, (x, y, -0.38)) for x in (-0.36, 0.36) for y in (-0.36, 0.36)]
    rails = [box((0.05, 0.8, 0.06), (x, 0.0, -0.45)) for x in (-0.36, 0.36)]
    return [seat, back, *legs, *rails]


def blob(subdivisions: int = 4) -> Mesh:
    """A bumpy closed organic shape."""
    shape = trimesh.creation.icosphere(subdivisions=subdivisions)
    x, y, z = shape.vertices.T
    radius = 1.0 + 0.15 * np.sin(5 * x) * np.cos(4 * y) + 0.1 * np.sin(9 * z + 3 * x) + 0.05 * np.sin(17 * y)
    return Mesh(shape.vertices * radius[:, None] / 1.35, np.asarray(shape.faces))


def union(parts: list[Mesh]) -> Mesh:
    """The clean solid of overlapping closed parts."""
    solids = [_to_manifold(part) for part in parts]
    mesh = manifold3d.Manifold.batch_boolean(solids, manifold3d.OpType.Add).to_mesh()
    return Mesh(np.asarray(mesh.vert_properties[:, :3], dtype=np.float64), np.asarray(mesh.tri_verts))


def joined(parts: list[Mesh]) -> Mesh:
    """All faces in one mesh, nothing cut."""
    starts = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    faces = [part.faces + start for part, start in zip(parts, starts, strict=True)]
    return Mesh(np.concatenate([part.vertices for part in parts]), np.concatenate(faces))


def flipped(mesh: Mesh, chosen: Ints | None = None) -> Mesh:
    """The chosen faces (F,) bool, or all, wound the other way."""
    chosen = np.ones(len(mesh.faces), dtype=bool) if chosen is None else chosen
    return replace(mesh, faces=np.where(chosen[:, None], mesh.faces[:, ::-1], mesh.faces))


def some_faces_flipped(mesh: Mesh, share: float, seed: int = 0) -> Mesh:
    return flipped(mesh, np.random.default_rng(seed).random(len(mesh.faces)) < share)


def some_parts_flipped(parts: list[Mesh]) -> list[Mesh]:
    return [flipped(part) if index % 2 else part for index, part in enumerate(parts)]


def double_sided(mesh: Mesh) -> Mesh:
    return replace(mesh, faces=np.concatenate([mesh.faces, mesh.faces[:, ::-1]]))


def with_holes(mesh: Mesh, share: float, seed: int = 0) -> Mesh:
    keep = np.random.default_rng(seed).random(len(mesh.faces)) >= share
    return replace(mesh, faces=mesh.faces[keep])


def unwelded(mesh: Mesh, jitter: float = 0.0, seed: int = 0) -> Mesh:
    """Every face with corners of its own, as in STL files; `jitter` keeps them from coinciding."""
    corners = mesh.triangles.reshape(-1, 3)
    noise = np.random.default_rng(seed).normal(scale=jitter, size=corners.shape) if jitter else 0.0
    return Mesh(corners + noise, np.arange(len(corners)).reshape(-1, 3))


def where_centres(mesh: Mesh, keep: Callable[[Floats], Ints]) -> Mesh:
    """Only the faces whose centres (F, 3) satisfy `keep`."""
    return replace(mesh, faces=mesh.faces[keep(mesh.triangles.mean(axis=1))])


def sheet(corners: list[tuple[float, float, float]], cells: int = 8) -> Mesh:
    """A flat grid between four corners, without thickness."""
    a, b, c, d = (np.array(corner, dtype=np.float64) for corner in corners)
    u, v = (grid[..., None] for grid in np.meshgrid(*[np.linspace(0, 1, cells + 1)] * 2, indexing="ij"))
    points = (1 - u) * (1 - v) * a + u * (1 - v) * b + u * v * c + (1 - u) * v * d
    index = np.arange((cells + 1) ** 2).reshape(cells + 1, cells + 1)
    low = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:]], axis=-1).reshape(-1, 3)
    high = np.stack([index[:-1, :-1], index[1:, 1:], index[:-1, 1:]], axis=-1).reshape(-1, 3)
    return Mesh(points.reshape(-1, 3), np.concatenate([low, high]))


def scaled(mesh: Mesh, factor: float) -> Mesh:
    return mesh.with_vertices(mesh.vertices * factor)


def inner_wall() -> Mesh:
    """A sheet across the inside of `blob`, clear of its surface."""
    return sheet([(-0.3, -0.3, 0.1), (0.3, -0.3, 0.1), (0.3, 0.3, -0.1), (-0.3, 0.3, -0.1)])


def hanging_sheets() -> list[Mesh]:
    """A curtain under the seat and a flag beside the chair."""
    curtain = sheet([(-0.3, 0.0, -0.7), (0.3, 0.0, -0.7), (0.3, 0.0, -0.1), (-0.3, 0.0, -0.1)])
    flag = sheet([(0.44, 0.4, 0.5), (0.9, 0.4, 0.5), (0.9, 0.4, 0.9), (0.44, 0.4, 0.9)])
    return [curtain, flag]


def chair_cases() -> list[Damaged]:
    parts = chair_parts()
    whole, solid = joined(parts), union(parts)
    sheets = hanging_sheets()
    open_parts = [where_centres(part, lambda c, p=part: c[:, 2] > p.vertices[:, 2].min() + 1e-6) for part in parts]
    return [
        Damaged("self_intersecting", whole, solid),
        Damaged("parts_flipped", joined(some_parts_flipped(parts)), solid),
        Damaged("faces_flipped", some_faces_flipped(whole, 0.3), solid),
        Damaged("double_sided", double_sided(whole), solid),
        Damaged("zero_thickness_sheets", joined([*parts, *sheets]), solid),
        Damaged("sheets_and_flips", some_faces_flipped(joined([*parts, *sheets]), 0.3), solid),
        Damaged("unwelded", unwelded(whole), solid),
        Damaged("soup_with_flips", unwelded(some_faces_flipped(whole, 0.3), jitter=1e-5), solid),
        Damaged("undersides_missing", joined(open_parts), solid, tolerance=0.05),
        Damaged("undersides_missing_and_flips", joined(some_parts_flipped(open_parts)), solid, tolerance=0.05),
    ]


def blob_cases() -> list[Damaged]:
    solid = blob()
    cut = where_centres(solid, lambda c: c[:, 2] < 0.62)
    return [
        Damaged("all_flipped", flipped(solid), solid),
        Damaged("holes", with_holes(solid, 0.03), solid),
        Damaged("holes_and_flips", some_faces_flipped(with_holes(solid, 0.03), 0.3), solid),
        Damaged("organic_faces_flipped", some_faces_flipped(solid, 0.3), solid),
        Damaged("organic_double_sided", double_sided(solid), solid),
        Damaged("double_sided_with_holes", double_sided(with_holes(solid, 0.03)), solid),
        Damaged("inner_walls", joined([solid, inner_wall()]), solid),
        Damaged("inner_walls_and_holes", joined([with_holes(solid, 0.03), inner_wall()]), solid),
        Damaged("second_wall_inside", joined([solid, scaled(solid, 0.8)]), solid),
        Damaged("hollow_shell", joined([solid, flipped(scaled(solid, 0.8))]), solid),
        Damaged("cut_open", cut, solid, tolerance=0.05),
        Damaged("cut_open_and_flipped", flipped(cut), solid, tolerance=0.05),
    ]


def _to_manifold(mesh: Mesh) -> manifold3d.Manifold:
    built = manifold3d.Manifold(
        manifold3d.Mesh(vert_properties=mesh.vertices.astype(np.float32), tri_verts=mesh.faces.astype(np.uint32))
    )
    assert built.status() == manifold3d.Error.NoError, built.status()
    return built
