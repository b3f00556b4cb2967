"""Predicted classes and parts against the true ones: a row per shape, from whose counts the whole set's numbers follow.

Beside its metrics a row holds ``fact/predicted_class`` and ``fact/probability``, and for parts the columns
``count/true/<part>``, ``count/found/<part>`` and ``count/hits/<part>``: points with the part in truth, in prediction,
in both. Rows of any batches, in any order, sum to the same confusion.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import ShapesysError
from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.measured import Measured, identity
from shapesys.evaluation.row_log import COUNT, PREDICTED_CLASS, PROBABILITY
from shapesys.families.base import PointPrediction
from shapesys.geometry.colormap import label_colours
from shapesys.geometry.mesh import Floats, Ints
from shapesys.geometry.write import write_points
from shapesys.metrics.recognition import class_metrics, label_counts, part_metrics, predicted_parts
from shapesys.metrics.record import MetricRecord, Scores
from shapesys.samples.store import Store
from shapesys.samples.vocabulary import UNANNOTATED, Vocabulary
from shapesys.training.run_dir import EvaluationDirectory

NO_LABEL = -1


@dataclass(frozen=True)
class LabelTruth:
    """What the store knows of a shape's labels.

    Attributes:
        category, split: as prepared.
        points: (n, 3) observed points, normalised frame.
        labels: (n,) part of each point, numbered within the category; empty where the source has no parts.
        parts: what the labels mean; empty where the store does not know.
    """

    category: str
    split: str
    points: Floats
    labels: Ints
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class MeasuredLabels(Measured):
    """With the cloud to keep: points (n, 3) and, where parts were predicted, their predicted and true numbers (n,)."""

    points: Floats
    predicted: Ints | None
    true: Ints | None
    vocabulary: Vocabulary

    def write(self, keep: EvaluationDirectory) -> None:
        path = keep.cloud(self.row["shape_id"])
        if self.predicted is None or self.true is None:
            write_points(self.points, {}, path)
            return
        colours = part_colours(self.predicted, self.vocabulary, self.row["category"])
        shown = {"label": self.predicted, "truth": self.true}
        write_points(self.points, shown, path, colours, legend(self.vocabulary))


def read(store: Store, shape: Mapping[str, Any], settings: EvaluateConfig) -> LabelTruth:
    """The ground truth of a shape, given its row of the `shapes` view."""
    found = store.read("cloud", [shape["shape_id"]], ["points", "labels"])
    parts = tuple(shape.get("parts") or ())
    return LabelTruth(shape["category"], shape["split"], found["points"][0], found["labels"][0], parts)


def measure(prediction: PointPrediction, truth: LabelTruth, settings: EvaluateConfig) -> MeasuredLabels:
    """Score a shape's class, its points' parts, or both.

    Raises:
        ShapesysError: the model does not know the category, there is no truth to compare with, or it is of other parts.
    """
    vocabulary = prediction.vocabulary
    label = vocabulary.class_of(truth.category)
    records: tuple[MetricRecord, ...] = ()
    columns: dict[str, float] = {}
    predicted, true = None, None
    if prediction.class_scores is not None:
        records += class_metrics(prediction.class_scores, label, settings.accuracy_ranks).records
        columns |= _answer(prediction.class_scores)
    if prediction.part_scores is not None:
        true = _true_parts(prediction.part_scores, truth, vocabulary)
        own = classes_of(vocabulary, truth.category)
        predicted = predicted_parts(without_unannotated(prediction), own, settings.part_argmax)
        records += part_metrics(predicted, true, own, settings.part_argmax).records
        columns |= dict(_counts(predicted, true, vocabulary))
    if not records:
        raise ShapesysError(f"the prediction of '{prediction.shape_id}' holds neither classes nor parts")
    row = {
        **identity(prediction.shape_id, truth.category, truth.split, "ok"),
        **Scores("ok", records).values,
        **columns,
        **{f"fact/{name}": float(value) for name, value in prediction.facts.items()},
    }
    return MeasuredLabels(row, records, truth.points, predicted, true, vocabulary)


def part_labels(vocabulary: Vocabulary) -> list[str]:
    """What each part number means: ``chair: seat``."""
    return [f"{category}: {part}" for category in vocabulary.categories for part in vocabulary.parts_of(category)]


def classes_of(vocabulary: Vocabulary, category: str) -> list[int]:
    """Numbers of a category's parts, without the one that says that nobody labelled a point."""
    first = vocabulary.first_part(category)
    return [first + place for place, name in enumerate(vocabulary.parts_of(category)) if name != UNANNOTATED]


def without_unannotated(prediction: PointPrediction) -> Floats:
    """(n, P) scores by which no point is left without a part."""
    assert prediction.part_scores is not None
    counted = [
        number for name in prediction.vocabulary.categories for number in classes_of(prediction.vocabulary, name)
    ]
    scores = np.full_like(prediction.part_scores, -np.inf)
    scores[:, counted] = prediction.part_scores[:, counted]
    return scores


def legend(vocabulary: Vocabulary) -> list[str]:
    """Lines for the header of a file with part numbers."""
    return [f"label {number} {name}" for number, name in enumerate(part_labels(vocabulary))]


def part_colours(parts: Ints, vocabulary: Vocabulary, category: str) -> NDArray[np.uint8]:
    """(n, 3) colours of part numbers, by their place within the category; grey for parts of others."""
    first, stop = vocabulary.part_range(category)
    return label_colours(np.where((parts >= first) & (parts < stop), parts - first, NO_LABEL))


def _answer(scores: Floats) -> dict[str, float]:
    best = int(scores.argmax())
    return {PREDICTED_CLASS: float(best), PROBABILITY: float(np.exp(scores[best]))}


def _true_parts(scores: Floats, truth: LabelTruth, vocabulary: Vocabulary) -> Ints:
    """(n,) true part numbers; `NO_LABEL` where nobody labelled a point."""
    known = vocabulary.parts_of(truth.category)
    if not len(truth.labels):
        raise ShapesysError("its points have no part labels in the store; prepare it from a source that has them")
    if not known:
        raise ShapesysError(f"the model knows no parts of category '{truth.category}'")
    if truth.parts and truth.parts != known:
        there, here = ", ".join(truth.parts), ", ".join(known)
        raise ShapesysError(f"the store's parts of '{truth.category}' are {there}; the model was trained on {here}")
    if len(scores) != len(truth.labels):
        raise ShapesysError(f"the prediction labels {len(scores)} points, but {len(truth.labels)} were observed")
    labelled = (truth.labels >= 0) & (truth.labels != _place(known, UNANNOTATED))
    return np.where(labelled, truth.labels + vocabulary.first_part(truth.category), NO_LABEL)


def _place(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else NO_LABEL


def _counts(predicted: Ints, true: Ints, vocabulary: Vocabulary) -> Iterator[tuple[str, float]]:
    """The columns of every part that truth or prediction has."""
    counts = label_counts(predicted, true, vocabulary.part_count)
    for kind, column in (("true", counts.true), ("found", counts.found), ("hits", counts.hits)):
        for name, value in zip(part_labels(vocabulary), column.tolist(), strict=True):
            if value:
                yield f"{COUNT}{kind}/{name}", float(value)
