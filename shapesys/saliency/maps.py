"""Saliency maps of a store's clouds by each method: fields (ISSN and the like), PCSM, PCA."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from shapesys.config.base import changed
from shapesys.errors import ShapesysError, UsageError
from shapesys.evaluation.apart import together_or_apart
from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.evaluator import Evaluator
from shapesys.families.base import FieldPrediction, Prediction
from shapesys.families.points.objective import PointObjective
from shapesys.families.points.pcsm import point_cloud_saliency
from shapesys.fields.network_field import SALIENCY
from shapesys.geometry.mesh import Floats
from shapesys.geometry.surface_variation import surface_variation
from shapesys.saliency.config import MapSettings
from shapesys.saliency.kinds import SALIENT, Kind
from shapesys.samples.saliency_maps import Map
from shapesys.samples.shape_ids import category_of
from shapesys.samples.store import Store
from shapesys.training.checkpoint import chosen_of, restore
from shapesys.training.run_dir import RunDirectory

SHAPES_AT_ONCE = 16
"""Shapes whose codes are optimised together, and clouds that pass a classifier together."""


@dataclass(frozen=True)
class Maps:
    """The maps of some shapes.

    Attributes:
        values: shape id -> saliency of the first points of its cloud.
        failed: shape id -> why it has no map.
    """

    values: dict[str, Map] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def __or__(self, other: Maps) -> Maps:
        return Maps(self.values | other.values, self.failed | other.failed)


def make_maps(
    kind: Kind,
    run: RunDirectory | None,
    store: Store,
    shape_ids: Sequence[str],
    settings: MapSettings,
    device: torch.device,
    categories: Mapping[str, str] | None = None,
) -> Maps:
    """Maps of a kind.

    Args:
        run: whose network makes them; None for those by geometry.
        categories: shape id -> the category that a classifier is to stand by; the true one where None.

    Raises:
        UsageError: the run makes no maps of this kind, or has no such inference setting.
        ShapesysError: no checkpoint, a shape of a category that a classifier does not know, or no shape has a map.
    """
    if kind == "geometry":
        return geometry_maps(store, shape_ids, settings)
    assert run is not None, f"maps of kind '{kind}' need a network"
    if kind == "classifier":
        return gradient_maps(run, store, shape_ids, settings, device, categories)
    return field_maps(run, store, shape_ids, settings, device)


def geometry_maps(store: Store, shape_ids: Sequence[str], settings: MapSettings) -> Maps:
    """PCA saliency: the surface variation of every point's neighbourhood.

    Raises:
        ShapesysError: no shape has a map; says why the first has none.
    """

    def make(names: Sequence[str]) -> list[tuple[str, Map]]:
        clouds = zip(names, _clouds(store, names, settings.points), strict=True)
        return [(name, surface_variation(cloud, settings.neighbours)) for name, cloud in clouds]

    return _all(shape_ids, make)


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
        ShapesysError: no checkpoint, a shape of a category that the run does not know, or no shape has a map.
    """
    objective, job, _ = restore(chosen_of(run), device)
    if not isinstance(objective, PointObjective):
        raise UsageError(
            f"run '{run.name}' is of family '{job.family}', which classifies no clouds; PCSM needs one of a network "
            "on points"
        )
    known = objective.vocabulary
    classes = {name: known.class_of(categories[name] if categories else category_of(name)) for name in shape_ids}

    def make(names: Sequence[str]) -> list[tuple[str, Map]]:
        clouds = stored_points(store, names, settings.points)
        told = [classes[name] for name in names]
        return list(zip(names, point_cloud_saliency(objective, clouds, told, alpha=settings.alpha), strict=True))

    return _all(shape_ids, make)


def field_maps(
    run: RunDirectory, store: Store, shape_ids: Sequence[str], settings: MapSettings, device: torch.device
) -> Maps:
    """Saliency that a trained field gives the points, with the shape's trained code, or one found for it.

    Raises:
        UsageError: the run predicts no saliency, or has no such inference setting.
        ShapesysError: no checkpoint, or no shape has a map.
    """
    measured = EvaluateConfig(
        observed_queries=settings.observed_queries, inference=settings.inference, seed=settings.seed
    )
    evaluator = Evaluator.open(chosen_of(run), store.url, measured, None, device)
    if SALIENCY not in evaluator.family.attributes(evaluator.job.model):
        raise UsageError(f"run '{run.name}' of family '{evaluator.job.family}' predicts no saliency; {SALIENT}")
    # A misspelt one would fail every shape.
    changed(evaluator.job.inference, settings.inference)

    def make(names: Sequence[str]) -> list[tuple[str, Map]]:
        clouds = dict(zip(names, _clouds(store, names, settings.points), strict=True))
        return [(found.shape_id, _saliency(found, clouds[found.shape_id])) for found in evaluator.predict(names)]

    return _all(shape_ids, make)


def _saliency(prediction: Prediction, points: Floats) -> Map:
    assert isinstance(prediction, FieldPrediction), f"'{prediction.shape_id}' has no field"
    values: Map = prediction.field.attributes(points)[SALIENCY].astype(np.float32)
    return values


def _all(shape_ids: Sequence[str], make: Callable[[Sequence[str]], list[tuple[str, Map]]]) -> Maps:
    """Maps batch by batch; one that is not finite is none."""
    found = Maps()
    for names in _batches(shape_ids):
        made, failed = together_or_apart(names, make)
        broken = {name: "its map is not finite" for name, values in made if not np.isfinite(values).all()}
        found |= Maps({name: values for name, values in made if name not in broken}, failed | broken)
    if found.failed and not found.values:
        raise ShapesysError(next(iter(found.failed.values())))
    return found


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
