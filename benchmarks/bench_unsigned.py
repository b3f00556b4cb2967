"""Queries by SAL's settings about a mesh and about a scan, against its released script made of library parts."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("IGL_NUM_THREADS", "1")

import igl
import numpy as np
import trimesh
from bench_sdf import organic
from interleaved import interleaved_medians
from scipy.spatial import cKDTree

from shapesys.geometry.mesh import Floats, Mesh
from shapesys.geometry.signed_distance import SignedMesh
from shapesys.samples.settings import UnsignedConfig
from shapesys.samples.shape import udf_rows
from shapesys.samples.shape_samples import Seeds
from shapesys.samples.unsigned_queries import unsigned_of_points

ROUNDS = 3
PEER = "trimesh, SciPy and libigl"

Distances = Callable[[Floats], Floats]


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Median CPU seconds of all queries of one shape, structures built included, on one thread."""
    config = UnsignedConfig(count=100_000 if quick else 500_000)
    mesh = organic()
    scan = np.asarray(trimesh.sample.sample_surface(_solid(mesh), config.count // 2, seed=0)[0], np.float32)
    about_mesh = {
        "ours": lambda: udf_rows(mesh, SignedMesh(mesh), config, Seeds.of(0, "organic/1")),
        PEER: lambda: displaced_about_mesh(mesh, config),
    }
    about_scan = {
        "ours": lambda: unsigned_of_points(scan, config, 0),
        PEER: lambda: displaced(scan, config, _to_points(scan)),
    }
    _same_distances(mesh, scan, config)
    faces, points = f"{len(mesh.faces)} faces", f"{len(scan)} points"
    return [
        _row("unsigned queries, mesh", about_mesh, config, f"{faces}; ours knows directions and normals besides"),
        _row("unsigned queries, scan", about_scan, config, f"{points}; ours knows directions besides"),
    ]


def displaced_about_mesh(mesh: Mesh, config: UnsignedConfig) -> tuple[Floats, Floats]:
    """Queries (n, 3) and their distances (n,) to triangles."""
    surface = trimesh.sample.sample_surface(_solid(mesh), config.count // 2, seed=0)[0]
    return displaced(surface, config, _to_triangles(mesh))


def displaced(surface: Floats, config: UnsignedConfig, to: Distances) -> tuple[Floats, Floats]:
    """SAL's `preprocess_dfaust.py`: surface points displaced by their k-th neighbour's distance, and by one width."""
    rng = np.random.default_rng(0)
    widths = cKDTree(surface).query(surface, config.neighbour + 1)[0][:, -1:]
    local = surface + widths * rng.standard_normal(surface.shape)
    wide = surface + config.global_std * rng.standard_normal(surface.shape)
    queries = np.concatenate([local, wide])
    return queries, to(queries)


def _to_triangles(mesh: Mesh) -> Distances:
    vertices, faces = mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64)
    return lambda queries: np.sqrt(igl.point_mesh_squared_distance(queries.astype(np.float64), vertices, faces)[0])


def _to_points(scan: Floats) -> Distances:
    return lambda queries: np.asarray(cKDTree(scan).query(queries)[0])


def _solid(mesh: Mesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


def _same_distances(mesh: Mesh, scan: Floats, config: UnsignedConfig) -> None:
    """Refuse to compare times of what differs: our queries are measured by the peer, too.

    Raises:
        RuntimeError: distances differ by more than single precision has.
    """
    few = config.override({"count": 20_000, "chunk": 20_000})
    [near_mesh] = udf_rows(mesh, SignedMesh(mesh), few, Seeds.of(0, "organic/1"))
    near_scan = unsigned_of_points(scan, few, 0)
    for found, to in ((near_mesh, _to_triangles(mesh)), (near_scan, _to_points(scan))):
        error = float(np.abs(found["distance"] - to(found["points"])).max())
        if error > 1e-5:
            raise RuntimeError(f"distances differ by {error:.1e} from the reference")


def _row(name: str, calls: dict[str, Callable[[], Any]], config: UnsignedConfig, note: str) -> dict[str, Any]:
    medians = interleaved_medians(calls, ROUNDS, time.process_time)
    own = medians.pop("ours")
    return {
        "name": name,
        "ours_s": own,
        "peers": medians,
        "unit": f"CPU s per {config.count} queries",
        "note": f"{note}; {config.neighbour}th neighbour",
    }
