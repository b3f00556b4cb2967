"""Predicted superpixels against what people drew: one row of numbers per image, and pictures of the outlines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import ShapesysError
from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.measured import Measured, identity
from shapesys.families.base import SuperpixelPrediction
from shapesys.metrics.superpixel import SuperpixelSettings, superpixel_metrics
from shapesys.samples.store import Store
from shapesys.sources.image import AnnotatedImage
from shapesys.training.run_dir import EvaluationDirectory

TRUTH = "truth"


@dataclass(frozen=True)
class ImageTruth:
    """An image and what people drew on it; category and split as prepared."""

    category: str
    split: str
    image: AnnotatedImage


@dataclass(frozen=True)
class MeasuredSuperpixels(Measured):
    """With the picture to keep, and its maps by requested count."""

    image: AnnotatedImage
    maps: Mapping[int, NDArray[np.integer]]

    def write(self, keep: EvaluationDirectory) -> None:
        """The outlines at the smallest and at the largest count, and those of the first annotator."""
        from shapesys.evaluation.pictures import write_outlined

        shape_id = self.row["shape_id"]
        for count in sorted({min(self.maps), max(self.maps)}):
            write_outlined(self.image.pixels, self.maps[count], keep.picture(shape_id, str(count)))
        if len(self.image.annotations):
            write_outlined(self.image.pixels, self.image.annotations[0], keep.picture(shape_id, TRUTH))


def read(store: Store, shape: Mapping[str, Any], settings: EvaluateConfig) -> ImageTruth:
    """The image of a row of the `shapes` view, with its annotations."""
    # Imported on use: of the views, only this one needs an image library.
    from shapesys.samples.image_rows import decoded

    found = store.read("superpixels", [shape["shape_id"]])
    return ImageTruth(shape["category"], shape["split"], decoded(found["image"][0], found["annotations"][0]))


def measure(prediction: SuperpixelPrediction, truth: ImageTruth, settings: EvaluateConfig) -> MeasuredSuperpixels:
    """Score the superpixels at every requested count.

    Raises:
        ShapesysError: nobody annotated the image, so that there is nothing to compare with.
    """
    if not len(truth.image.annotations):
        raise ShapesysError("the image has no annotation in the store; prepare it from a source that has them")
    open_choices = SuperpixelSettings(settings.annotator, settings.boundary_share, settings.undersegmentation)
    scores = superpixel_metrics(prediction.maps, truth.image.annotations, open_choices)
    row = {
        **identity(prediction.shape_id, truth.category, truth.split, scores.status, scores.reason),
        **scores.values,
        **{f"fact/{name}": float(value) for name, value in prediction.facts.items()},
    }
    return MeasuredSuperpixels(row, scores.records, truth.image, prediction.maps)
