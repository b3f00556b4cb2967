"""Saliency maps of a store's clouds by each method: fields (ISSN and the like), PCSM, PCA."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from shapesys.errors import ShapesysError, UsageError
from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.evaluator import Evaluator
from shapesys.families.base import FieldPrediction
from shapesys.families.points.objective import PointObjective
from shapesys.families.points.pcsm import point_cloud_saliency
from shapesys.fields.network_field import SALIENCY
from shapesys.geometry.mesh import Floats
from shapesys.geometry.surface_variation import surface_variation
from shapesys.saliency.config import MapSettings
from shapesys.samples.saliency_maps import Map
from shapesys.samples.store import Store
from shapesys.training.checkpoint import chosen_of, restore
from shapesys.training.run_dir import RunDirectory

Maps = dict[str, Map]

SHAPES_AT_ONCE = 16
"""Shapes whose codes are optimised together, and clouds that pass a classifier together."""


def geometry_maps(store: Store, shape_ids: Sequence[str], settings: MapSettings) -> Maps:
    """PCA saliency: the surface variation of every point's neighbourhood."""
    return {
        name: surface_variation(points, settings.neighbours)
        for name, points in zip(shape_ids, _clouds(store, shape_ids, settings.points), strict=True)
    }


def gradient_maps(
    run: RunDirectory,
    store: Store,
    shape_ids: Sequence[str],
    settings: MapSettings,
    device: torch.device,
    categories: Mapping[str, str] | None = None,
) -> Maps:
    """PCSM: what a trained classifier would lose with each point.

    Args:
        categories: shape id -> the category that the classifier is to stand by; the true one where None.

    Raises:
        UsageError: the run is no classifier of points.
        ShapesysError: no checkpoint, or a shape of a category that the run does not know.
    """
    objective, job, _ = restore(chosen_of(run), device)
    if not isinstance(objective, PointObjective):
        raise UsageError(
            f"run '{run.name}' is of family '{job.family}', which classifies no clouds; PCSM needs one of a network "
            "on points"
        )
    found: Maps = {}
    for names in _batches(shape_ids):
        clouds = stored_points(store, names, settings.points)
        named = [categories[name] if categories else name.partition("/")[0] for name in names]
        classes = [objective.vocabulary.class_of(category) for category in named]
        scores = point_cloud_saliency(objective, clouds, classes, alpha=settings.alpha)
        found |= dict(zip(names, scores, strict=True))
    return found


def field_maps(
    run: RunDirectory, store: Store, shape_ids: Sequence[str], settings: MapSettings, device: torch.device
) -> Maps:
    """Saliency that a trained field gives the points, with the shape's trained code, or one found for it.

    Raises:
        UsageError: the run predicts no saliency.
        ShapesysError: no checkpoint, or a shape that nothing can be predicted of.
    """
    measured = EvaluateConfig(
        observed_queries=settings.observed_queries, inference=settings.inference, seed=settings.seed
    )
    evaluator = Evaluator.open(chosen_of(run), store.url, measured, None, device)
    found: Maps = {}
    for names in _batches(shape_ids):
        for prediction in evaluator.predict(names):
            points = stored_points(store, [prediction.shape_id], settings.points)[0]
            found[prediction.shape_id] = _saliency(run, prediction, points)
    return found


def _saliency(run: RunDirectory, prediction: Any, points: Floats) -> Map:
    attributes: Mapping[str, Floats] = (
        prediction.field.attributes(points) if isinstance(prediction, FieldPrediction) else {}
    )
    if SALIENCY not in attributes:
        raise UsageError(
            f"run '{run.name}' predicts no saliency; use one of issn, issn_csl, or sal with a saliency head"
        )
    values: Map = attributes[SALIENCY].astype(np.float32)
    return values


def stored_points(store: Store, shape_ids: Sequence[str], count: int) -> Floats:
    """(B, count, 3) the first points of stored clouds.

    Raises:
        ShapesysError: a cloud has fewer.
    """
    found = list(_clouds(store, shape_ids, count))
    return np.stack(found) if found else np.empty((0, count, 3), np.float32)


def _batches(shape_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(shape_ids), SHAPES_AT_ONCE):
        yield shape_ids[first : first + SHAPES_AT_ONCE]


def _clouds(store: Store, shape_ids: Sequence[str], count: int) -> Iterator[Floats]:
    for name in shape_ids:
        points = store.read("cloud", [name], ["points"])["points"][0]
        if len(points) < count:
            raise ShapesysError(
                f"saliency of {count} points was asked for, but the cloud of '{name}' has {len(points)}; lower "
                "--points, or prepare larger clouds"
            )
        yield points[:count]
