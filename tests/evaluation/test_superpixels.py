"""Superpixels from prediction to row and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shapesys.errors import ShapesysError
from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.pictures import OUTLINE, outlined, write_labels
from shapesys.evaluation.superpixels import ImageTruth, measure, read
from shapesys.families.base import SuperpixelPrediction
from shapesys.samples.image_rows import image_row
from shapesys.sources.image import AnnotatedImage
from shapesys.training.run_dir import EvaluationDirectory

HALVES = np.repeat([[0] * 12 + [1] * 12], 20, axis=0).astype(np.int32)
QUARTERS = (HALVES + 2 * (np.arange(20)[:, None] >= 10)).astype(np.int32)
PIXELS = np.full((20, 24, 3), 90, np.uint8)


def truth(*annotations: np.ndarray) -> ImageTruth:
    maps = np.stack(annotations) if annotations else np.empty((0, 20, 24), np.int32)
    return ImageTruth("image", "test", AnnotatedImage(PIXELS, maps))


def prediction(*counts: int) -> SuperpixelPrediction:
    return SuperpixelPrediction("image/1", {count: HALVES if count == 2 else QUARTERS for count in counts}, {"k": 1.0})


def test_a_row_holds_the_scores_of_every_count() -> None:
    row = measure(prediction(2, 4), truth(QUARTERS, HALVES), EvaluateConfig()).row
    assert (row["shape_id"], row["status"], row["reason"]) == ("image/1", "ok", "")
    assert row["asa/mean.k2"] == pytest.approx((0.5 + 1) / 2)
    assert row["asa/mean.k4"] == 1.0
    assert (row["superpixels/k2"], row["superpixels/k4"], row["fact/k"]) == (2.0, 4.0, 1.0)


@pytest.mark.parametrize(("annotator", "value"), [("best", 1.0), ("first", 0.5)])
def test_the_settings_say_how_annotators_are_joined(annotator: Any, value: float) -> None:
    row = measure(prediction(2), truth(QUARTERS, HALVES), EvaluateConfig(annotator=annotator)).row
    assert row[f"asa/{annotator}.k2"] == value


def test_the_settings_reach_the_other_scores() -> None:
    settings = EvaluateConfig(boundary_share=0.1, undersegmentation="levinshtein")
    found = {record.name: record.definition for record in measure(prediction(2), truth(HALVES), settings).records}
    assert found["boundary_recall/mean.k2"]["boundary_share"] == 0.1
    assert found["undersegmentation/mean.k2"]["convention"] == "levinshtein"


def test_an_image_that_nobody_annotated_is_no_score() -> None:
    with pytest.raises(ShapesysError, match="no annotation in the store"):
        measure(prediction(2), truth(), EvaluateConfig())


def test_outlines_are_kept_at_the_smallest_and_the_largest_count(tmp_path: Path) -> None:
    keep = EvaluationDirectory(tmp_path)
    measure(
        SuperpixelPrediction("image/1", {2: HALVES, 3: QUARTERS, 4: QUARTERS}), truth(HALVES), EvaluateConfig()
    ).write(keep)
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        "image__1.2.png", "image__1.4.png", "image__1.truth.png",
    ]  # fmt: skip
    drawn = np.asarray(Image.open(keep.picture("image/1", "2")))
    assert (drawn[:, 12] == OUTLINE).all()
    assert (np.delete(drawn, 12, axis=1) == 90).all()


def test_outlines_run_along_rows_and_columns() -> None:
    drawn = outlined(PIXELS, QUARTERS)
    on = (drawn == OUTLINE).all(axis=2)
    assert on[10].all()
    assert on[:, 12].all()
    assert on.sum() == 24 + 20 - 1


def test_labels_are_the_values_of_a_png(tmp_path: Path) -> None:
    path = write_labels(QUARTERS * 20_000, tmp_path / "labels.png")
    np.testing.assert_array_equal(np.asarray(Image.open(path)), QUARTERS * 20_000)
    with pytest.raises(ValueError, match="a PNG holds 0 to 65535"):
        write_labels(QUARTERS * 30_000, tmp_path / "labels.png")


def test_the_truth_comes_from_the_superpixels_view() -> None:
    row = image_row(AnnotatedImage(PIXELS, HALVES[None]))

    class Held:
        def read(self, view: str, ids: list[str]) -> dict[str, np.ndarray]:
            assert (view, ids) == ("superpixels", ["image/1"])
            return {name: np.frombuffer(data, np.uint8)[None] for name, data in row.items()}

    found = read(Held(), {"shape_id": "image/1", "category": "image", "split": "val"}, EvaluateConfig())  # type: ignore[arg-type]
    assert found.split == "val"
    np.testing.assert_array_equal(found.image.annotations, HALVES[None])
    np.testing.assert_array_equal(found.image.pixels, PIXELS)
