"""What a classifier takes unseen shapes for, and the file that keeps it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from shapesys.errors import ShapesysError
from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.evaluator import Evaluator
from shapesys.families.base import PointPrediction
from shapesys.saliency import predicted
from shapesys.saliency.predicted import predict_categories, read_categories, write_categories
from shapesys.samples.store import Store
from shapesys.training.checkpoint import chosen_of
from shapesys.training.run_dir import RunDirectory

CPU = torch.device("cpu")


def test_every_shape_gets_the_category_of_the_highest_score(
    store: Store, classifier: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = store.shape_ids()
    found = predict_categories(classifier, store, names, CPU)
    assert sorted(found) == names
    opened = Evaluator.open(chosen_of(classifier), store.url, EvaluateConfig(), None, CPU)
    told = [prediction for prediction in opened.predict(names) if isinstance(prediction, PointPrediction)]
    assert len(told) == len(names)
    for prediction in told:
        assert prediction.class_scores is not None
        by_name = dict(zip(prediction.vocabulary.categories, prediction.class_scores.tolist(), strict=True))
        assert by_name[found[prediction.shape_id]] == max(by_name.values()) > min(by_name.values())
    monkeypatch.setattr(predicted, "AT_ONCE", 5)
    assert predict_categories(classifier, store, names, CPU) == found


def test_only_classifiers_predict_categories(store: Store, network: RunDirectory) -> None:
    with pytest.raises(ShapesysError, match="run 'issn' predicts no categories; train a classifier of clouds"):
        predict_categories(network, store, store.shape_ids("test"), CPU)


def test_predictions_come_back_from_a_file(tmp_path: Path) -> None:
    write_categories(tmp_path / "told.json", {"mug/b": "chair", "chair/a": "chair"})
    assert read_categories(tmp_path / "told.json") == {"chair/a": "chair", "mug/b": "chair"}
    assert (tmp_path / "told.json").read_text().index("chair/a") < (tmp_path / "told.json").read_text().index("mug/b")


@pytest.mark.parametrize("text", ["[1]", '{"chair/a": 3}'])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "told.json").write_text(text)
    with pytest.raises(ShapesysError, match=r"told\.json holds no predicted categories"):
        read_categories(tmp_path / "told.json")
    with pytest.raises(ShapesysError, match="missing"):
        read_categories(tmp_path / "absent.json")
