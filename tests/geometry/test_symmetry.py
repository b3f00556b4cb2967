"""Mirror planes of shapes that have one, several and none."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from shapesys.geometry.fps import farthest_points
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.normalise import unit_sphere
from shapesys.geometry.plane import Plane
from shapesys.geometry.surface import sample_surface
from shapesys.geometry.symmetry import FoundPlane, find_mirror_plane
from shapesys.sources.procedural import CATEGORIES, SYMMETRY_PLANE, generate
from shapesys.sources.registry import build_source

POINTS = 320
TURN = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]


def cloud_of(mesh: Mesh) -> np.ndarray:
    points = sample_surface(mesh, 4 * POINTS, 0).points
    return unit_sphere(mesh).apply(points[farthest_points(points, POINTS)].astype(np.float64))


@cache
def category(name: str) -> tuple[np.ndarray, ...]:
    return tuple(cloud_of(generate(name, seed)) for seed in range(4))


def turned(name: str) -> list[np.ndarray]:
    return [cloud @ TURN.T for cloud in category(name)]


def blob(seed: int) -> np.ndarray:
    """A random walk, which has no symmetry at all, in the unit sphere."""
    points = np.cumsum(np.random.default_rng(seed).normal(size=(POINTS, 3)), axis=0)
    points -= (points.min(axis=0) + points.max(axis=0)) / 2
    return points / np.linalg.norm(points, axis=1).max()


def mirrored(*axes: int) -> np.ndarray:
    """A lopsided cloud and its images in some coordinate planes, so that these are its planes, exactly."""
    points = np.random.default_rng(5).random((40, 3)) ** 2 * [0.9, 0.7, 0.5]
    for axis in axes:
        points = np.concatenate([points, points * np.where(np.arange(3) == axis, -1, 1)])
    return points


def degrees_between(found: FoundPlane, normal: np.ndarray) -> float:
    return float(np.degrees(np.arccos(min(1.0, abs(normal @ found.normal)))))


@pytest.mark.parametrize("name", CATEGORIES)
def test_built_in_categories_have_the_plane_they_say(name: str) -> None:
    found = find_mirror_plane(category(name), symmetric_within=0.15)
    assert (*found.normal, found.offset) == SYMMETRY_PLANE
    assert found.symmetric_share == 1.0
    assert found.gap == np.median(found.residuals)
    assert found.gap < 1.05 * found.runner_up_gap


@pytest.mark.parametrize("name", ["airplane", "chair", "sofa"])
def test_turned_categories_have_the_turned_plane(name: str) -> None:
    upright, found = find_mirror_plane(category(name)), find_mirror_plane(turned(name))
    assert degrees_between(found, TURN[:, 0]) < 2.5
    assert abs(found.offset) < 0.02
    assert found.gap < 1.1 * upright.gap
    assert found.runner_up_gap > 1.5 * found.gap


def test_one_of_several_turned_planes_is_found() -> None:
    found = find_mirror_plane(turned("table"))
    assert min(degrees_between(found, TURN[:, axis]) for axis in (0, 2)) < 2.5
    assert found.runner_up_gap < 1.1 * found.gap


def test_the_plane_need_not_pass_through_the_origin() -> None:
    shift = 0.1 * TURN[:, 0] + 0.2 * TURN[:, 1]
    found = find_mirror_plane([cloud + shift for cloud in turned("chair")])
    assert found.offset == pytest.approx(shift @ found.normal, abs=0.02)
    assert abs(found.offset) > 0.07


@pytest.mark.parametrize(
    ("axes", "normal"), [((0, 1, 2), (1, 0, 0)), ((1, 2), (0, 0, 1)), ((0, 1), (1, 0, 0)), ((1,), (0, 1, 0))]
)
def test_of_exact_planes_the_first_in_the_order_x_z_y_is_taken(
    axes: tuple[int, ...], normal: tuple[float, float, float]
) -> None:
    found = find_mirror_plane([mirrored(*axes)])
    assert found.plane == Plane(normal)
    assert (found.gap, found.residuals, found.symmetric_share) == (0.0, (0.0,), 1.0)


def test_shapes_without_a_plane_are_told_by_their_share() -> None:
    found = find_mirror_plane([blob(seed) for seed in range(5)])
    assert found.symmetric_share == 0.0
    assert found.gap > 0.05
    assert np.linalg.norm(found.normal) == pytest.approx(1.0)


def test_shapes_that_are_not_symmetric_are_outvoted() -> None:
    shapes = [blob(0), *category("chair"), blob(1), blob(2)]
    found = find_mirror_plane(shapes, symmetric_within=0.15)
    assert found.plane == Plane((1.0, 0.0, 0.0))
    assert found.symmetric_share == pytest.approx(4 / 7)
    assert np.flatnonzero(np.greater(found.residuals, 2 * found.gap)).tolist() == [0, 5, 6]


def test_the_threshold_is_strict_and_the_answer_repeats() -> None:
    (shape, *_) = category("lamp")
    found = find_mirror_plane([shape])
    distances = np.linalg.norm(found.plane.mirror(shape)[:, None] - shape[None], axis=2).min(axis=1)
    assert found.gap == pytest.approx(distances.mean())
    assert find_mirror_plane([shape], distances.max() * (1 + 1e-9)).symmetric_share == 1.0
    assert find_mirror_plane([shape], distances.max() * (1 - 1e-9)).symmetric_share == 0.0
    assert find_mirror_plane([shape]) == found


@pytest.mark.parametrize("points", [np.zeros((1, 3)), np.full((5, 3), 0.3), np.eye(3)[:1] * np.arange(9)[:, None]])
def test_points_and_lines_have_an_answer(points: np.ndarray) -> None:
    found = find_mirror_plane([points])
    assert np.isfinite([*found.normal, found.offset, found.gap, found.runner_up_gap]).all()


def test_real_furniture_is_symmetric_in_x(shared_data: Path) -> None:
    source = build_source("ikea_manual", {"root": str(shared_data / "ikea_manual")})
    for name in ("chair", "table"):
        shapes = [shape for shape in source.shapes() if shape.category == name][:9]
        found = find_mirror_plane([cloud_of(source.load(shape)) for shape in shapes], symmetric_within=0.15)
        assert found.plane == Plane((1.0, 0.0, 0.0))
        # Some of the chairs face aside.
        assert found.symmetric_share >= {"chair": 0.5, "table": 1.0}[name]


def test_misuse_is_named() -> None:
    with pytest.raises(ValueError, match="no clouds"):
        find_mirror_plane([])
    with pytest.raises(ValueError, match=r"cloud 1 has shape \(0, 3\)"):
        find_mirror_plane([blob(0), np.zeros((0, 3))])
    with pytest.raises(ValueError, match="cloud 0 holds 1 points that are not finite"):
        find_mirror_plane([np.array([[0, 0, np.nan], [0, 0, 1]])])
    with pytest.raises(ValueError, match="symmetric_within is 0"):
        find_mirror_plane([blob(0)], 0.0)
