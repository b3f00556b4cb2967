"""The number that a search improves: one metric of an evaluation, over shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from shapesys.errors import ShapesysError, UsageError, unknown_name
from shapesys.evaluation.config import EvaluateConfig
from shapesys.families.base import Family
from shapesys.metrics.names import better_direction, split_name
from shapesys.training.config import TrainJob
from shapesys.tuning.probe import measured_names

Direction = Literal["min", "max"]

_OF_THE_SURFACE = ("chamfer", "fscore", "precision", "recall", "normal_consistency", "hausdorff")


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
    """A metric's statistic over all shapes of an evaluation's summary, or a number of the whole set, which has none.

    Raises:
        ShapesysError: shapes without a score, of which an average over the rest would say nothing; or no such metric.
    """
    overall = summary["overall"]
    _refuse_gaps(overall["counts"])
    together = summary.get("whole_set", {})
    if metric in together:
        return float(together[metric]["value"])
    found = overall["metrics"].get(metric)
    if found is None:
        known = [*overall["metrics"], *together]
        raise ShapesysError(f"the evaluation has {unknown_name('metric', metric, known)}")
    _refuse_unscored(metric, found, overall["counts"])
    value = found[statistic]
    if value is None or not math.isfinite(value):
        raise ShapesysError(f"the {statistic} of '{metric}' is {value}: no shape has a score")
    return float(value)


def metric_names(family: Family, evaluate: EvaluateConfig, job: TrainJob | None = None) -> list[str]:
    """Names of the metrics that an evaluation with these settings gives the family's shapes, without floors.

    Args:
        job: the training job, whose model may decide what is predicted; the family's defaults where not given.
    """
    return measured_names(family, evaluate, job)


def default_metric(family: Family, evaluate: EvaluateConfig, job: TrainJob | None = None) -> str:
    """What a search improves where nobody says: the first metric that the evaluation gives."""
    return metric_names(family, evaluate, job)[0]


def check_metric(metric: str, family: Family, evaluate: EvaluateConfig, job: TrainJob | None = None) -> None:
    """Refuse a metric that a trial would not have, before the first one is trained.

    Raises:
        UsageError: names the nearest metrics, or those that a metric without its convention may mean.
    """
    names = metric_names(family, evaluate, job)
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
