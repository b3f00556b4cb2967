"""Predictors whose answers are formulas of what they see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from shapesys.config.base import Config, setting
from shapesys.errors import ShapesysError
from shapesys.evaluation.predict import Predictor
from shapesys.families import registry
from shapesys.families.base import Need, Observation, PointPrediction, Prediction, SuperpixelPrediction
from shapesys.samples.image_rows import decoded_pixels
from shapesys.samples.vocabulary import Vocabulary
from shapesys.training.run_dir import RunDirectory

NAMES = Vocabulary(("chair", "mug"), {"chair": ("low", "high"), "mug": ("body", "handle")})


class Answering(Config):
    """What the formulas may be told."""

    superpixels: tuple[int, ...] = setting((4,), help="counts")


def halves(observations: Sequence[Observation]) -> list[Prediction]:
    """Parts 'low' below the middle of the frame, 'high' above; a mug's where the category says so."""
    found: list[Prediction] = []
    for item in observations:
        high = item.columns["points"][:, 2] > 0
        scores = np.full((len(high), 4), -5.0)
        scores[np.arange(len(high)), high.astype(int)] = -0.1
        scores[:, 2] = -1.0
        found.append(PointPrediction(item.shape_id, NAMES, part_scores=scores))
    return found


def told(observations: Sequence[Observation]) -> list[Prediction]:
    """The same of a model that must be told the category."""
    if not observations[0].category:
        raise ShapesysError("the network is told a shape's category; name it, one of: chair, mug")
    return halves(observations)


def classes(observations: Sequence[Observation]) -> list[Prediction]:
    """A mug where it has points above half the radius along z, with 0.8; else a chair."""
    found: list[Prediction] = []
    for item in observations:
        tall = bool((item.columns["points"][:, 2] > 0.5).any())
        found.append(PointPrediction(item.shape_id, NAMES, class_scores=np.log([0.2, 0.8] if tall else [0.8, 0.2])))
    return found


def stripes(observations: Sequence[Observation], config: Answering) -> list[Prediction]:
    """As many upright stripes as asked for."""
    found: list[Prediction] = []
    for item in observations:
        height, width = decoded_pixels(item.columns["image"]).shape[:2]
        maps = {k: np.tile(np.arange(width) * k // width, (height, 1)).astype(np.int32) for k in config.superpixels}
        found.append(SuperpixelPrediction(item.shape_id, maps))
    return found


Answer = Callable[[Sequence[Observation]], list[Prediction]]


def predictor(answer: Answer, run: RunDirectory, vocabulary: Vocabulary = NAMES) -> Predictor:
    """Of clouds."""

    def infer(objective: Any, observations: Sequence[Observation], config: Any, seed: int) -> list[Prediction]:
        assert all("labels" not in item.columns for item in observations)
        return answer(observations)

    needs = (Need("cloud", ("points", "normals", "colors", "labels")),)
    family = replace(registry.load("issn"), predicts=PointPrediction, needs=needs, infer=infer)
    return Predictor(run, family, None, Answering(), vocabulary, 0)  # type: ignore[arg-type]


def image_predictor(run: RunDirectory, config: Answering | None = None) -> Predictor:
    """Of images."""

    def infer(objective: Any, observations: Sequence[Observation], config: Any, seed: int) -> list[Prediction]:
        return stripes(observations, config)

    needs = (Need("superpixels", ("image", "annotations")),)
    family = replace(registry.load("issn"), predicts=SuperpixelPrediction, needs=needs, infer=infer)
    return Predictor(run, family, None, config or Answering(), Vocabulary(), 0)  # type: ignore[arg-type]
