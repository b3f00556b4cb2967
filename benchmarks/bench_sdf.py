"""Signed distance samples, structures built included, against the recipes people use and the best of library parts."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("IGL_NUM_THREADS", "1")

import igl
import numpy as np
import trimesh
import warp as wp

from shapesys.geometry.mesh import Floats, Mesh
from shapesys.geometry.morton import morton_order
from shapesys.geometry.query_sampling import Domain, NearSurface, QuerySampling, sample_queries
from shapesys.geometry.signed_distance import SignedMesh

SAMPLING = QuerySampling(near=(NearSurface(0.05, 0.45), NearSurface(0.0158, 0.45)), domain=Domain.CUBE)
TRIMESH_POINTS = 1000

Recipe = Callable[[Mesh, Floats], Floats]


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Median CPU seconds of each recipe for one mesh's queries, interleaved in one process, on one thread."""
    count, repeats = (250_000, 3) if quick else (500_000, 3)
    return [_row(name, mesh, count, repeats) for name, mesh in (("closed organic", organic()), ("chair", chair()))]


def organic() -> Mesh:
    """A displaced icosphere of 81,920 faces."""
    ball = trimesh.creation.icosphere(subdivisions=6)
    x, y, z = ball.vertices.T
    radius = 1.0 + 0.15 * np.sin(5 * x) * np.cos(4 * y) + 0.1 * np.sin(9 * z + 3 * x) + 0.05 * np.sin(17 * y)
    return Mesh((ball.vertices * radius[:, None] / 1.4).astype(np.float32), np.asarray(ball.faces, dtype=np.int32))


def chair() -> Mesh:
    """Closed boxes and cylinders that pass through each other, about 6,000 faces."""
    boxes = [((0.9, 0.9, 0.12), (0, 0, 0)), ((0.9, 0.1, 0.9), (0, 0.4, 0.45)), ((0.05, 0.8, 0.06), (0.36, 0, -0.45))]
    parts = [_placed(trimesh.creation.box(extents=size), centre, 3) for size, centre in boxes]
    for x, y in ((-0.36, -0.36), (-0.36, 0.36), (0.36, -0.36), (0.36, 0.36)):
        parts.append(_placed(trimesh.creation.cylinder(radius=0.06, height=0.8, sections=60), (x, y, -0.38), 1))
    whole = trimesh.util.concatenate(parts)
    return Mesh(whole.vertices.astype(np.float32), np.asarray(whole.faces, dtype=np.int32))


def _placed(part: trimesh.Trimesh, centre: tuple[float, float, float], subdivisions: int) -> trimesh.Trimesh:
    for _ in range(subdivisions):
        part = part.subdivide()
    part.apply_translation(centre)
    return part


def ours(mesh: Mesh, points: Floats) -> Floats:
    return SignedMesh(mesh).distance(points).distance


def igl_fast_winding(mesh: Mesh, points: Floats) -> Floats:
    """One call of libigl, as papers' repositories do it."""
    kind = igl.SIGNED_DISTANCE_TYPE_FAST_WINDING_NUMBER
    vertices, faces = mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64)
    return np.asarray(igl.signed_distance(points.astype(np.float64), vertices, faces, sign_type=kind)[0])


def igl_parts_sorted(mesh: Mesh, points: Floats) -> Floats:
    """libigl's two trees, Morton order, accuracy 1."""
    vertices, faces = mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64)
    order = morton_order(points)
    queries = points[order].astype(np.float64)
    boxes, winding = igl.AABB(), igl.FastWindingNumberBVH()
    boxes.init(vertices, faces)
    winding.init(vertices, faces)
    squared, _, _ = boxes.squared_distance(vertices, faces, queries)
    inside = np.abs(winding.winding_number(queries, accuracy_scale=1.0)) > 0.5
    return _unsorted(np.where(inside, -1, 1) * np.sqrt(squared), order)


@wp.kernel(enable_backward=False)
def _warp_winding(mesh: wp.uint64, points: wp.array(dtype=wp.vec3), distances: wp.array(dtype=float)):  # type: ignore
    i = wp.tid()
    query = wp.mesh_query_point_sign_winding_number(mesh, points[i], 1.0e6, 1.0, 0.5)
    closest = wp.mesh_eval_position(mesh, query.face, query.u, query.v)
    distances[i] = query.sign * wp.length(closest - points[i])


