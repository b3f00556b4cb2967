"""Which category an unseen shape belongs to, by a classifier's word: what a saliency map may know of it in practice.

Saliency networks belong to categories. The paper's classification of salient points does not say how the category of a
test shape is known; taking the true one (``oracle``) tells the classifier what it is to find out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from shapesys.errors import ShapesysError
from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.evaluator import Evaluator
from shapesys.families.base import PointPrediction
from shapesys.samples.store import Store
from shapesys.training.checkpoint import chosen_of
from shapesys.training.run_dir import RunDirectory, read_json, write_json

AT_ONCE = 64


def predict_categories(
    run: RunDirectory, store: Store, shape_ids: Sequence[str], device: torch.device
) -> dict[str, str]:
    """Shape id -> the category that a trained classifier takes it for.

    Raises:
        ShapesysError: no checkpoint, or the run does not classify.
    """
    evaluator = Evaluator.open(chosen_of(run), store.url, EvaluateConfig(), None, device)
    found: dict[str, str] = {}
    for first in range(0, len(shape_ids), AT_ONCE):
        for prediction in evaluator.predict(shape_ids[first : first + AT_ONCE]):
            if not isinstance(prediction, PointPrediction) or prediction.class_scores is None:
                raise ShapesysError(f"run '{run.name}' predicts no categories; train a classifier of clouds")
            best = int(prediction.class_scores.argmax())
            found[prediction.shape_id] = prediction.vocabulary.categories[best]
    return found


def write_categories(path: Path, categories: Mapping[str, str]) -> None:
    """Keep predicted categories as JSON."""
    write_json(path, dict(sorted(categories.items())))


def read_categories(path: Path) -> dict[str, str]:
    """The predicted categories in a file.

    Raises:
        ShapesysError: missing or damaged.
    """
    data = read_json(path)
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        raise ShapesysError(f"{path} holds no predicted categories; remove it and run again")
    return dict(data)
