"""Runs that predict labels or superpixels, evaluated by the real code from made-up predictions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from report_support import trained_run

from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.labels import LabelTruth
from shapesys.evaluation.labels import measure as measure_labels
from shapesys.evaluation.measured import Measured
from shapesys.evaluation.results import Results
from shapesys.evaluation.superpixels import ImageTruth
from shapesys.evaluation.superpixels import measure as measure_superpixels
from shapesys.evaluation.whole_set import whole_set
from shapesys.families.base import PointPrediction, SuperpixelPrediction
from shapesys.metrics.aggregate import Summary
from shapesys.samples.vocabulary import Vocabulary
from shapesys.sources.image import AnnotatedImage
from shapesys.training.checkpoint import Checkpoint
from shapesys.training.run_dir import RunDirectory

NAMES = Vocabulary(("chair", "mug"), {"chair": ("seat", "back", "legs"), "mug": ("body", "handle")})
SETTINGS = EvaluateConfig()


def classified_run(root: Path, name: str, odds: Sequence[tuple[str, float]], names: Vocabulary = NAMES) -> RunDirectory:
    """Shapes, each with the probability that it is of the second category."""
    measured = []
    for shape_id, share in odds:
        scores = np.log(np.clip([1 - share, share], 1e-9, 1))
        prediction = PointPrediction(shape_id, names, class_scores=scores)
        measured.append(measure_labels(prediction, _truth(shape_id, np.empty(0, np.int32)), SETTINGS))
    return _finished(root, name, measured, names)


def parted_run(root: Path, name: str, shares: Sequence[tuple[str, float]], names: Vocabulary = NAMES) -> RunDirectory:
    """Shapes of 60 points with two parts in turn, each with the share of points whose part is right."""
    measured = []
    for shape_id, share in shares:
        labels = (np.arange(60) % 2).astype(np.int32)
        first = names.first_part(shape_id.split("/")[0])
        wrong = np.arange(60) >= round(60 * share)
        scores = np.where(np.eye(names.part_count)[first + np.where(wrong, 1 - labels, labels)] > 0, -0.1, -9.0)
        prediction = PointPrediction(shape_id, names, part_scores=scores)
        measured.append(measure_labels(prediction, _truth(shape_id, labels), SETTINGS))
    return _finished(root, name, measured, names)


def segmented_run(root: Path, name: str, counts: Sequence[int] = (2, 8), images: int = 3) -> RunDirectory:
    """Images of two halves, cut into stripes that miss the middle by one pixel more from image to image."""
    measured: list[Measured] = []
    halves = np.repeat([[0] * 24 + [1] * 24], 32, axis=0).astype(np.int32)
    pixels = np.full((32, 48, 3), 90, np.uint8)
    for at in range(images):
        stripes = {k: np.tile((np.arange(48) + at) * k // 48, (32, 1)).astype(np.int32) for k in counts}
        prediction = SuperpixelPrediction(f"image/{at}", stripes)
        truth = ImageTruth("image", "test", AnnotatedImage(pixels, halves[None]))
        measured.append(measure_superpixels(prediction, truth, SETTINGS))
    return _finished(root, name, measured, None)


def _truth(shape_id: str, labels: np.ndarray) -> LabelTruth:
    points = np.random.default_rng(0).uniform(-1, 1, (60, 3)).astype(np.float32)
    return LabelTruth(shape_id.split("/")[0], "test", points, labels)


def _finished(root: Path, name: str, measured: Sequence[Measured], names: Vocabulary | None) -> RunDirectory:
    run = trained_run(root, name, steps=0)
    directory = run.evaluation("test")
    results = Results(directory)
    results.begin(Checkpoint(Path("step_00000001")), "digest", {})
    for one in measured:
        results.add([one.row], one.records)
        one.write(directory)
    identities = [{key: one.row[key] for key in ("shape_id", "category", "split")} for one in measured]

    def together(table: pa.Table, summary: Summary) -> dict[str, Any]:
        return {} if names is None else whole_set(table, summary, names, SETTINGS)

    results.finish(pa.Table.from_pylist(identities), {"checkpoint_step": 1}, together)
    return run
