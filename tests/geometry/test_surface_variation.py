"""Surface variation of clouds whose answer is known, and against LAPACK on the definition."""

from __future__ import annotations

import numpy as np
import pytest

from shapesys.geometry import surface_variation as module
from shapesys.geometry.surface_variation import surface_variation


def by_definition(points: np.ndarray, k: int) -> np.ndarray:
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    neighbourhoods = points[np.argsort(squared, axis=1)[:, : k + 1]]
    values = [np.linalg.eigvalsh(np.cov(neighbourhood.T)) for neighbourhood in neighbourhoods]
    return np.array([ascending[0] / ascending.sum() for ascending in values])


def turned(points: np.ndarray, seed: int = 7) -> np.ndarray:
    return points @ np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0].T


def even_sphere(count: int) -> np.ndarray:
    """Points along a spiral, each with the same area around it."""
    height = 1 - (2 * np.arange(count) + 1) / count
    angle = np.pi * (3 - np.sqrt(5)) * np.arange(count)
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)


def cube_surface(cells: int) -> np.ndarray:
    lattice = np.stack(np.meshgrid(*[np.arange(cells + 1.0)] * 3), axis=-1).reshape(-1, 3)
    return lattice[((lattice == 0) | (lattice == cells)).any(axis=1)] / cells


@pytest.mark.parametrize("k", [1, 2, 3, 12, 99])
def test_equals_the_definition(k: int) -> None:
    points = np.random.default_rng(0).normal(size=(150, 3)) * [1.0, 0.6, 0.2]
    found = surface_variation(points, k)
    assert found.dtype == np.float32
    assert found == pytest.approx(by_definition(points, k), abs=1e-7)


def test_flat_and_straight_clouds_have_none() -> None:
    rng = np.random.default_rng(1)
    plane = turned(rng.random((500, 3)) * [1, 1, 0])
    line = turned(rng.random((500, 3)) * [1, 0, 0])
    for cloud in (plane, line, 1e-6 * plane, plane + 1e3):
        assert surface_variation(cloud).max() < 1e-12 * max(1.0, np.abs(cloud).max() ** 2)


def test_a_point_among_six_around_it_has_a_third() -> None:
    around = np.concatenate([np.zeros((1, 3)), np.eye(3), -np.eye(3)])
    for cloud in (around, turned(around), 1e-6 * around, around + 1e3):
        assert surface_variation(cloud, 6) == pytest.approx(np.full(7, 1 / 3))


def test_position_turn_and_size_do_not_matter() -> None:
    points = np.random.default_rng(2).normal(size=(400, 3)) * [1.0, 0.7, 0.3]
    expected = surface_variation(points)
    for other in (turned(points), points + [3.0, -200.0, 1e3], 1e-6 * points, 5e4 * points, points * [-1, 1, 1]):
        assert surface_variation(other) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("count", "k"), [(20_000, 20), (5_000, 20), (5_000, 60)])
def test_sphere_has_the_variation_of_a_cap(count: int, k: int) -> None:
    # A cap of radius r has height variance r^4 / 48 and r^2 / 4 along each tangent; k + 1 of n points fill r^2 / 4.
    expected = (k + 1) / (6 * count)
    assert np.median(surface_variation(even_sphere(count), k)) == pytest.approx(expected, rel=0.08)


def test_corners_exceed_edges_and_edges_exceed_faces() -> None:
    points = cube_surface(20)
    variation = surface_variation(points, 18)
    sharpness = ((points == 0) | (points == 1)).sum(axis=1)
    inner = ((points > 0.25) & (points < 0.75)).sum(axis=1)
    assert variation[inner == 2].max() < 1e-12
    assert variation[(sharpness == 2) & (inner == 1)].min() > 0.01
    assert variation[(sharpness == 2) & (inner == 1)].max() < variation[sharpness == 3].min()


def test_coincident_points_have_none() -> None:
    assert not surface_variation(np.full((30, 3), 4.2), 5).any()
    repeated = np.repeat(np.random.default_rng(3).random((20, 3)), 8, axis=0)
    assert not surface_variation(repeated, 7).any()
    assert surface_variation(repeated, 40).min() > 0.0


def test_blocks_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(4).random((200, 3))
    whole = surface_variation(points)
    monkeypatch.setattr(module, "POINTS_PER_BLOCK", 7)
    assert np.array_equal(surface_variation(points), whole)
    order = np.random.default_rng(5).permutation(200)
    assert surface_variation(points[order]) == pytest.approx(whole[order], abs=1e-7)


@pytest.mark.parametrize(
    "spread",
    [(0, 0, 1), (0, 1, 1), (1, 1, 1), (1, 1 + 1e-9, 1 - 1e-9), (1e-9, 1.0001e-9, 1), (0, 1e-8, 1), (1e-3, 0.4, 0.4)],
)
def test_the_closed_form_is_as_good_as_lapack(spread: tuple[float, float, float]) -> None:
    turns = np.linalg.qr(np.random.default_rng(6).normal(size=(500, 3, 3)))[0]
    matrices = turns @ (np.array(spread)[:, None] * turns.transpose(0, 2, 1))
    for size in (1.0, 1e-12):
        rows = size * np.stack([matrices[:, i, j] for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))])
        shares = module._share_of_smallest(rows)
        assert shares == pytest.approx(np.full(500, min(spread) / sum(spread)), abs=1e-15)
        values = np.linalg.eigvalsh(size * matrices)
        assert shares == pytest.approx(values[:, 0] / values.sum(axis=1), abs=2e-15)


def test_misuse_is_named() -> None:
    points = np.random.default_rng(8).random((10, 3))
    for k in (0, 10):
        with pytest.raises(ValueError, match=rf"k is {k}; it must be within 1\.\.9"):
            surface_variation(points, k)
    with pytest.raises(ValueError, match=r"points has shape \(10, 2\)"):
        surface_variation(points[:, :2])
    with pytest.raises(ValueError, match=r"k is 20; it must be within 1\.\.-1"):
        surface_variation(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="1 points that are not finite"):
        surface_variation(np.array([[0, 0, np.nan], [1, 1, 1], [2, 2, 2]]), 1)
