"""Numbers of a whole set of labelled shapes, from the table of its rows.

The summary's additions:

    whole_set   name -> value, what papers call it, how it is made
    confusion   ``labels``, and ``counts``: rows are true classes, columns predicted ones
    parts       one entry per part: category, name, points, accuracy, iou, over all points of the set
    vocabulary  categories and their parts, in the order of the labels
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.labels import classes_of, part_labels
from shapesys.evaluation.row_log import COUNT, PREDICTED_CLASS
from shapesys.metrics.aggregate import Summary
from shapesys.metrics.recognition import Counts, LabelCounts, confusion, counts_of
from shapesys.metrics.record import SetScore
from shapesys.samples.vocabulary import Vocabulary

_POOLED = "over the points of all shapes together, counted once"


def whole_set(table: pa.Table, summary: Summary, vocabulary: Vocabulary, settings: EvaluateConfig) -> dict[str, Any]:
    """What the summary holds beside the statistics of columns.

    Args:
        table: every row; those that failed have no counts.
        summary: the statistics of the table.
        vocabulary: what the predictions are numbered by.
    """
    scores: list[SetScore] = []
    found: dict[str, Any] = {"vocabulary": vocabulary.to_json()}
    if PREDICTED_CLASS in table.column_names:
        matrix = class_confusion(table, vocabulary)
        scores += class_scores(counts_of(matrix))
        found["confusion"] = {"labels": list(vocabulary.categories), "counts": matrix.tolist()}
    if any(name.startswith(COUNT) for name in table.column_names):
        counts = part_counts(table, vocabulary)
        scores += [*_of_shapes(summary, settings.part_argmax), *part_scores(counts, settings.part_argmax)]
        found["parts"] = list(_each_part(counts, vocabulary))
    return found | {"whole_set": {score.name: score.to_json() for score in scores if not math.isnan(score.value)}}


def class_scores(counts: LabelCounts) -> list[SetScore]:
    """OA and mAcc of a confusion of classes."""
    return [
        SetScore("oa/class", counts.overall_accuracy, "overall accuracy (OA)", "shapes of the true class / all shapes"),
        SetScore(
            "macc/class",
            counts.mean_accuracy,
            "mean-class accuracy (mAcc)",
            "mean of the classes' recalls, from one confusion matrix of the whole set",
        ),
    ]


def part_scores(counts: LabelCounts, argmax: str) -> list[SetScore]:
    """Accuracy and IoU over all points of the set, as scenes are judged."""
    return [
        SetScore(
            f"oa/point.{argmax}",
            counts.overall_accuracy,
            "overall accuracy of points (OA)",
            f"points with the true part / all points, {_POOLED}",
        ),
        SetScore(
            f"macc/part.{argmax}",
            counts.mean_accuracy,
            "mean accuracy of parts (mAcc)",
            f"mean of the parts' recalls {_POOLED}",
        ),
        SetScore(
            f"miou/part.{argmax}",
            counts.mean_iou,
            "mean IoU of parts (mIoU)",
            f"mean of the parts' IoU {_POOLED}; parts in neither truth nor prediction are left out",
        ),
    ]


def class_confusion(table: pa.Table, vocabulary: Vocabulary) -> Counts:
    """(C, C) true class by predicted class of the rows that have a prediction."""
    rows = table.filter(pc.is_valid(table[PREDICTED_CLASS]))
    true = pc.index_in(rows["category"], value_set=pa.array(vocabulary.categories, pa.string()))
    size = len(vocabulary.categories)
    if not len(rows):
        return np.zeros((size, size), np.int64)
    return confusion(rows[PREDICTED_CLASS].to_numpy().astype(np.int64), np.asarray(true.to_numpy(), np.int64), size)


def part_counts(table: pa.Table, vocabulary: Vocabulary) -> LabelCounts:
    """Points by part, over all rows."""
    names = part_labels(vocabulary)
    held = set(table.column_names)

    def total(kind: str) -> Counts:
        columns = [f"{COUNT}{kind}/{name}" for name in names]
        sums = [pc.sum(table[name], min_count=0).as_py() if name in held else 0 for name in columns]
        return np.array(sums, np.int64)

    return LabelCounts(total("hits"), total("true"), total("found"))


def _of_shapes(summary: Summary, argmax: str) -> Iterator[SetScore]:
    """The means that papers name."""
    name = f"iou/part.{argmax}"
    if name in summary.overall.metrics:
        said = "a shape's IoU is the mean over its category's parts, a part absent in truth and prediction counting 1"
        yield SetScore(
            f"miou/instance.{argmax}",
            summary.overall.metrics[name].mean,
            "instance mIoU",
            f"mean over all shapes; {said}",
        )
        yield SetScore(
            f"miou/category.{argmax}", summary.macro[name], "category mIoU", f"mean over the categories' means; {said}"
        )


def _each_part(counts: LabelCounts, vocabulary: Vocabulary) -> Iterator[dict[str, Any]]:
    ious, accuracies = counts.ious(), counts.accuracies
    for category in vocabulary.categories:
        first = vocabulary.first_part(category)
        for place in classes_of(vocabulary, category):
            yield {
                "category": category,
                "part": vocabulary.parts_of(category)[place - first],
                "points": int(counts.true[place]),
                "accuracy": _number(accuracies[place]),
                "iou": _number(ious[place]),
            }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
