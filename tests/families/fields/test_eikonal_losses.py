from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from shapesys.families.fields.eikonal import displaced, uniform_in_box
from shapesys.families.fields.losses import (
    DIVERGENCE_RANGE,
    divergence_error,
    eikonal_error,
    normal_angle_error,
    normal_distance_error,
    off_surface_error,
    surface_error,
)
from shapesys.nets.dropout import shape_noise

Z = (0.0, 0.0, 1.0)


def vectors(*rows: tuple[float, float, float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_values_on_and_off_the_surface() -> None:
    field = torch.tensor([-0.01, 0.0, 0.02], dtype=torch.float64)
    torch.testing.assert_close(surface_error(field), field.abs())
    expected = torch.tensor([math.exp(-1), 1.0, math.exp(-2)], dtype=torch.float64)
    torch.testing.assert_close(off_surface_error(field), expected)
    torch.testing.assert_close(off_surface_error(field, 50.0), expected.sqrt())


def test_a_slope_of_one_is_right_and_lengths_count_alike_above_and_below() -> None:
    error = eikonal_error(vectors((0.6, 0.8, 0.0), (0.0, 0.0, 0.5), (0.0, -3.0, 4.0)))
    torch.testing.assert_close(error, torch.tensor([0.0, 0.5, 4.0], dtype=torch.float64))


def test_angles_do_not_depend_on_length_and_unoriented_ones_not_on_the_side() -> None:
    gradient = vectors((0.0, 0.0, 2.0), (0.0, 0.0, -2.0), (0.0, 3.0, 0.0), (1.0, 0.0, 1.0))
    normal = vectors(Z, Z, Z, Z)
    turned = 1.0 - math.sqrt(0.5)
    oriented = torch.tensor([0.0, 2.0, 1.0, turned], dtype=torch.float64)
    torch.testing.assert_close(normal_angle_error(gradient, normal, oriented=True), oriented)
    up_to_sign = torch.tensor([0.0, 0.0, 1.0, turned], dtype=torch.float64)
    torch.testing.assert_close(normal_angle_error(gradient, normal, oriented=False), up_to_sign)
    torch.testing.assert_close(normal_angle_error(gradient, -normal, oriented=False), up_to_sign)


def test_the_distance_to_a_normal_is_euclidean() -> None:
    error = normal_distance_error(vectors((0.0, 0.0, 1.0), (3.0, 4.0, 1.0), (0.0, 0.0, -1.0)), vectors(Z, Z, Z))
    torch.testing.assert_close(error, torch.tensor([0.0, 5.0, 2.0], dtype=torch.float64))


def test_a_normal_of_zero_is_not_known_and_costs_nothing() -> None:
    gradient, unknown = vectors((0.0, 0.0, 2.0)), vectors((0.0, 0.0, 0.0))
    for error in (normal_angle_error(gradient, unknown, oriented=True), normal_distance_error(gradient, unknown)):
        assert error.tolist() == [0.0]


def test_divergence_counts_within_its_range_and_only_where_it_is_finite() -> None:
    low, high = DIVERGENCE_RANGE
    divergence = torch.tensor([0.0, -3.0, 3.0, 80.0, -0.05, math.nan, math.inf, -math.inf], requires_grad=True)
    error = divergence_error(divergence)
    torch.testing.assert_close(error, torch.tensor([low, 3.0, 3.0, high, low, low, low, low]))
    error.sum().backward()
    assert divergence.grad is not None
    assert divergence.grad.tolist() == [0, -1, 1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("oriented", [True, False])
def test_gradients_of_exactly_zero_keep_every_loss_and_its_gradient_finite(oriented: bool) -> None:
    gradient, normal = torch.zeros(3, 3, requires_grad=True), torch.tensor([Z, Z, Z])
    errors = [
        eikonal_error(gradient),
        normal_angle_error(gradient, normal, oriented),
        normal_distance_error(gradient, normal),
        normal_distance_error(gradient, torch.zeros(3, 3)),
    ]
    torch.stack(errors).sum().backward()
    assert gradient.grad is not None
    assert bool(gradient.grad.isfinite().all())
    assert float(gradient.grad.norm(dim=1).max()) < 10.0


def test_points_off_the_surface_are_each_shapes_own() -> None:
    surface = torch.rand(3, 400, 3, dtype=torch.float64)
    seeds = torch.tensor([5, 6, 5])
    points = uniform_in_box(surface, 4000, 1.5, shape_noise(seeds, surface.device))
    assert points.shape == (3, 4000, 3)
    assert points.dtype == torch.float64
    assert 1.4 < float(points.abs().max()) <= 1.5
    assert float(points.mean().abs()) < 0.03
    assert torch.equal(points[0], points[2])
    assert not torch.equal(points[0], points[1])
    alone = uniform_in_box(surface[1:2], 4000, 1.5, shape_noise(seeds[1:2], surface.device))
    assert torch.equal(alone[0], points[1])


def test_displaced_points_are_as_far_as_they_are_told() -> None:
    surface = torch.rand(2, 5000, 3)
    std = torch.tensor([0.1, 0.4]).view(2, 1, 1).expand(-1, 5000, -1)
    seeds = torch.tensor([1, 2])
    moved = displaced(surface, std, shape_noise(seeds, surface.device)) - surface
    torch.testing.assert_close(moved.std(dim=(1, 2)), torch.tensor([0.1, 0.4]), rtol=0.03, atol=0)
    again = displaced(surface, 0.1, shape_noise(seeds, surface.device)) - surface
    torch.testing.assert_close(again[0], moved[0])
