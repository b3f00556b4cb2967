"""Made-up shapes, measured: which metrics an evaluation gives is told by the code that gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.evaluator import TRUE_COLUMNS
from shapesys.evaluation.labels import LabelTruth
from shapesys.evaluation.suites import suite_of
from shapesys.evaluation.superpixels import ImageTruth
from shapesys.evaluation.surfaces import Truth
from shapesys.families.base import Family, FieldPrediction, Observation, Prediction, TrainingData
from shapesys.fields.analytic import Sphere
from shapesys.fields.extraction import extract
from shapesys.geometry.mesh import Floats
from shapesys.geometry.normalise import Normalisation
from shapesys.metrics.aggregate import summarise
from shapesys.samples.vocabulary import Vocabulary
from shapesys.sources.image import AnnotatedImage
from shapesys.training.config import TrainJob

_PROBE = {"resolution": 8, "samples": 100, "saliency_points": 2}
_POINTS = 1024
_HEIGHT, _WIDTH = 48, 64
"""More pixels than any published number of superpixels."""
_VOCABULARY = Vocabulary(("first", "second"), {"first": ("a", "b"), "second": ("c", "d")})


@dataclass(frozen=True)
class _Ball(Sphere):
    """A ball that carries attributes."""

    names: tuple[str, ...] = ()

    def attributes(self, points: Floats) -> Mapping[str, Floats]:
        return {name: np.zeros(len(points), np.float32) for name in self.names}


def measured_names(family: Family, evaluate: EvaluateConfig, job: TrainJob | None = None) -> list[str]:
    """Names of the numbers that an evaluation gives the family: metrics of shapes, then numbers of the whole set.

    Args:
        job: the training job to evaluate; the family's defaults where not given.
    """
    model = family.config() if job is None else job.model
    if suite_of(family).predicts == "surfaces":
        tiny = EvaluateConfig(**(evaluate.model_dump() | _PROBE))
        return list(_of_a_ball(family, family.attributes(model), tiny.model_dump_json()))
    inference = (family.inference() if job is None else job.inference).override(evaluate.inference)
    return list(_of_an_untrained(family, *(part.model_dump_json() for part in (model, inference, evaluate))))


@cache
def _of_a_ball(family: Family, attributes: tuple[str, ...], evaluate: str) -> tuple[str, ...]:
    """A ball measured against itself, which takes no network."""
    settings = EvaluateConfig.model_validate_json(evaluate)
    ball = _Ball(names=attributes)
    mesh = extract(ball, settings.resolution).mesh
    cloud = np.asarray(mesh.vertices[: settings.saliency_points], np.float32)
    whole = Normalisation((0.0, 0.0, 0.0), 1.0)
    inside = (np.zeros((1, 3), np.float32), np.ones(1, bool))
    truth = Truth("ball", "", mesh, whole, cloud, lambda: None, inside)
    return _names(family, FieldPrediction("ball", ball), truth, settings)


@cache
def _of_an_untrained(family: Family, model: str, inference: str, evaluate: str) -> tuple[str, ...]:
    """What an untrained network says of a made-up observation."""
    columns, truth = _MADE_UP[suite_of(family).predicts]()
    config = family.config.model_validate_json(model)
    need = family.observed(config)
    needed = {name: columns[name] for name in need.columns if name not in TRUE_COLUMNS}
    data = TrainingData(1, _VOCABULARY, _VOCABULARY.categories[0])
    with torch.random.fork_rng(devices=[]):
        objective = family.build(config, data).eval()
    [prediction] = family.infer(
        objective, [Observation("first/1", needed, "first")], family.inference.model_validate_json(inference), 0
    )
    return _names(family, prediction, truth, EvaluateConfig.model_validate_json(evaluate))


def _names(family: Family, prediction: Prediction, truth: Any, settings: EvaluateConfig) -> tuple[str, ...]:
    suite = suite_of(family)
    measured = suite.measure(prediction, truth, settings)
    names = [record.name for record in measured.records]
    if suite.whole_set is None:
        return tuple(names)
    summary = summarise([measured.row], names)
    together = suite.whole_set(pa.Table.from_pylist([measured.row]), summary, _VOCABULARY, settings)
    return (*names, *together["whole_set"])


def _made_up_cloud() -> tuple[dict[str, np.ndarray], LabelTruth]:
    """A ball small enough for one block of a room."""
    normals = np.random.default_rng(0).standard_normal((_POINTS, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    points = np.float32(0.4) * normals
    labels = (np.arange(_POINTS) % 2).astype(np.int32)
    columns = {"points": points, "normals": normals, "colors": np.full_like(points, 0.5)}
    return columns, LabelTruth("first", "", points, labels)


def _made_up_image() -> tuple[dict[str, np.ndarray], ImageTruth]:
    """Two halves."""
    # Imported on use: of the kinds, only this one needs an image library.
    from shapesys.samples.image_rows import image_row

    halves = np.zeros((1, _HEIGHT, _WIDTH), np.int32)
    halves[:, :, _WIDTH // 2 :] = 1
    image = AnnotatedImage(np.repeat(255 * halves[0, :, :, None], 3, axis=2).astype(np.uint8), halves)
    encoded = np.frombuffer(image_row(image)["image"], np.uint8)
    return {"image": encoded}, ImageTruth("first", "", image)


_MADE_UP: dict[str, Callable[[], tuple[dict[str, np.ndarray], Any]]] = {
    "labels": _made_up_cloud,
    "superpixels": _made_up_image,
}
