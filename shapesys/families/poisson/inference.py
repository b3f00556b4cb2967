"""From an unseen cloud to its surface.

Legend: M points of the cloud, V vertices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from shapesys.errors import MissingExtra, ShapesysError
from shapesys.families.base import FieldPrediction, Observation
from shapesys.families.poisson import library
from shapesys.families.poisson.config import PoissonConfig, PoissonInference
from shapesys.families.poisson.library import Solution
from shapesys.families.poisson.method import PoissonMethod
from shapesys.fields.cut import split_by_attribute
from shapesys.fields.mesh_field import MeshField
from shapesys.geometry.mesh import Floats, Mesh
from shapesys.samples.seeds import stable_hash

LEAST_POINTS = 10
"""Fewer say nothing of a surface; a single one ends the process in the library."""
_DIRECTIONS = 128
_DENSITY = "density"


def columns(config: PoissonConfig) -> tuple[str, ...]:
    """Columns of the view `cloud` beside its points."""
    return ("normals",) if config.normals == "given" else ()


def observe_cloud(
    points: np.ndarray, normals: np.ndarray, config: PoissonInference, seed: int
) -> Mapping[str, np.ndarray]:
    """The ``cloud`` columns of a cloud: points (M, 3) in its normalised frame, normals (M, 3)."""
    return {"points": np.asarray(points, np.float32), "normals": np.asarray(normals, np.float32)}


def observe_points(points: np.ndarray, config: PoissonInference, seed: int) -> Mapping[str, np.ndarray]:
    """The same of points alone."""
    return {"points": np.asarray(points, np.float32)}


def infer(
    method: PoissonMethod, observations: Sequence[Observation], config: PoissonInference, seed: int
) -> list[FieldPrediction]:
    """The surface of each cloud, as a field that knows it.

    Raises:
        MissingExtra: Open3D is not installed.
        ShapesysError: a cloud with too few points, without the normals that are to be given, or one that the library
            gave up; names the shape.
    """
    return [_infer(method.config, item, config, seed) for item in observations]


def _infer(model: PoissonConfig, seen: Observation, config: PoissonInference, seed: int) -> FieldPrediction:
    try:
        solution, points = _solve(model, seen, config.points, seed)
    except MissingExtra:
        raise
    except ShapesysError as error:
        raise ShapesysError(f"'{seen.shape_id}': {error}") from error
    return FieldPrediction(seen.shape_id, MeshField(trimmed(solution, config.trim)), {"points": float(points)})


def _solve(model: PoissonConfig, seen: Observation, count: int | None, seed: int) -> tuple[Solution, int]:
    """The surface, and the number of points that it was made of."""
    chosen = some_of(len(seen.columns["points"]), count, stable_hash(f"{seed}/{seen.shape_id}"))
    points = seen.columns["points"][chosen]
    check_points(points, model)
    if model.normals == "given":
        return library.screened_poisson(points, given_normals(seen)[chosen], model), len(points)
    normals = library.estimated_normals(points, model.neighbours, model.orientation_neighbours)
    return library.screened_poisson(points, turned_outward(points, normals), model), len(points)


def some_of(available: int, count: int | None, seed: int) -> np.ndarray:
    """(at most count,) rows at random, ascending; all without a count."""
    if count is None or count >= available:
        return np.arange(available)
    return np.sort(np.random.default_rng(seed).choice(available, count, replace=False))


def check_points(points: Floats, model: PoissonConfig) -> None:
    """Refuse clouds (M, 3) that no surface can be made of.

    Raises:
        ShapesysError: too few points, or all of them at one place.
    """
    least = LEAST_POINTS
    if model.normals == "estimated":
        least = max(least, 1 + max(model.neighbours, model.orientation_neighbours))
    if len(points) < least:
        raise ShapesysError(
            f"{len(points)} points are too few for Poisson reconstruction, which takes {least} or more with normals = "
            f"{model.normals}; give more points, or lower what it asks of neighbours"
        )
    if not np.ptp(points, axis=0).any():
        raise ShapesysError(f"all {len(points)} points are at one place, {np.round(points[0], 4).tolist()}")


def given_normals(seen: Observation) -> Floats:
    """(M, 3) of the cloud.

    Raises:
        ShapesysError: it has none.
    """
    points, normals = seen.columns["points"], seen.columns["normals"]
    if len(normals) != len(points):
        raise ShapesysError(
            "the cloud has no normals, as where the sign of a mesh cannot be trusted; estimate them with "
            "--model.normals estimated (--preset estimated)"
        )
    return normals


def turned_outward(points: Floats, normals: Floats) -> Floats:
    """Estimated normals (M, 3), all of them turned where those of the outermost points (M, 3) look inward on average.

    Neighbours agree on a side, and do not know which it is. What is outermost in some direction does: it looks there.
    """
    directions = np.random.default_rng(0).standard_normal((_DIRECTIONS, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    outermost = (np.asarray(points, np.float64) @ directions.T).argmax(axis=0)
    return normals if np.einsum("dc,dc->", normals[outermost], directions) >= 0.0 else -normals


def trimmed(solution: Solution, share: float) -> Mesh:
    """The surface without the share of its vertices that has the least density, cut along the line of that density."""
    if not share or solution.mesh.is_empty:
        return solution.mesh
    valued = replace(solution.mesh, attributes={_DENSITY: solution.density})
    dense, _ = split_by_attribute(valued, _DENSITY, float(np.quantile(solution.density, share)))
    return replace(dense, attributes={})
