"""The number that a search improves: one metric of an evaluation, over shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

from shapesys.errors import ShapesysError, UsageError, unknown_name
from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.measure import Truth, measure
from shapesys.families.base import Family, FieldPrediction
from shapesys.fields.analytic import Sphere
from shapesys.fields.extraction import extract
from shapesys.geometry.mesh import Floats
from shapesys.geometry.normalise import Normalisation
from shapesys.metrics.names import better_direction, split_name

Direction = Literal["min", "max"]

_OF_THE_SURFACE = ("chamfer", "fscore", "precision", "recall", "normal_consistency", "hausdorff")
_PROBE = {"resolution": 8, "samples": 100, "saliency_points": 2}


def direction(metric: str) -> Direction:
    """Whether a smaller or a larger value of a metric is better.

    Raises:
        UsageError: the metric is known for neither.
    """
    better = better_direction(metric)
    if better == 0:
        raise UsageError(f"neither small nor large values of '{metric}' are better; optimise another metric")
    return "max" if better > 0 else "min"


def value_of(summary: Mapping[str, Any], metric: str, statistic: str = "mean") -> float:
    """A metric's statistic over all shapes of an evaluation's summary.

    Raises:
        ShapesysError: shapes without a score, of which an average over the rest would say nothing; or no such metric.
    """
    overall = summary["overall"]
    _refuse_gaps(overall["counts"])
    found = overall["metrics"].get(metric)
    if found is None:
        raise ShapesysError(f"the evaluation has {unknown_name('metric', metric, overall['metrics'])}")
    _refuse_unscored(metric, found, overall["counts"])
    value = found[statistic]
    if value is None or not math.isfinite(value):
        raise ShapesysError(f"the {statistic} of '{metric}' is {value}: no shape has a score")
    return float(value)


def metric_names(family: Family, evaluate: EvaluateConfig) -> list[str]:
    """Names of the metrics that an evaluation with these settings gives the family's shapes, without floors."""
    tiny = EvaluateConfig(**(evaluate.model_dump() | _PROBE))
    return list(_names(family.traits.attributes, tiny.model_dump_json()))


def check_metric(metric: str, family: Family, evaluate: EvaluateConfig) -> None:
    """Refuse a metric that a trial would not have, before the first one is trained.

    Raises:
        UsageError: names the nearest metrics, or those that a metric without its convention may mean.
    """
    names = metric_names(family, evaluate)
    if metric in names:
        return
    meant = [name for name in names if split_name(name)[0] == metric]
    if meant:
        raise UsageError(f"metric '{metric}' lacks its convention; choose one of: {', '.join(meant)}")
    raise unknown_name("metric", metric, names)


def _refuse_gaps(counts: Mapping[str, int]) -> None:
    total = sum(counts.values())
    gaps = {what: counts[what] for what in ("failed", "missing") if counts.get(what)}
    if gaps:
        what = " and ".join(f"{count} of {total} shapes {_verb(name, count)}" for name, count in gaps.items())
        raise ShapesysError(f"{what}; an average over the rest would flatter it")


def _verb(outcome: str, count: int) -> str:
    return "failed" if outcome == "failed" else "is missing" if count == 1 else "are missing"


def _refuse_unscored(metric: str, found: Mapping[str, Any], counts: Mapping[str, int]) -> None:
    """Some conventions score no empty reconstruction, and its absence must not count as a success."""
    empty = counts.get("empty", 0)
    if empty and found.get("undefined") and split_name(metric)[0] in _OF_THE_SURFACE:
        raise ShapesysError(
            f"{empty} of {sum(counts.values())} reconstructions are empty, for which '{metric}' defines no score; an "
            "average over the rest would flatter it (chamfer/onet.chamfer_l1 scores them)"
        )


@dataclass(frozen=True)
class _Ball(Sphere):
    """A ball that carries attributes."""

    names: tuple[str, ...] = ()

    def attributes(self, points: Floats) -> Mapping[str, Floats]:
        return {name: np.zeros(len(points), np.float32) for name in self.names}


@cache
def _names(attributes: tuple[str, ...], settings: str) -> tuple[str, ...]:
    """What measuring a ball against itself gives: the names come from the code that gives the numbers."""
    evaluate = EvaluateConfig.model_validate_json(settings)
    ball = _Ball(names=attributes)
    mesh = extract(ball, evaluate.resolution).mesh
    cloud = np.asarray(mesh.vertices[: evaluate.saliency_points], np.float32)
    whole = Normalisation((0.0, 0.0, 0.0), 1.0)
    truth = Truth("ball", evaluate.split, mesh, whole, cloud, None, (np.zeros((1, 3), np.float32), np.ones(1, bool)))
    measured = measure(FieldPrediction("ball", ball), truth, evaluate)
    return tuple(record.name for record in measured.records)
