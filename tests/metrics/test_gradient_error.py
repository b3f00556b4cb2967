"""Gradient error of fields whose error is known by formula."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import trimesh

from shapesys.errors import UsageError
from shapesys.fields.analytic import Occupancy, Sphere
from shapesys.geometry.mesh import Floats, Mesh
from shapesys.metrics.gradient import gradient_errors, points_and_directions
from shapesys.metrics.gradient_settings import GradientSettings
from shapesys.metrics.names import better_direction

RADIUS = 0.6
MEAN_MANHATTAN = 1.5
"""Mean of |n|_1 over directions n that are uniform on the sphere: three times the mean of |cos|, a half."""


@pytest.fixture(scope="module")
def ball() -> Mesh:
    shape = trimesh.creation.icosphere(subdivisions=6, radius=RADIUS)
    return Mesh(np.asarray(shape.vertices, np.float32), np.asarray(shape.faces))


@pytest.fixture(scope="module")
def sheet() -> Mesh:
    """The plane z = 0, far beyond the points that are asked for: an open surface has directions too."""
    corners = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float32)
    return Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]]))


@dataclass(frozen=True)
class Scaled(Sphere):
    """The distance to a ball, times a factor."""

    factor: float = 1.0

    def values(self, points: Floats, precision: str = "float32") -> Floats:
        return np.float32(self.factor) * super().values(points, precision)


@dataclass(frozen=True)
class Linear(Sphere):
    """A field with one gradient everywhere."""

    gradient: tuple[float, float, float] = (0.0, 0.0, 1.0)

    def values(self, points: Floats, precision: str = "float32") -> Floats:
        return points.astype(np.float64) @ np.array(self.gradient)


def errors(field: Sphere | Occupancy, truth: Mesh, **changes: object) -> dict[str, float]:
    records = gradient_errors(field, truth, GradientSettings(**changes))  # type: ignore[arg-type]
    return {record.name.removeprefix("gradient_error/"): record.value for record in records}


def test_the_true_distance_has_none(ball: Mesh) -> None:
    found = errors(Sphere(RADIUS), ball)
    assert found["sald"] < 0.01
    assert found["angle"] < 0.4, "the facets of the mesh are that far from the sphere"


@pytest.mark.parametrize("factor", [-1.0, 2.0, -2.0, 0.5, 1.3])
def test_a_scaled_distance_errs_by_its_scale_alone(ball: Mesh, factor: float) -> None:
    found = errors(Scaled(RADIUS, factor=factor), ball)
    assert found["sald"] == pytest.approx(MEAN_MANHATTAN * abs(abs(factor) - 1), abs=0.02)
    assert found["angle"] == pytest.approx(errors(Sphere(RADIUS), ball)["angle"], abs=0.02)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("degrees", [10.0, 75.0, 120.0])
def test_a_tilted_field_errs_by_its_angle(sheet: Mesh, sign: float, degrees: float) -> None:
    angle = math.radians(degrees)
    tilted = Linear(gradient=(sign * math.sin(angle), 0.0, sign * math.cos(angle)))
    found = errors(tilted, sheet, points=500, std=0.02)
    assert found["angle"] == pytest.approx(min(degrees, 180 - degrees), abs=1.0), "a few points lie beyond the rim"
    assert found["sald"] == pytest.approx(abs(math.sin(angle)) + 1 - abs(math.cos(angle)), abs=0.02)


def test_a_sheared_field_errs_by_the_slope_of_the_shear(sheet: Mesh) -> None:
    # z + s x: along z as the truth, and s along x.
    found = errors(Linear(gradient=(0.4, 0.0, 1.0)), sheet, points=500, std=0.02)
    assert found["sald"] == pytest.approx(0.4, abs=0.01)
    assert found["angle"] == pytest.approx(math.degrees(math.atan(0.4)), abs=0.5)


def test_a_field_that_is_flat_points_nowhere(ball: Mesh) -> None:
    found = errors(Scaled(RADIUS, factor=0.0), ball)
    assert found["angle"] == 90.0
    assert found["sald"] == pytest.approx(MEAN_MANHATTAN, abs=0.02)


def test_directions_of_occupancies_can_be_told(ball: Mesh) -> None:
    wide = Occupancy(Sphere(RADIUS), width=0.1)
    assert errors(wide, ball, conventions=("angle",))["angle"] < 0.6
    assert errors(wide, ball, conventions=("angle",)).keys() == {"angle"}


def test_points_lie_about_the_surface_and_none_within_a_step(ball: Mesh) -> None:
    settings = GradientSettings(points=4000, std=0.05, step=0.02)
    points, directions = points_and_directions(ball, settings)
    heights = np.linalg.norm(points, axis=1) - RADIUS
    assert np.abs(heights).min() > 0.019
    # A normal distribution has this share beyond 0.4 standard deviations.
    assert len(points) / 4000 == pytest.approx(2 * 0.3446, abs=0.03)
    outward = points / np.linalg.norm(points, axis=1, keepdims=True)
    cosines = (outward * directions).sum(axis=1)
    assert (np.sign(cosines) == np.sign(heights)).all(), "away from the surface, on both of its sides"
    assert np.abs(cosines).min() > 0.99


def test_the_seed_repeats_and_matters(ball: Mesh) -> None:
    first, again, other = (errors(Scaled(RADIUS, factor=2.0), ball, points=100, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first["sald"] != other["sald"]


def test_records_say_how_it_was_measured(ball: Mesh) -> None:
    [sald, angle] = gradient_errors(Sphere(RADIUS), ball, GradientSettings(points=50, seed=7))
    assert (sald.count_predicted, sald.seed, sald.floor) == (50, 7, None)
    assert sald.definition["error"] == "min(|g - n|_1, |g + n|_1)"
    assert (angle.definition["std"], angle.definition["step"]) == (0.05, 1e-3)
    assert better_direction(angle.name) == -1


def test_nothing_asked_for_is_nothing_done(ball: Mesh) -> None:
    assert gradient_errors(Sphere(), ball, GradientSettings(points=0)) == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"step": 0.1}, "at most the standard deviation"), ({"step": 0.0}, "must be positive"),
     ({"conventions": ("sadl",)}, "did you mean sald")],
)  # fmt: skip
def test_misuse_is_named(changes: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        GradientSettings(**changes)  # type: ignore[arg-type]
