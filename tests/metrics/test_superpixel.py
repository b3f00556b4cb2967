"""Superpixel metrics on maps whose scores are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shapesys.errors import UsageError
from shapesys.metrics.superpixel import (
    SuperpixelSettings,
    achievable_accuracy,
    boundaries,
    boundary_recall,
    compactness,
    superpixel_metrics,
    undersegmentation_error,
)


def blocks(rows: int, columns: int, size: int = 6) -> np.ndarray:
    return np.kron(np.arange(rows * columns).reshape(rows, columns), np.ones((size, size), int)).astype(np.int32)


def segments(seed: int = 0) -> np.ndarray:
    """24 x 36 pixels in 5 random segments."""
    seeds = np.random.default_rng(seed).uniform((0, 0), (24, 36), (5, 2))
    rows, columns = np.mgrid[:24, :36]
    distance = (rows[..., None] - seeds[:, 0]) ** 2 + (columns[..., None] - seeds[:, 1]) ** 2
    return distance.argmin(axis=2).astype(np.int32)


def test_segments_themselves_are_perfect_superpixels() -> None:
    truth = segments()
    scores = superpixel_metrics({5: truth}, np.stack([truth, truth])).values
    assert scores["asa/mean.k5"] == 1.0
    assert scores["boundary_recall/mean.k5"] == 1.0
    assert scores["undersegmentation/mean.k5"] == 0.0
    assert scores["superpixels/k5"] == 5


def test_one_superpixel_achieves_the_largest_segments_share() -> None:
    truth = segments()
    one = np.zeros_like(truth)
    assert achievable_accuracy(one, truth) == np.bincount(truth.ravel()).max() / truth.size
    assert boundary_recall(one, truth, 2) == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_refining_superpixels_never_lowers_accuracy_nor_raises_leakage(seed: int) -> None:
    truth = segments(seed)
    coarse, fine = blocks(2, 3, 12), blocks(4, 6)
    assert achievable_accuracy(fine, truth) >= achievable_accuracy(coarse, truth)
    for convention in ("neubert_protzel", "levinshtein"):
        errors = [undersegmentation_error(labels, truth, convention) for labels in (fine, coarse)]  # type: ignore[arg-type]
        assert errors[0] <= errors[1]


def test_accuracy_and_leakage_equal_plain_loops() -> None:
    truth, labels = segments(3), blocks(4, 6)
    best = small = 0
    ratios = []
    for superpixel in np.unique(labels):
        inside = [int(((labels == superpixel) & (truth == one)).sum()) for one in np.unique(truth)]
        best += max(inside)
        small += sum(min(n, 36 - n) for n in inside if n)
    for one in np.unique(truth):
        touching = np.isin(labels, np.unique(labels[truth == one])).sum()
        ratios.append((touching - (truth == one).sum()) / (truth == one).sum())
    assert achievable_accuracy(labels, truth) == best / truth.size
    assert undersegmentation_error(labels, truth) == pytest.approx(small / truth.size)
    assert undersegmentation_error(labels, truth, "levinshtein") == pytest.approx(np.mean(ratios))


def test_more_labels_than_bins_of_a_histogram_are_told_apart() -> None:
    truth = blocks(10, 10, 3)
    assert achievable_accuracy(truth, truth) == 1.0
    assert achievable_accuracy(truth * 1000, truth + 7) == 1.0


def test_boundary_recall_tolerates_the_radius_and_no_more() -> None:
    truth, labels = np.zeros((20, 30), int), np.zeros((20, 30), int)
    truth[:, 10:] = 1
    labels[:, 13:] = 1
    assert boundaries(truth).sum() == 2 * 20
    assert [boundary_recall(labels, truth, radius) for radius in (0, 1, 2, 3)] == [0.0, 0.0, 0.5, 1.0]
    assert boundary_recall(labels, np.zeros_like(truth), 0) == 1.0


def test_compactness_of_squares_and_of_a_strip() -> None:
    assert compactness(blocks(3, 4)) == pytest.approx(math.pi / 4)
    strip = np.zeros((1, 16), int)
    assert compactness(strip) == pytest.approx(4 * math.pi * 16 / 34**2)


def test_annotator_rules() -> None:
    labels = blocks(2, 3, 12)
    annotations = np.stack([segments(seed) for seed in (4, 1, 2)])
    each = [achievable_accuracy(labels, one) for one in annotations]
    leaks = [undersegmentation_error(labels, one) for one in annotations]
    scores = superpixel_metrics({6: labels}, annotations, SuperpixelSettings("all")).values
    assert scores["asa/mean.k6"] == pytest.approx(np.mean(each))
    assert scores["asa/best.k6"] == max(each)
    assert scores["asa/first.k6"] == each[0]
    assert scores["undersegmentation/best.k6"] == min(leaks)
    assert [name for name in superpixel_metrics({6: labels}, annotations).values if "asa" in name] == ["asa/mean.k6"]


def test_records_say_what_was_asked_for_and_what_there_is() -> None:
    scores = superpixel_metrics({30: blocks(4, 6), 8: blocks(2, 3, 12)}, segments()[None])
    assert scores.records[0].name == "asa/mean.k8"
    definition = next(r for r in scores.records if r.name == "boundary_recall/mean.k30").to_json()["definition"]
    assert (definition["requested"], definition["actual"], definition["annotator"]) == (30, 24, "mean")
    assert (definition["boundary_share"], definition["radius"], definition["annotators"]) == (0.0025, 0, 1)
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./ ")
    assert all(set(name) <= allowed for name in scores.values)


def test_an_image_without_annotation_has_counts_and_compactness_alone() -> None:
    scores = superpixel_metrics({24: blocks(4, 6)}, np.empty((0, 24, 36), np.int32))
    assert list(scores.values) == ["compactness/k24", "superpixels/k24"]
    assert scores.reason == "asa: the image has no annotation"


def test_misuse_is_named() -> None:
    with pytest.raises(ValueError, match=r"superpixels \(24, 36\) and annotations \(1, 24, 35\)"):
        superpixel_metrics({24: blocks(4, 6)}, np.zeros((1, 24, 35), int))
    with pytest.raises(ValueError, match="negative"):
        superpixel_metrics({24: blocks(4, 6) - 1}, segments()[None])
    with pytest.raises(UsageError, match="did you mean mean"):
        SuperpixelSettings("means")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="undersegmentation error 'np'"):
        SuperpixelSettings(undersegmentation="np")  # type: ignore[arg-type]
