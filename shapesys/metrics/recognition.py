"""Recognition of shapes and of their parts: numbers of one shape, and what counts of all shapes together give.

Two protocols for parts are in use and differ by points of IoU. *Restricted*: a point may only get a part of the
shape's true category (PointNet++, and most tables). *Free*: it may get any part of any category. Every name says which.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import unknown_name
from shapesys.geometry.mesh import Floats, Ints
from shapesys.metrics.record import MetricRecord, Scores

PartArgmax = Literal["restricted", "free"]
Counts = NDArray[np.int64]

_CLASSES = {"mean_over_shapes": "overall accuracy (OA)", "mean_over_categories": "mean-class accuracy (mAcc)"}
_PARTS = {
    "one_shape": "mean over the parts of its category; a part absent in truth and prediction counts 1",
    "mean_over_shapes": "instance mIoU",
    "mean_over_categories": "category mIoU (class mIoU)",
}
_POINTS = {"one_shape": "share of its points with the true part", "mean_over_shapes": "mean point accuracy of a shape"}
_RULES = {
    "restricted": "the best of the true category's parts",
    "free": "the best of all categories' parts",
}


def class_metrics(scores: Floats, label: int, ranks: Sequence[int] = (1,)) -> Scores:
    """``accuracy/top<k>`` of one shape, 0 or 1: whether its class is among the k that score highest; and
    ``cross_entropy/class``, which also tells confident mistakes from close ones.

    Args:
        scores: (C,) log probability of each class; of equal ones the lower class comes first, as argmax has it.
        label: the true class.

    Raises:
        ValueError: a score is not finite, the label is no class, or a rank is below 1.
    """
    place = rank_of(scores, label)
    if any(rank < 1 for rank in ranks):
        raise ValueError(f"ranks are {tuple(ranks)}; each must be at least 1")
    rule = {"classes": len(scores), **_CLASSES}
    records = [MetricRecord(f"accuracy/top{rank}", float(place < rank), None, {"rank": rank} | rule) for rank in ranks]
    surprise = {"classes": len(scores), "one_shape": "minus the natural logarithm of the true class's probability"}
    return Scores("ok", (*records, MetricRecord("cross_entropy/class", -float(scores[label]), None, surprise)))


def rank_of(scores: Floats, label: int) -> int:
    """How many classes come before the true one; 0 where it is predicted.

    Raises:
        ValueError: as `class_metrics`.
    """
    _check_scores(scores, 1)
    if not 0 <= label < len(scores):
        raise ValueError(f"class label {label} is none of 0 to {len(scores) - 1}")
    before = (scores > scores[label]) | ((scores == scores[label]) & (np.arange(len(scores)) < label))
    return int(np.count_nonzero(before))


def predicted_parts(scores: Floats, parts: Sequence[int], argmax: PartArgmax) -> NDArray[np.int64]:
    """(n,) number of every point's part.

    Args:
        scores: (n, P) of all categories' parts.
        parts: numbers of the true category's parts.
        argmax: ``restricted`` to those, or ``free``.

    Raises:
        ValueError: a score is NaN, or the numbers are none of those scored.
        UsageError: an unknown argmax.
    """
    _check_scores(scores, 2)
    own = np.asarray(parts, np.int64)
    if not len(own) or own.min() < 0 or own.max() >= scores.shape[1]:
        raise ValueError(f"parts {own.tolist()} are not among the {scores.shape[1]} that are scored")
    if argmax not in _RULES:
        raise unknown_name("part argmax", argmax, get_args(PartArgmax))
    return scores.argmax(axis=1) if argmax == "free" else own[scores[:, own].argmax(axis=1)]


def part_metrics(predicted: Ints, labels: Ints, parts: Sequence[int], argmax: PartArgmax) -> Scores:
    """``iou/part.<argmax>`` and ``accuracy/point.<argmax>`` of one shape.

    Args:
        predicted: (n,) part numbers, of any category.
        labels: (n,) true part numbers, all within `parts`; a point with a negative one has no label and counts nowhere.
        parts: as `predicted_parts`.

    Raises:
        ValueError: no point has a label, or one is none of `parts`.
    """
    own_numbers = np.asarray(parts, np.int64)
    strange = np.setdiff1d(labels[labels >= 0], own_numbers).tolist()
    if strange:
        raise ValueError(f"the truth holds parts {strange}; those of the category are {own_numbers.tolist()}")
    counts = label_counts(predicted, labels, int(max(own_numbers.max(), predicted.max(initial=0))) + 1)
    own = LabelCounts(*(column[own_numbers] for column in (counts.hits, counts.true, counts.found)))
    rule = {"argmax": _RULES[argmax], "parts": len(own_numbers)}
    values = {
        f"iou/part.{argmax}": (float(own.ious(absent=1.0).mean()), _PARTS),
        f"accuracy/point.{argmax}": (own.overall_accuracy, _POINTS),
    }
    points = int(own.true.sum())
    records = [MetricRecord(name, value, None, rule | said, points, points) for name, (value, said) in values.items()]
    return Scores("ok", tuple(records))


@dataclass(frozen=True)
class LabelCounts:
    """Per label, how many points (or shapes) have it in truth and in prediction. Sums over shapes are counts again.

    Attributes:
        hits: (L,) with the label in both: the diagonal of the confusion matrix.
        true: (L,) with it in the truth: sums of its rows.
        found: (L,) with it in the prediction: sums of its columns.
    """

    hits: Counts
    true: Counts
    found: Counts

    @property
    def overall_accuracy(self) -> float:
        """Share of all points with the true label; NaN without points."""
        return _ratio(self.hits.sum(), self.true.sum())

    @property
    def accuracies(self) -> NDArray[np.float64]:
        """(L,) share of each label's points that got it (recall); NaN for a label that the truth lacks."""
        return _ratios(self.hits, self.true)

    @property
    def mean_accuracy(self) -> float:
        """Mean over the labels that the truth has."""
        return _mean(self.accuracies)

    def ious(self, absent: float = np.nan) -> NDArray[np.float64]:
        """(L,) intersection over union of each label; `absent` for one in neither truth nor prediction."""
        found = _ratios(self.hits, self.true + self.found - self.hits)
        return np.where(np.isnan(found), absent, found)

    @property
    def mean_iou(self) -> float:
        """Mean over the labels that truth or prediction has."""
        return _mean(self.ious())


