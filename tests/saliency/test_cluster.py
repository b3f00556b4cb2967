"""Shapes laid out by their salient points: scores of arrangements that are known."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from shapesys.errors import ShapesysError
from shapesys.metrics.point_sets import hausdorff_matrix
from shapesys.saliency.cluster import clusters_of_distances, salient_set

pytest.importorskip("sklearn")


def blobs(centres: list[float], each: int = 8, spread: float = 0.1) -> tuple[np.ndarray, list[str]]:
    """Sets of 5 points around places along x, one category for each place."""
    random = np.random.default_rng(0)
    sets = np.concatenate([random.normal((centre, 0, 0), spread, (each, 5, 3)) for centre in centres])
    return sets.astype(np.float32), [f"kind{number}" for number in range(len(centres)) for _ in range(each)]


def test_categories_that_lie_apart_score_high_and_are_drawn_apart() -> None:
    sets, categories = blobs([0.0, 5.0, 10.0])
    found = clusters_of_distances(hausdorff_matrix(sets), categories)
    assert found.silhouette > 0.9
    assert found.silhouette_drawn > 0.5
    assert found.positions.shape == (24, 2)
    assert np.isfinite(found.positions).all()


def test_categories_that_lie_across_each_other_score_nothing() -> None:
    sets, categories = blobs([0.0, 0.0])
    assert abs(clusters_of_distances(hausdorff_matrix(sets), categories).silhouette) < 0.1


def test_the_score_is_that_of_its_definition() -> None:
    sets, categories = blobs([0.0, 0.3], each=3)
    distances = hausdorff_matrix(sets).astype(np.float64)
    expected = []
    for row, own in enumerate(categories):
        same = np.array([other == own for other in categories])
        inside = distances[row, same].sum() / (same.sum() - 1)
        outside = distances[row, ~same].mean()
        expected.append((outside - inside) / max(inside, outside))
    assert clusters_of_distances(hausdorff_matrix(sets), categories).silhouette == pytest.approx(
        np.mean(expected), abs=1e-6
    )


def test_the_seed_decides_the_layout_and_nothing_else_does() -> None:
    sets, categories = blobs([0.0, 5.0])
    first, again, other = (clusters_of_distances(hausdorff_matrix(sets), categories, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.positions, again.positions)
    assert not np.allclose(first.positions, other.positions)
    assert first.silhouette == other.silhouette


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        (["a", "a", "b"], "3 shapes of 2 categories form no clusters"),
        (["a"] * 5, "5 shapes of 1 categories"),
        (["a", "b", "c", "d"], "4 shapes of 4 categories"),
    ],
)
def test_what_cannot_cluster_is_refused(categories: list[str], message: str) -> None:
    with pytest.raises(ShapesysError, match=message):
        clusters_of_distances(np.zeros((len(categories),) * 2, np.float32), categories)


def test_without_scikit_learn_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(ShapesysError, match=r"t-SNE needs 'scikit-learn'.*shapesys\[saliency\]"):
        clusters_of_distances(np.zeros((4, 4), np.float32), ["a", "a", "b", "b"])


def test_salient_points_come_highest_first_and_equal_ones_as_stored() -> None:
    points = np.arange(12, dtype=np.float32).reshape(4, 3)
    found = salient_set(points, np.array([0.5, 0.9, 0.1, 0.5]), 3)
    np.testing.assert_array_equal(found, points[[1, 0, 3]])


def test_too_few_points_are_refused() -> None:
    with pytest.raises(ShapesysError, match="the 3 most salient points were asked for, but the map covers 2"):
        salient_set(np.zeros((5, 3)), np.zeros(2), 3)
