"""Recognition on cases small enough to count by hand, and against plain loops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from shapesys.errors import UsageError
from shapesys.metrics.recognition import (
    LabelCounts,
    class_metrics,
    confusion,
    counts_of,
    label_counts,
    part_metrics,
    predicted_parts,
    rank_of,
    worst_confusions,
)

CHAIR, TABLE = (0, 1, 2, 3), (4, 5)
"""Numbers of the parts of two categories."""


def values(predicted: list[int], labels: list[int], parts: Sequence[int] = CHAIR) -> dict[str, float]:
    return part_metrics(np.array(predicted), np.array(labels), parts, "restricted").values


def test_a_part_absent_in_truth_and_prediction_counts_one() -> None:
    # Seat: 2 of 3 points in either; back: 1 of 2; legs and arms: nobody has them.
    found = values([0, 0, 1, 1], [0, 0, 0, 1])
    assert found["iou/part.restricted"] == pytest.approx((2 / 3 + 1 / 2 + 1 + 1) / 4)
    assert found["accuracy/point.restricted"] == 0.75
    # A part that is predicted alone counts nothing.
    assert values([0, 0, 0, 2], [0, 0, 0, 0])["iou/part.restricted"] == pytest.approx((3 / 4 + 1 + 0 + 1) / 4)


def test_all_right_and_all_wrong() -> None:
    assert values([4, 5], [4, 5], TABLE) == {"iou/part.restricted": 1.0, "accuracy/point.restricted": 1.0}
    assert values([5, 4], [4, 5], TABLE) == {"iou/part.restricted": 0.0, "accuracy/point.restricted": 0.0}


def test_points_without_a_label_count_nowhere() -> None:
    assert values([0, 1, 3], [0, 1, -1]) == values([0, 1], [0, 1])
    with pytest.raises(ValueError, match="no point has a label"):
        values([0, 1], [-1, -1])


def test_restricted_and_free_argmax_are_two_numbers() -> None:
    scores = np.array([[1.0, 2.0, 0.0, 0.0, 7.0, 0.0], [3.0, 1.0, 1.0, 1.0, 2.0, 2.0]])
    restricted, free = (predicted_parts(scores, CHAIR, argmax) for argmax in ("restricted", "free"))  # type: ignore[arg-type]
    assert restricted.tolist() == [1, 0]
    assert free.tolist() == [4, 0]
    truth = np.array([1, 0])
    assert part_metrics(restricted, truth, CHAIR, "restricted").values["iou/part.restricted"] == 1.0
    found = part_metrics(free, truth, CHAIR, "free").values
    assert found == {"iou/part.free": pytest.approx((1 + 0 + 1 + 1) / 4), "accuracy/point.free": 0.5}
    assert predicted_parts(scores, TABLE, "restricted").tolist() == [4, 4], "numbers of all parts, the first of equals"
    with pytest.raises(UsageError, match="unknown part argmax 'fre'"):
        predicted_parts(scores, CHAIR, "fre")  # type: ignore[arg-type]


def test_instance_and_category_means_differ_where_categories_have_unlike_sizes() -> None:
    chairs, tables = [1.0, 1.0, 1.0], [0.0]
    instance = np.mean([*chairs, *tables])
    category = np.mean([np.mean(chairs), np.mean(tables)])
    assert (instance, category) == (0.75, 0.5)
    definition = part_metrics(np.array([0]), np.array([0]), CHAIR, "restricted").records[0].definition
    assert (definition["mean_over_shapes"], definition["mean_over_categories"]) == (
        "instance mIoU", "category mIoU (class mIoU)",
    )  # fmt: skip


def test_parts_against_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        labels, predicted = rng.integers(4, size=(2, 30))
        expected = []
        for part in range(4):
            either = sum(a == part or b == part for a, b in zip(labels, predicted, strict=True))
            both = sum(a == part and b == part for a, b in zip(labels, predicted, strict=True))
            expected.append(both / either if either else 1.0)
        found = values(predicted.tolist(), labels.tolist())
        assert found["iou/part.restricted"] == pytest.approx(np.mean(expected))


@pytest.mark.parametrize(
    ("predicted", "labels", "words"),
    [
        ([0, 1], [0, 4], r"the truth holds parts \[4\]; those of the category are \[0, 1, 2, 3\]"),
        ([0], [0, 1], "must both be"),
        ([-1], [0], "predicted labels range from -1 to -1"),
    ],
)
def test_labels_that_cannot_be_are_refused(predicted: list[int], labels: list[int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        values(predicted, labels)


def test_top_k_accuracy_breaks_ties_as_argmax_does() -> None:
    scores = np.array([0.2, 0.5, 0.2, 0.1])
    assert [rank_of(scores, label) for label in range(4)] == [1, 0, 2, 3]
    found = class_metrics(scores, 2, (1, 2, 3)).values
    assert [found[f"accuracy/top{rank}"] for rank in (1, 2, 3)] == [0.0, 0.0, 1.0]
    assert all(rank_of(np.zeros(5), label) == label for label in range(5))
    assert rank_of(np.array([-np.inf, 0.0]), 1) == 0, "a probability of zero has a logarithm too"


def test_cross_entropy_tells_confident_mistakes_from_close_ones() -> None:
    sure, close = (class_metrics(np.log(odds), 0).values for odds in ([0.01, 0.99], [0.49, 0.51]))
    assert sure["accuracy/top1"] == close["accuracy/top1"] == 0.0
    assert sure["cross_entropy/class"] == pytest.approx(np.log(100))
    assert close["cross_entropy/class"] < sure["cross_entropy/class"]


@pytest.mark.parametrize(
    ("scores", "label", "ranks", "words"),
    [
        ([0.1, np.nan], 0, (1,), "1 of 2 scores are NaN"),
        ([0.1, 0.2], 2, (1,), "class label 2 is none of 0 to 1"),
        ([0.1, 0.2], 0, (0,), "at least 1"),
        ([], 0, (1,), "not empty"),
    ],
)
def test_classes_that_cannot_be_are_refused(
    scores: list[float], label: int, ranks: tuple[int, ...], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        class_metrics(np.array(scores), label, ranks)


def test_a_confusion_against_a_plain_loop() -> None:
    rng = np.random.default_rng(1)
    labels, predicted = rng.integers(5, size=(2, 200))
    labels[labels == 3] = 2
    matrix = confusion(predicted, labels, 5)
    expected = np.zeros((5, 5), int)
    for row, column in zip(labels, predicted, strict=True):
        expected[row, column] += 1
    np.testing.assert_array_equal(matrix, expected)
    counts = counts_of(matrix)
    assert counts.overall_accuracy == np.mean(labels == predicted)
    recalls = [np.mean(predicted[labels == label] == label) for label in (0, 1, 2, 4)]
    assert counts.mean_accuracy == pytest.approx(np.mean(recalls)), "a class that the truth lacks has no recall"
    either = [np.sum((labels == k) | (predicted == k)) for k in range(5)]
    both = [np.sum((labels == k) & (predicted == k)) for k in range(5)]
    assert counts.mean_iou == pytest.approx(np.mean(np.divide(both, either)))


def test_the_whole_set_does_not_depend_on_batches_or_order() -> None:
    rng = np.random.default_rng(2)
    labels, predicted = rng.integers(6, size=(2, 101))
    order = rng.permutation(101)
    whole = label_counts(predicted, labels, 6)
    for size in (1, 7, 101):
        pieces = [label_counts(predicted[rows], labels[rows], 6) for rows in np.split(order, range(size, 101, size))]
        summed = LabelCounts(*(sum(getattr(piece, name) for piece in pieces) for name in ("hits", "true", "found")))
        for name in ("hits", "true", "found"):
            np.testing.assert_array_equal(getattr(summed, name), getattr(whole, name))
    # The mean of the batches' accuracies is another number.
    batches = [np.mean(predicted[rows] == labels[rows]) for rows in np.split(order, range(7, 101, 7))]
    assert np.mean(batches) != pytest.approx(whole.overall_accuracy)


def test_the_worst_confusions_come_first_and_what_is_right_is_none() -> None:
    matrix = np.array([[9, 2, 0], [0, 9, 5], [0, 0, 9]])
    assert list(worst_confusions(matrix)) == [(1, 2, 5), (0, 1, 2)]
    assert list(worst_confusions(matrix, most=1)) == [(1, 2, 5)]


def test_an_empty_set_has_no_numbers() -> None:
    counts = counts_of(np.zeros((2, 2), np.int64))
    assert np.isnan([counts.overall_accuracy, counts.mean_accuracy, counts.mean_iou]).all()
