"""A virtual scanner: the point cloud that scanners around a shape would bring home, with the faults of real ones.

The same mesh, settings and seed give the same cloud. Scans of one seed that differ in nothing but the size of the noise
measure the same points in the same order, each displaced the more, so that what noise does can be told from chance.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.spatial import cKDTree

from shapesys.geometry.cloud import Cloud
from shapesys.geometry.mesh import Floats, Ints, Mesh
from shapesys.geometry.normalise import Normalisation, unit_sphere
from shapesys.geometry.scanner_settings import ScannerSettings
from shapesys.geometry.scanner_sight import Sight, Sighting, standpoints
from shapesys.geometry.topology import Flags
from shapesys.geometry.validation import check

SCANNER_VERSION = 1
"""Goes up when the same settings and seed give another cloud, so that stores know to prepare them again."""


def scan_mesh(mesh: Mesh, settings: ScannerSettings, seed: int) -> Cloud:
    """A scan of a mesh, open or closed and however its faces are oriented: `settings.points` points in random order.

    Returns:
        (n, 3) float32 points in the mesh's frame and unit, and where `settings.normals`, unit normals on the side of
        the scanner. Normals stay those of the surface where noise moves a point; those of outliers are arbitrary.

    Raises:
        ShapeRejected: the mesh is unusable, or hardly any of it is seen.
    """
    check(mesh)
    frame = unit_sphere(mesh, margin=1.0)
    shape = mesh.with_vertices(frame.apply(mesh.vertices.astype(np.float64)))
    # One stream for each fault, so that none depends on how much another one draws.
    stand, hit, pierce, shift, stray, repeat = np.random.default_rng(seed).spawn(6)
    places = _places(settings, stand)
    sight = Sight(shape, places, settings.falloff)
    keep = _outside_of_holes(sight, settings, pierce) if settings.holes else None
    seen = sight.measure(settings.measured, hit, keep)
    points, normals = _displaced(seen, settings, shift), seen.normals
    if settings.strays:
        wrong, their_normals = _strays(shape, places, settings, stray)
        points, normals = np.concatenate([points, wrong]), np.concatenate([normals, their_normals])
    rows = _mixed_with_repeats(len(points), settings.repeats, repeat)
    return _cloud(points[rows], normals[rows] if settings.normals else None, frame)


def scanner_positions(mesh: Mesh, settings: ScannerSettings, seed: int) -> Floats:
    """(positions, 3) float64 places that `scan_mesh` measures from, in the mesh's frame."""
    return unit_sphere(mesh, margin=1.0).undo(_places(settings, np.random.default_rng(seed).spawn(1)[0]))


def _places(settings: ScannerSettings, rng: np.random.Generator) -> Floats:
    return standpoints(settings.positions, settings.distance, settings.lowest, settings.highest, rng)


def _outside_of_holes(sight: Sight, settings: ScannerSettings, rng: np.random.Generator) -> Callable[[Floats], Flags]:
    """Which points (n, 3) lie in no hole. Holes are balls about points that are seen: discs, where it is flat."""
    centres = cKDTree(sight.measure(settings.holes, rng).points)

    def keep(points: Floats) -> Flags:
        return np.asarray(centres.query(points)[0] > settings.hole_radius)

    return keep


def _displaced(seen: Sighting, settings: ScannerSettings, rng: np.random.Generator) -> Floats:
    """(n, 3) the points as measured: too near or too far, and off to any side."""
    along, aside = rng.normal(size=(len(seen), 1)), rng.normal(size=(len(seen), 3))
    return seen.points + settings.range_std * along * seen.rays + settings.isotropic_std * aside


def _strays(shape: Mesh, places: Floats, settings: ScannerSettings, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Points anywhere in the padded box, with random normals that face one of the places, (n, 3) each."""
    low, high = shape.bounds
    margin = settings.padding * float((high - low).max())
    points = rng.uniform(low - margin, high + margin, (settings.strays, 3))
    normals = rng.normal(size=points.shape)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    towards = places[rng.integers(len(places), size=len(points))] - points
    return points, np.where(np.einsum("ij,ij->i", normals, towards)[:, None] < 0, -normals, normals)


def _mixed_with_repeats(count: int, repeats: int, rng: np.random.Generator) -> Ints:
    """(count + repeats,) rows in random order: each of `count` once, and some again."""
    return rng.permutation(np.concatenate([np.arange(count), rng.integers(count, size=repeats)]))


def _cloud(points: Floats, normals: Floats | None, frame: Normalisation) -> Cloud:
    return Cloud(frame.undo(points).astype(np.float32), None if normals is None else normals.astype(np.float32))
