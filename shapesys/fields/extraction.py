"""From any field to a mesh with attributes: `extract`."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from shapesys.errors import UsageError, unknown_name
from shapesys.fields import dense
from shapesys.fields.coarse_to_fine import Level, Pruning, Surface, search
from shapesys.fields.field import Field, FieldTraits, JointField, SurfaceField
from shapesys.fields.lattice import Keys, Lattice
from shapesys.fields.marching import march
from shapesys.fields.sampler import Sampler
from shapesys.geometry.mesh import Floats, Mesh

Method = Literal["coarse-to-fine", "dense", "dense-pymcubes"]
METHODS = ("coarse-to-fine", "dense", "dense-pymcubes")
GIVEN = "given"
"""What a report says in place of a method where the field knew its surface."""
PRECISIONS = ("float32", "bfloat16")
AXES = "xyz"


@dataclass(frozen=True)
class ExtractionSettings:
    """How to extract.

    Attributes:
        method: `coarse-to-fine`; `dense` evaluates every node and gives the same mesh; `dense-pymcubes` lets PyMCubes
            make the triangles.
        start: cells along the longest side of the coarsest lattice; a component that this lattice cannot see (thinner
            and shorter than its cells in a field that is not a distance) may be lost.
        tolerance: see `Pruning.tolerance`.
        pruning_precision: `bfloat16` lets the field answer cheaply above the finest level; the values that define the
            mesh are always in full precision.
        attributes_at: `nodes` interpolates attributes along with the surface, from the same evaluation, where the field
            is a `JointField`; `vertices` evaluates them at the vertices.
        close_at_box: cap the surface where it leaves the box instead of leaving it open.
        memory_limit_gib: refuse work estimated above this; None: nine tenths of the memory that is free.
    """

    method: Method = "coarse-to-fine"
    start: int = 32
    tolerance: float = 0.6
    pruning_precision: Literal["float32", "bfloat16"] = "float32"
    attributes_at: Literal["nodes", "vertices"] = "nodes"
    close_at_box: bool = False
    memory_limit_gib: float | None = None


@dataclass(frozen=True)
class ExtractionReport:
    """What an extraction cost, and what is odd about its result.

    Attributes:
        resolution: cells along the box's longest side.
        method: as asked for; `given` where the field knew its surface, and no lattice was evaluated.
        points_evaluated: queries of the field, of any precision.
        dense_points: queries that a dense evaluation takes.
        levels: one entry per lattice, coarsest first.
        seconds: wall time.
        empty: why there is no surface, or None.
        cut: where the box cuts the surface, or None (always None for `dense-pymcubes`).
    """

    resolution: int
    method: str
    points_evaluated: int
    dense_points: int
    levels: tuple[Level, ...]
    seconds: float
    empty: str | None = None
    cut: str | None = None

    @property
    def saving(self) -> float:
        """How many times fewer queries than dense; NaN without any."""
        return self.dense_points / self.points_evaluated if self.points_evaluated else math.nan


@dataclass(frozen=True)
class Extraction:
    """The mesh, with the field's attributes on its vertices, and its report."""

    mesh: Mesh
    report: ExtractionReport


def extract(field: Field, resolution: int = 256, settings: ExtractionSettings | None = None) -> Extraction:
    """The level set of a field as a closed, outward-oriented mesh in the field's frame.

    Args:
        field: what to extract; its traits give level, box, and whether its values are distances. Of a `SurfaceField`
            the mesh is its own, whatever the resolution and the settings.
        resolution: cells along the longest side of the box.
        settings: see `ExtractionSettings`.

    Raises:
        UsageError: unknown method or precision, resolution below 2, or a setting outside its range.
        ShapesysError: not enough memory, or the field is not finite.
    """
    settings = settings or ExtractionSettings()
    _check(resolution, settings)
    if isinstance(field, SurfaceField):
        return _given(field.surface(), resolution)
    started = time.perf_counter()
    sampler = Sampler(field, settings.close_at_box, settings.attributes_at == "nodes")
    lattice = Lattice.over(field.traits.box, resolution)
    mesh, levels, cut = _mesh_of(sampler, lattice, resolution, settings)
    mesh = _with_attributes(mesh, field, settings)
    report = ExtractionReport(
        resolution=resolution,
        method=settings.method,
        points_evaluated=sampler.points_evaluated,
        dense_points=lattice.node_count,
        levels=levels,
        seconds=time.perf_counter() - started,
        empty=_why_empty(sampler, resolution) if mesh.is_empty else None,
        cut=cut,
    )
    return Extraction(mesh, report)


def _given(mesh: Mesh, resolution: int) -> Extraction:
    """The surface that a field knows, as it is."""
    empty = f"no surface: the field's own mesh has {len(mesh.vertices)} vertices and no face" if mesh.is_empty else None
    return Extraction(mesh, ExtractionReport(resolution, GIVEN, 0, 0, (), 0.0, empty))


