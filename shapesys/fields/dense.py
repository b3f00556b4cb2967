"""Dense evaluation: every node of the lattice. The reference that coarse-to-fine extraction is held against."""

from __future__ import annotations

import numpy as np

from shapesys.errors import missing_extra
from shapesys.fields import memory
from shapesys.fields.coarse_to_fine import Level, Surface, crossed
from shapesys.fields.lattice import Lattice, NodeValues
from shapesys.fields.sampler import Sampler
from shapesys.geometry.mesh import Floats, Mesh

POINTS_AT_ONCE = 1 << 18


def surface_of_all_cells(sampler: Sampler, lattice: Lattice, memory_limit_gib: float | None) -> Surface:
    """Crossed cells of the whole lattice, evaluated slab by slab: memory grows with the surface and one slab."""
    plane = lattice.nodes[1] * lattice.nodes[2]
    thickness = max(1, POINTS_AT_ONCE // plane)
    slab_bytes = (thickness + 1) * plane * 200
    memory.require(slab_bytes, memory_limit_gib, f"a slab of the dense lattice {lattice.nodes}")
    first = sampler.columns(lattice, np.arange(plane))
    cells, inside, keys, columns = [], [], [], []
    for start in range(0, lattice.cells[0], thickness):
        stop = min(start + thickness, lattice.cells[0])
        slab_keys = np.arange(start * plane, (stop + 1) * plane)
        slab = NodeValues(slab_keys, np.concatenate([first, sampler.columns(lattice, slab_keys[plane:])]))
        first = slab.columns[-plane:]
        in_slab = lattice.keys(np.indices((stop - start, *lattice.cells[1:])).reshape(3, -1)) + start * plane
        signs = slab.columns[:, 0] < 0
        corner_signs = signs[lattice.corners(in_slab) - slab_keys[0]]
        mixed = crossed(corner_signs)
        cells.append(in_slab[mixed])
        inside.append(corner_signs[mixed])
        keys.append(lattice.distinct_corners(in_slab[mixed]))
        columns.append(slab.rows(keys[-1]))
    distinct, place = np.unique(np.concatenate(keys), return_index=True)
    nodes = NodeValues(distinct, np.concatenate(columns)[place])
    level = Level(max(lattice.cells), int(np.prod(lattice.cells)), lattice.node_count, "float32")
    return Surface(np.concatenate(cells), np.concatenate(inside), nodes, (level,))


def pymcubes_mesh(sampler: Sampler, lattice: Lattice, memory_limit_gib: float | None) -> tuple[Mesh, Level]:
    """The dense volume through PyMCubes, for users who want that library's triangles.

    Raises:
        ShapesysError: PyMCubes is not installed, or the volume does not fit in memory.
    """
    try:
        import mcubes
    except ImportError as error:
        raise missing_extra("pymcubes", "dense", "extraction method 'dense-pymcubes'") from error
    memory.require(lattice.node_count * 16, memory_limit_gib, f"the dense lattice {lattice.nodes}")
    volume = np.empty(lattice.node_count, dtype=np.float32)
    for start in range(0, len(volume), POINTS_AT_ONCE):
        keys = np.arange(start, min(start + POINTS_AT_ONCE, len(volume)))
        volume[keys] = sampler.columns(lattice, keys)[:, 0]
    vertices, faces = mcubes.marching_cubes(volume.reshape(lattice.nodes), 0.0)
    placed: Floats = (vertices * lattice.spacing + np.asarray(lattice.low)).astype(np.float32)
    level = Level(max(lattice.cells), int(np.prod(lattice.cells)), lattice.node_count, "float32")
    return Mesh(placed, faces[:, ::-1].astype(np.int64)), level  # it takes high values for inside
