"""Smoothness and symmetry of maps whose scores are known."""

import math

import numpy as np
import pytest
from scipy import stats

from shapesys.errors import UsageError
from shapesys.geometry.plane import Plane
from shapesys.metrics.saliency import (
    SaliencySettings,
    saliency_metrics,
    scaled,
    smoothness,
    symmetry_distance,
)

MIDDLE = Plane((1.0, 0.0, 0.0))


def line(count: int = 101) -> np.ndarray:
    points = np.zeros((count, 3))
    points[:, 0] = np.linspace(-1, 1, count)
    return points


def symmetric_cloud() -> np.ndarray:
    half = np.random.default_rng(0).random((400, 3))
    return np.concatenate([half, half * [-1, 1, 1]])


def test_smoothness_of_constant_linear_and_alternating_maps() -> None:
    points = line()
    assert smoothness(points, np.full(101, 0.7)) == 0.0
    assert smoothness(points, 5 * points[:, 0] - 3) == pytest.approx(1 / 100)
    assert smoothness(points, np.arange(101) % 2) == 1.0
    assert smoothness(points, 4.0 * (np.arange(101) % 2), "none") == 4.0


def test_smoothness_equals_the_definition() -> None:
    rng = np.random.default_rng(1)
    points, saliency = rng.random((300, 3)), rng.random(300)
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    np.fill_diagonal(squared, np.inf)
    expected = np.abs(saliency - saliency[squared.argmin(axis=1)]).mean()
    assert smoothness(points, saliency, "none") == pytest.approx(expected)
    order = rng.permutation(300)
    assert smoothness(points[order], saliency[order], "none") == pytest.approx(expected)


def test_symmetry_of_even_and_odd_maps() -> None:
    points = symmetric_cloud()
    even = symmetry_distance(points, np.abs(points[:, 0]), MIDDLE)
    assert (even.value, even.symmetric, even.widest_gap) == (0.0, True, 0.0)
    reach = np.abs(points[:, 0]).max()
    odd = symmetry_distance(points, points[:, 0], MIDDLE)
    assert odd.value == pytest.approx(np.abs(points[:, 0] / reach).mean(), rel=1e-6)


def test_the_plane_may_be_anywhere() -> None:
    points = symmetric_cloud()
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    moved = points @ turn.T + [0.3, -0.2, 0.5]
    normal = 2.5 * turn[:, 0]
    plane = Plane(tuple(normal), float(normal @ [0.3, -0.2, 0.5]))
    assert plane.mirror(plane.mirror(moved)) == pytest.approx(moved)
    found = symmetry_distance(moved, np.abs(points[:, 0]), plane)
    assert found.widest_gap < 1e-6
    assert found.value < 1e-6


def test_asymmetric_shapes_have_no_symmetry_score() -> None:
    points = np.concatenate([symmetric_cloud(), [[3.0, 0, 0]]])
    found = symmetry_distance(points, points[:, 1], MIDDLE)
    assert not found.symmetric
    assert math.isnan(found.value)
    loose = symmetry_distance(points, points[:, 1], MIDDLE, SaliencySettings(symmetric_within=found.widest_gap + 0.1))
    assert loose.symmetric
    at_threshold = SaliencySettings(symmetric_within=found.widest_gap)
    assert not symmetry_distance(points, points[:, 1], MIDDLE, at_threshold).symmetric


def test_scaling_per_object() -> None:
    assert scaled(np.array([2.0, 4.0, 3.0])).tolist() == [0.0, 1.0, 0.5]
    assert scaled(np.full(4, 9.0)).tolist() == [0.0] * 4
    assert scaled(np.array([2.0, 4.0]), "none").tolist() == [2.0, 4.0]


def test_scores_carry_their_options_and_what_does_not_apply() -> None:
    points = symmetric_cloud()
    saliency = np.abs(points[:, 0])
    scores = saliency_metrics(points, saliency, MIDDLE)
    assert scores.values["ssr/min_max"] == smoothness(points, saliency)
    assert scores.values["d_sym/min_max"] == 0.0
    definition = scores.records[1].to_json()["definition"]
    assert definition["symmetric_within"] == 0.1
    assert definition["plane"] == {"normal": (1.0, 0.0, 0.0), "offset": 0.0}
    assert scores.records[1].count_predicted == 800
    unknown = saliency_metrics(points, saliency, None)
    assert math.isnan(unknown.values["d_sym/min_max"])
    assert unknown.reason.startswith("d_sym: no symmetry plane is known; look for one with --symmetry-plane found")
    lopsided = saliency_metrics(points, saliency, Plane((0.0, 1.0, 0.0)))
    assert lopsided.reason.startswith("d_sym: asymmetric")
    assert "not_applicable" in lopsided.records[1].definition


def test_misuse_is_named() -> None:
    points = line(5)
    with pytest.raises(ValueError, match="4 saliency values for 5 points"):
        smoothness(points, np.ones(4))
    with pytest.raises(ValueError, match="at least 2 needed"):
        smoothness(points[:1], np.ones(1))
    with pytest.raises(ValueError, match="finite"):
        smoothness(points, np.array([1, 2, 3, 4, np.nan]))
    with pytest.raises(ValueError, match="normal is"):
        symmetry_distance(points, np.ones(5), Plane((0.0, 0.0, 0.0)))
    with pytest.raises(UsageError, match="did you mean min_max"):
        smoothness(points, np.ones(5), "minmax")  # type: ignore[arg-type]


def test_ranks_go_from_0_to_1_and_equal_values_share_theirs() -> None:
    np.testing.assert_allclose(scaled(np.array([5.0, -1e9, 7.0]), "rank"), [0.5, 0.0, 1.0])
    np.testing.assert_allclose(scaled(np.array([2.0, 1.0, 2.0, 9.0, 2.0]), "rank"), [0.5, 0.0, 0.5, 1.0, 0.5])
    np.testing.assert_allclose(scaled(np.full(4, 3.0), "rank"), 0.5)
    np.testing.assert_allclose(scaled(np.array([3.0]), "rank"), 0.5)


def test_ranks_agree_with_scipy_and_do_not_see_the_scale() -> None:
    values = np.random.default_rng(0).integers(0, 40, 300).astype(np.float64)
    expected = (stats.rankdata(values) - 1) / (len(values) - 1)
    np.testing.assert_allclose(scaled(values, "rank"), expected, atol=1e-12)
    np.testing.assert_allclose(scaled(np.exp(values), "rank"), expected, atol=1e-12)


def test_noise_lies_at_a_third_by_rank_whatever_its_distribution() -> None:
    rng = np.random.default_rng(0)
    points, noise = rng.standard_normal((4000, 3)).astype(np.float32), rng.standard_normal(4000) ** 9
    assert smoothness(points, noise, "rank") == pytest.approx(1 / 3, abs=0.01)
    assert smoothness(points, noise, "min_max") < 0.01, "a few outliers set the scale"
