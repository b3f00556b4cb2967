"""Curves of straight segments: distance, its gradient, area, and queries."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from skimage.measure import points_in_poly

from shapesys.laboratory.curve import BOOT, Curve, Queries

SQUARE = Curve.through([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)], closed=True)


@pytest.mark.parametrize(
    ("point", "distance", "direction"),
    [
        ((0.5, 0.25), 0.25, (0.0, 1.0)),
        ((2.0, 0.5), 1.0, (1.0, 0.0)),
        ((-3.0, -4.0), 5.0, (-0.6, -0.8)),
        ((1.0, 0.3), 0.0, (0.0, 0.0)),
    ],
)
def test_distance_to_a_square(point: tuple[float, float], distance: float, direction: tuple[float, float]) -> None:
    found, gradient = SQUARE.distance(torch.tensor([point]))
    torch.testing.assert_close(found, torch.tensor([distance]))
    torch.testing.assert_close(gradient, torch.tensor([direction]))


def test_an_open_path_is_not_closed() -> None:
    path = Curve.through([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)], closed=False)
    assert len(path.lengths) == 2
    torch.testing.assert_close(path.distance(torch.tensor([[0.0, 1.0]]))[0], torch.tensor([1.0]))


def test_distance_and_gradient_agree_with_many_points_of_the_curve() -> None:
    generator = torch.Generator().manual_seed(0)
    points = 2.0 * torch.rand(500, 2, generator=generator) - 1.0
    tree = cKDTree(BOOT.drawn(200_000, generator).numpy())
    nearest, _ = tree.query(points.numpy())
    distance, gradient = BOOT.distance(points)
    np.testing.assert_allclose(distance.numpy(), nearest, atol=1e-3)
    ahead, _ = BOOT.distance(points + 1e-3 * gradient)
    behind, _ = BOOT.distance(points - 1e-3 * gradient)
    slope = (ahead - behind) / 2e-3
    # On the medial axis there is no gradient; few points lie that near to it.
    assert (slope - 1.0).abs().median() < 1e-3
    assert ((slope - 1.0).abs() < 0.01).float().mean() > 0.98
    torch.testing.assert_close(gradient.norm(dim=-1), torch.ones(500))


def test_the_area_of_the_boot() -> None:
    assert SQUARE.area() == pytest.approx(1.0)
    points = np.random.default_rng(0).uniform(-1, 1, (100_000, 2))
    assert BOOT.area() == pytest.approx(4 * points_in_poly(points, BOOT.starts.numpy()).mean(), rel=0.02)


def test_queries_are_near_the_curve_or_anywhere_and_mixed() -> None:
    held = Queries(4000, near=0.75, deviation=0.02).of(BOOT, (3, 4))
    assert held.points.shape == (2, 4000, 2)
    torch.testing.assert_close(held.values, BOOT.distance(held.points)[0])
    for half in (held.values[:, :2000], held.values[:, 2000:]):
        assert 0.72 < (half < 0.06).float().mean() < 0.85
    again = Queries(4000, near=0.75, deviation=0.02).of(BOOT, (4,))
    assert torch.equal(again.points[0], held.points[1])
    assert not torch.equal(held.points[0], held.points[1])
    everywhere = Queries(4000, near=0.0).of(BOOT, (0,)).points[0]
    np.testing.assert_allclose(everywhere.abs().mean(dim=0).numpy(), 0.5, atol=0.03)
    assert everywhere.abs().max() <= 1.0
