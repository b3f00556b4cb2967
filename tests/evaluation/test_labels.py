"""Classes and parts from prediction to summary, with answers that are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shapesys.errors import ShapesysError
from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.labels import LabelTruth, measure, read
from shapesys.evaluation.results import Results
from shapesys.evaluation.whole_set import whole_set
from shapesys.families.base import PointPrediction
from shapesys.geometry.cloud import Cloud
from shapesys.geometry.cloud_io import parse_cloud
from shapesys.geometry.io import parse_geometry
from shapesys.metrics.aggregate import Summary
from shapesys.samples.vocabulary import Vocabulary
from shapesys.training.checkpoint import Checkpoint
from shapesys.training.run_dir import EvaluationDirectory

NAMES = Vocabulary(("chair", "mug"), {"chair": ("seat", "back", "legs"), "mug": ("body", "handle")})
SETTINGS = EvaluateConfig()
RESTRICTED = "iou/part.restricted"


def truth(category: str, labels: list[int], parts: tuple[str, ...] = ()) -> LabelTruth:
    points = np.random.default_rng(0).standard_normal((len(labels) or 3, 3)).astype(np.float32)
    return LabelTruth(category, "test", points, np.array(labels, np.int32), parts)


def parts_of(shape_id: str, numbers: list[int], **facts: float) -> PointPrediction:
    """Certain of these part numbers."""
    scores = np.where(np.eye(5)[numbers] > 0, 0.0, -20.0)
    return PointPrediction(shape_id, NAMES, part_scores=scores, facts=facts)


def class_of(shape_id: str, probabilities: list[float]) -> PointPrediction:
    return PointPrediction(shape_id, NAMES, class_scores=np.log(probabilities))


def read_cloud(path: Path) -> Cloud:
    return parse_cloud(path.read_bytes(), path.name)


def finished(tmp_path: Path, rows: list[dict[str, Any]], records: Any = (), size: int = 1) -> dict[str, Any]:
    """The summary of rows that came in batches of a size."""
    results = Results(EvaluationDirectory(tmp_path / "evaluation/test"))
    results.begin(Checkpoint(Path("step_00000001")), "digest", {})
    for start in range(0, len(rows), size):
        results.add(rows[start : start + size], records)
    expected = pa.Table.from_pylist([{name: row[name] for name in ("shape_id", "category", "split")} for row in rows])

    def together(table: pa.Table, summary: Summary) -> dict[str, Any]:
        return whole_set(table, summary, NAMES, SETTINGS)

    return results.finish(expected, {}, together)


def test_a_row_of_parts_holds_iou_accuracy_and_counts() -> None:
    measured = measure(parts_of("mug/1", [3, 3, 4, 3], loss=0.5), truth("mug", [0, 0, 1, 1]), SETTINGS)
    row = measured.row
    assert (row["shape_id"], row["category"], row["split"], row["status"]) == ("mug/1", "mug", "test", "ok")
    assert row[RESTRICTED] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert row["accuracy/point.restricted"] == 0.75
    assert {name: value for name, value in row.items() if name.startswith("count/")} == {
        "count/true/mug: body": 2.0, "count/true/mug: handle": 2.0,
        "count/found/mug: body": 3.0, "count/found/mug: handle": 1.0,
        "count/hits/mug: body": 2.0, "count/hits/mug: handle": 1.0,
    }  # fmt: skip
    assert row["fact/loss"] == 0.5


def test_restricted_takes_the_best_part_of_the_true_category_and_free_any() -> None:
    scores = np.array([[0.0, -9, -9, -1, -2], [-9, -9, -9, -1, -2]])
    prediction = PointPrediction("mug/1", NAMES, part_scores=scores)
    both = [
        measure(prediction, truth("mug", [0, 0]), EvaluateConfig(part_argmax=how)).row for how in ("restricted", "free")
    ]  # type: ignore[arg-type]
    assert both[0][RESTRICTED] == 1.0
    assert both[1]["iou/part.free"] == pytest.approx((1 / 2 + 1) / 2)
    assert both[1]["count/found/chair: seat"] == 1.0


def test_a_row_of_a_class_says_what_was_predicted_and_how_surely() -> None:
    row = measure(class_of("chair/1", [0.38, 0.62]), truth("chair", []), EvaluateConfig(accuracy_ranks=(1, 2))).row
    assert (row["accuracy/top1"], row["accuracy/top2"]) == (0.0, 1.0)
    assert (row["fact/predicted_class"], row["fact/probability"]) == (1.0, pytest.approx(0.62))


@pytest.mark.parametrize(
    ("prediction", "known", "words"),
    [
        (parts_of("lamp/1", [0]), truth("lamp", [0]), "category 'lamp' is unknown here; known: chair, mug"),
        (parts_of("mug/1", [3]), truth("mug", []), "no part labels in the store"),
        (parts_of("mug/1", [3]), truth("mug", [0], ("handle", "body")), "store's parts of 'mug' are handle, body; the"),
        (parts_of("mug/1", [3, 3]), truth("mug", [0]), "labels 2 points, but 1 were observed"),
        (PointPrediction("mug/1", NAMES), truth("mug", [0]), "neither classes nor parts"),
    ],
)
def test_what_cannot_be_compared_says_why(prediction: PointPrediction, known: LabelTruth, words: str) -> None:
    with pytest.raises(ShapesysError, match=words):
        measure(prediction, known, SETTINGS)


def test_what_nobody_annotated_is_no_part() -> None:
    names = Vocabulary(("room",), {"room": ("unannotated", "wall", "floor")})
    scores = np.array([[0.0, -1, -2], [0.0, -2, -1], [0.0, -1, -2]])
    prediction = PointPrediction("room/1", names, part_scores=scores)
    for argmax in ("restricted", "free"):
        measured = measure(prediction, truth("room", [1, 2, 0]), EvaluateConfig(part_argmax=argmax))
        assert measured.row[f"iou/part.{argmax}"] == 1.0
        assert measured.row["count/true/room: wall"] == measured.row["count/found/room: wall"] == 1.0
        assert measured.predicted is not None
        assert measured.predicted.tolist() == [1, 2, 1], "no prediction is 'unannotated'"


def test_parts_out_of_range_are_an_error_of_the_shape() -> None:
    with pytest.raises(ValueError, match=r"truth holds parts \[5\]"):
        measure(parts_of("mug/1", [3, 3]), truth("mug", [0, 2]), SETTINGS)


def test_the_kept_cloud_has_predicted_and_true_parts_and_says_what_they_mean(tmp_path: Path) -> None:
    keep = EvaluationDirectory(tmp_path)
    known = truth("mug", [0, 1, -1])
    measure(parts_of("mug/1", [3, 3, 4]), known, SETTINGS).write(keep)
    path = keep.cloud("mug/1")
    cloud = read_cloud(path)
    np.testing.assert_array_equal(cloud.points, known.points)
    assert cloud.labels is not None
    assert cloud.colors is not None
    assert cloud.labels.tolist() == [3, 3, 4]
    assert parse_geometry(path.read_bytes(), path.name).attributes["truth"].tolist() == [3, 4, -1]
    assert (cloud.colors[0] == cloud.colors[1]).all()
    assert (cloud.colors[0] != cloud.colors[2]).any()
    assert b"comment label 4 mug: handle\n" in path.read_bytes()


def test_the_kept_cloud_of_a_class_has_points_alone(tmp_path: Path) -> None:
    keep = EvaluationDirectory(tmp_path)
    measure(class_of("chair/1", [0.9, 0.1]), truth("chair", []), SETTINGS).write(keep)
    assert len(read_cloud(keep.cloud("chair/1"))) == 3


def test_the_truth_comes_from_the_cloud_view() -> None:
    class Held:
        def read(self, view: str, ids: list[str], columns: list[str]) -> dict[str, np.ndarray]:
            assert (view, ids, columns) == ("cloud", ["mug/1"], ["points", "labels"])
            return {"points": np.zeros((1, 2, 3), np.float32), "labels": np.array([[0, 1]], np.int32)}

    shape = {"shape_id": "mug/1", "category": "mug", "split": "val", "parts": ["body", "handle"]}
    found = read(Held(), shape, SETTINGS)  # type: ignore[arg-type]
    assert (found.category, found.split, found.parts) == ("mug", "val", ("body", "handle"))
    assert found.labels.tolist() == [0, 1]


CLASSES = [("chair/1", [0.9, 0.1]), ("chair/2", [0.2, 0.8]), ("chair/3", [0.7, 0.3]), ("mug/1", [0.6, 0.4])]


@pytest.mark.parametrize("size", [1, 3, 4])
def test_classes_of_a_set_give_oa_macc_and_confusion_whatever_the_batches(tmp_path: Path, size: int) -> None:
    made = [measure(class_of(name, odds), truth(name.split("/")[0], []), SETTINGS) for name, odds in CLASSES]
    failed = {"shape_id": "lamp/1", "category": "lamp", "split": "test", "status": "failed", "reason": "unknown"}
    summary = finished(tmp_path, [*(one.row for one in made), failed], made[0].records, size)
    assert summary["confusion"] == {"labels": ["chair", "mug"], "counts": [[2, 1], [1, 0]]}
    assert {name: score["value"] for name, score in summary["whole_set"].items()} == {
        "oa/class": 0.5, "macc/class": pytest.approx((2 / 3 + 0) / 2),
    }  # fmt: skip
    assert summary["whole_set"]["macc/class"]["label"] == "mean-class accuracy (mAcc)"
    assert summary["overall"]["metrics"]["accuracy/top1"]["mean"] == 0.5
    assert summary["counts"]["failed"] == 1
    assert set(summary["overall"]["metrics"]) == {"accuracy/top1", "cross_entropy/class"}, "facts are no metrics"
    assert summary["vocabulary"] == NAMES.to_json()


def test_parts_of_a_set_give_instance_category_and_pooled_numbers(tmp_path: Path) -> None:
    made = [
        measure(parts_of("chair/1", [0, 1, 2, 2]), truth("chair", [0, 1, 2, 2]), SETTINGS),
        measure(parts_of("chair/2", [0, 0, 2, 2]), truth("chair", [0, 1, 2, 2]), SETTINGS),
        measure(parts_of("mug/1", [3, 3]), truth("mug", [0, 1]), SETTINGS),
    ]
    summary = finished(tmp_path, [one.row for one in made])
    found = {name: score["value"] for name, score in summary["whole_set"].items()}
    chairs, mug = [1.0, (1 / 2 + 0 + 1) / 3], (1 / 2 + 0) / 2
    ious = [2 / 3, 1 / 2, 1.0, 1 / 2, 0.0]
    assert found == {
        "miou/instance.restricted": pytest.approx((sum(chairs) + mug) / 3),
        "miou/category.restricted": pytest.approx((np.mean(chairs) + mug) / 2),
        "oa/point.restricted": pytest.approx(8 / 10),
        "macc/part.restricted": pytest.approx(np.mean([1, 1 / 2, 1, 1, 0])),
        "miou/part.restricted": pytest.approx(np.mean(ious)),
    }
    assert [part["iou"] for part in summary["parts"]] == pytest.approx(ious)
    assert summary["parts"][0] == {
        "category": "chair", "part": "seat", "points": 2, "accuracy": 1.0, "iou": pytest.approx(2 / 3),
    }  # fmt: skip
    assert "confusion" not in summary


def test_a_set_in_which_all_failed_has_no_numbers(tmp_path: Path) -> None:
    failed = {"shape_id": "lamp/1", "category": "lamp", "split": "test", "status": "failed", "reason": "unknown"}
    summary = finished(tmp_path, [failed])
    assert summary["whole_set"] == {}
    assert "confusion" not in summary