def label_counts(predicted: Ints, labels: Ints, size: int) -> LabelCounts:
    """Counts of (n,) labels from 0 to `size` - 1; points with a negative true label are left out.

    Raises:
        ValueError: different lengths, no labelled point, or a label out of range.
    """
    predicted, labels = _paired(predicted, labels, size)
    hits = labels[predicted == labels]
    return LabelCounts(*(np.bincount(column, minlength=size) for column in (hits, labels, predicted)))


def confusion(predicted: Ints, labels: Ints, size: int) -> Counts:
    """(size, size) how often each true label (row) was predicted as each label (column).

    Raises:
        ValueError: as `label_counts`.
    """
    predicted, labels = _paired(predicted, labels, size)
    return np.bincount(labels * size + predicted, minlength=size * size).reshape(size, size)


def counts_of(matrix: Counts) -> LabelCounts:
    """The counts of a confusion matrix."""
    return LabelCounts(np.diagonal(matrix).copy(), matrix.sum(axis=1), matrix.sum(axis=0))


def worst_confusions(matrix: Counts, most: int = 10) -> Iterator[tuple[int, int, int]]:
    """(true label, predicted label, count) of the most frequent mistakes, the most frequent first."""
    wrong = matrix * ~np.eye(len(matrix), dtype=bool)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    for row, column in zip(*np.unravel_index(order, wrong.shape), strict=True):
        if wrong[row, column]:
            yield int(row), int(column), int(wrong[row, column])


def _paired(predicted: Ints, labels: Ints, size: int) -> tuple[Ints, Ints]:
    predicted, labels = np.asarray(predicted), np.asarray(labels)
    if predicted.shape != labels.shape or labels.ndim != 1:
        raise ValueError(f"predicted {predicted.shape} and true labels {labels.shape} must both be (n,)")
    labelled = labels >= 0
    predicted, labels = predicted[labelled].astype(np.int64), labels[labelled].astype(np.int64)
    if not len(labels):
        raise ValueError("no point has a label")
    for name, column in (("predicted", predicted), ("true", labels)):
        if column.min() < 0 or column.max() >= size:
            raise ValueError(f"{name} labels range from {column.min()} to {column.max()}; allowed: 0 to {size - 1}")
    return predicted, labels


def _check_scores(scores: Floats, axes: int) -> None:
    if scores.ndim != axes or 0 in scores.shape:
        raise ValueError(f"scores have shape {scores.shape}; expected {'(n, P)' if axes == 2 else '(C,)'}, not empty")
    if np.isnan(scores).any():
        raise ValueError(f"{int(np.isnan(scores).sum())} of {scores.size} scores are NaN")


def _ratio(part: Any, whole: Any) -> float:
    return float(part / whole) if whole else float("nan")


def _ratios(part: Counts, whole: Counts) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