def _mesh_of(
    sampler: Sampler, lattice: Lattice, resolution: int, settings: ExtractionSettings
) -> tuple[Mesh, tuple[Level, ...], str | None]:
    if settings.method == "dense-pymcubes":
        mesh, level = dense.pymcubes_mesh(sampler, lattice, settings.memory_limit_gib)
        return mesh, (level,), None
    traits = sampler.field.traits
    halvings = _halvings(lattice, resolution, settings, traits)
    if settings.method == "dense" or not halvings:
        surface = dense.surface_of_all_cells(sampler, lattice, settings.memory_limit_gib)
    else:
        pruning = Pruning(
            is_distance=traits.is_distance,
            tolerance=settings.tolerance,
            precision=settings.pruning_precision,
            memory_limit_gib=settings.memory_limit_gib,
        )
        surface = search(sampler, lattice, halvings, pruning)
    edges, faces = march(lattice, surface.cells, surface.inside)
    mesh = _placed(lattice, edges, faces, surface, sampler.attribute_names)
    return mesh, surface.levels, _where_cut(lattice, edges)


def _halvings(lattice: Lattice, resolution: int, settings: ExtractionSettings, traits: FieldTraits) -> int:
    """How many times coarser to start: not below `start` cells, and fine enough that a clamped field still tells far
    from near (tolerance * diagonal must stay below the clamp)."""
    halvings = 0
    while resolution >= settings.start * 2 ** (halvings + 1):
        halvings += 1
    if traits.is_distance and traits.clamp is not None:
        while halvings and settings.tolerance * lattice.diagonal * 2**halvings >= traits.clamp:
            halvings -= 1
    return halvings


def _placed(lattice: Lattice, edges: Keys, faces: Keys, surface: Surface, names: tuple[str, ...]) -> Mesh:
    """Vertices and attributes by linear interpolation along the crossed edges."""
    low, axis = np.divmod(edges, 3)
    a = surface.nodes.rows(low).astype(np.float64)
    b = surface.nodes.rows(low + lattice.strides[axis]).astype(np.float64)
    t = a[:, 0] / (a[:, 0] - b[:, 0])
    place = lattice.indices(low).T.astype(np.float64)
    place[np.arange(len(place)), axis] += t
    vertices = (place * lattice.spacing + np.asarray(lattice.low)).astype(np.float32)
    columns = (a + t[:, None] * (b - a)).astype(np.float32)
    return Mesh(vertices, faces, {name: columns[:, 1 + i] for i, name in enumerate(names)})


def _with_attributes(mesh: Mesh, field: Field, settings: ExtractionSettings) -> Mesh:
    interpolated = settings.attributes_at == "nodes" and isinstance(field, JointField)
    if mesh.is_empty or (interpolated and settings.method != "dense-pymcubes"):
        return mesh
    named: Mapping[str, Floats] = field.attributes(mesh.vertices)
    return replace(mesh, attributes=dict(named))


def _why_empty(sampler: Sampler, resolution: int) -> str:
    traits = sampler.field.traits
    return (
        f"no surface: the field's values run from {sampler.lowest:.4g} to {sampler.highest:.4g} and never cross the "
        f"level {traits.level:g} at resolution {resolution} in the box {traits.box.low} to {traits.box.high}"
    )


def _where_cut(lattice: Lattice, edges: Keys) -> str | None:
    """One line about the sides of the box that the surface leaves through."""
    low, along = np.divmod(edges, 3)
    indices = lattice.indices(low)
    sides, cut = [], 0
    for axis in range(3):
        for name, end in (("-", 0), ("+", lattice.cells[axis])):
            count = int(np.sum((along != axis) & (indices[axis] == end)))
            if count:
                sides.append(f"{name}{AXES[axis]}")
                cut += count
    if not sides:
        return None
    share = 100.0 * cut / len(edges)
    return (
        f"the box cuts the surface at its {', '.join(sides)} side ({share:.2g} % of the vertices lie there); "
        "the mesh is open: --close-at-box would cap it"
    )


def _check(resolution: int, settings: ExtractionSettings) -> None:
    if resolution < 2:
        raise UsageError(f"resolution must be at least 2; got {resolution}")
    if settings.method not in METHODS:
        raise unknown_name("extraction method", settings.method, METHODS)
    if settings.pruning_precision not in PRECISIONS:
        raise unknown_name("pruning precision", settings.pruning_precision, PRECISIONS)
    if settings.start < 2 or settings.tolerance <= 0.0:
        raise UsageError(
            f"start must be at least 2 and tolerance positive; got start {settings.start}, tolerance "
            f"{settings.tolerance} (0.6 lost no cell of exact and of learned distance fields)"
        )
