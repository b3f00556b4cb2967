"""Central differences against gradients that are known."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from shapesys.fields.analytic import Sphere
from shapesys.fields.gradient import central_differences
from shapesys.geometry.mesh import Floats

POINTS = np.random.default_rng(0).uniform(-0.9, 0.9, (200, 3)).astype(np.float32)


@dataclass(frozen=True)
class Counting(Sphere):
    """A sphere that notes the number of queries of every call."""

    calls: list[int] = field(default_factory=list, kw_only=True)

    def values(self, points: Floats, precision: str = "float32") -> Floats:
        assert points.dtype == np.float32
        self.calls.append(len(points))
        return super().values(points, precision)


class Quadratic(Sphere):
    """x^2 + 2 x y - 3 z, of which central differences are exact."""

    def values(self, points: Floats, precision: str = "float32") -> Floats:
        x, y, z = points.astype(np.float64).T
        return x**2 + 2 * x * y - 3 * z


def test_of_a_sphere_they_point_away_from_its_centre() -> None:
    sphere = Sphere(0.5, (0.1, -0.2, 0.3))
    away = POINTS - np.array(sphere.centre)
    radii = np.linalg.norm(away, axis=1, keepdims=True)
    far = radii[:, 0] > 0.1
    found = central_differences(sphere, POINTS, 1e-3)
    assert found[far] == pytest.approx((away / radii)[far], abs=5e-4)


@pytest.mark.parametrize("step", [1e-3, 0.1])
def test_of_a_quadratic_they_are_exact_at_any_step(step: float) -> None:
    x, y, _ = POINTS.T.astype(np.float64)
    expected = np.stack([2 * x + 2 * y, 2 * x, np.full(len(x), -3.0)], axis=1)
    # Rounding of the queries to float32 is taken into account; only that of the midpoint remains.
    assert central_differences(Quadratic(), POINTS, step) == pytest.approx(expected, abs=5e-7)


def test_all_queries_go_in_one_call() -> None:
    counting = Counting(0.5)
    assert central_differences(counting, POINTS, 1e-2).shape == (200, 3)
    assert counting.calls == [1200]
    assert central_differences(counting, POINTS[:0], 1e-2).shape == (0, 3)


def test_a_step_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="step is 0"):
        central_differences(Sphere(), POINTS, 0.0)