def warp_winding_sorted(mesh: Mesh, points: Floats) -> Floats:
    """warp's own signed query at accuracy 1, Morton order: the strongest composition of library parts."""
    corners = wp.array(mesh.vertices, dtype=wp.vec3, device="cpu")
    faces = wp.array(mesh.faces.ravel(), dtype=wp.int32, device="cpu")
    tree = wp.Mesh(corners, faces, support_winding_number=True)
    order = morton_order(points)
    distances = wp.empty(len(points), dtype=float, device="cpu")
    queries = wp.array(points[order], dtype=wp.vec3, device="cpu")
    wp.launch(_warp_winding, len(points), [tree.id, queries, distances], device="cpu")
    return _unsorted(distances.numpy(), order)


def trimesh_signed(mesh: Mesh, points: Floats) -> Floats:
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    return -trimesh.proximity.signed_distance(solid, points)


def _unsorted(values: Floats, order: np.ndarray) -> Floats:
    restored = np.empty_like(values)
    restored[order] = values
    return restored


PEERS: dict[str, Recipe] = {
    "warp winding number, sorted": warp_winding_sorted,
    "libigl trees, sorted": igl_parts_sorted,
    "libigl signed_distance": igl_fast_winding,
}


def _row(name: str, mesh: Mesh, count: int, repeats: int) -> dict[str, Any]:
    sampling = QuerySampling(count, SAMPLING.near, SAMPLING.domain)
    points = sample_queries(mesh, sampling, seed=0)
    recipes = {"ours": ours, **PEERS}
    answers = {key: recipe(mesh, points) for key, recipe in recipes.items()}
    seconds: dict[str, list[float]] = {key: [] for key in recipes}
    for _ in range(repeats):
        for key, recipe in recipes.items():
            seconds[key].append(_timed(recipe, mesh, points))
    medians = {key: float(np.median(times)) for key, times in seconds.items()}
    # trimesh's proximity queries need rtree, which the project itself does not.
    if find_spec("rtree"):
        scale = count / TRIMESH_POINTS
        medians["trimesh signed_distance, scaled"] = scale * _timed(trimesh_signed, mesh, points[:TRIMESH_POINTS])
    own = medians.pop("ours")
    return {
        "name": f"signed distance, {name}",
        "ours_s": own,
        "peers": medians,
        "unit": f"CPU s per {count} queries",
        "note": f"{len(mesh.faces)} faces, build included; {count / own / 1e3:.0f}k samples/s; {_quality(answers)}; "
        f"{_signs_after_flips(mesh, points, answers['ours'])}",
    }


def _timed(recipe: Recipe, mesh: Mesh, points: Floats) -> float:
    """CPU seconds of this process: all recipes run on one thread, and other processes do not count."""
    start = time.process_time()
    recipe(mesh, points)
    return time.process_time() - start


def _quality(answers: dict[str, Floats]) -> str:
    """Ours against libigl: float64 distances, and signs at its default accuracy.

    Raises:
        RuntimeError: they differ, so that the times would not be comparable.
    """
    exact, side, found = answers["libigl trees, sorted"], answers["libigl signed_distance"], answers["ours"]
    error = float(np.abs(np.abs(exact) - np.abs(found)).max())
    wrong = float(((side < 0) != (found < 0)).mean())
    if error > 5e-6 or wrong > 1e-4:
        raise RuntimeError(f"distances differ by {error:.1e} and signs in {wrong:.2%} from the reference")
    return f"max error {error:.0e}"


def _signs_after_flips(mesh: Mesh, points: Floats, truth: Floats) -> str:
    """Share of wrong signs once 30 % of the faces are wound the other way: ours, and the fastest peer."""
    rng = np.random.default_rng(0)
    damaged = Mesh(mesh.vertices, np.where(rng.random((len(mesh.faces), 1)) < 0.3, mesh.faces[:, ::-1], mesh.faces))
    some = points[:20_000]
    wrong = [((recipe(damaged, some) < 0) != (truth[:20_000] < 0)).mean() for recipe in (ours, warp_winding_sorted)]
    return f"wrong signs with 30 % of faces flipped: {wrong[0]:.2%} against warp's {wrong[1]:.0%}"
