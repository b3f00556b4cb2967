"""Choose the shapes worth looking at: the best, the middle and the worst by one metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from shapesys.errors import unknown_name
from shapesys.metrics.names import split_name
from shapesys.report.load import Evaluation, Row
from shapesys.report.numbers import known
from shapesys.report.summary import MetricLine, metric_lines

_PREFERRED = ("chamfer/onet.chamfer_l1", "chamfer@onet.chamfer_l1", "chamfer", "cross_entropy", "iou", "fscore", "asa")


@dataclass(frozen=True)
class Selection:
    """What the page shows in 3D.

    Attributes:
        metric: ranks the shapes; Chamfer-L1 where it was measured, else the first metric.
        best, median, worst: how many shapes of each kind. Of classified ones, each with a single small picture, three
            times as many of the worst are shown: the mistakes.
    """

    metric: str | None = None
    best: int = 2
    median: int = 2
    worst: int = 2


@dataclass(frozen=True)
class Chosen:
    """A shape to show, and why."""

    kind: str
    row: Row


def ranking_metric(evaluation: Evaluation, wanted: str | None) -> MetricLine | None:
    """The metric that ranks shapes; None where nothing was measured.

    Raises:
        UsageError: `wanted` was not measured; names the nearest metrics.
    """
    return pick_metric({line.name: line for line in metric_lines(evaluation.summary)}, wanted)


def pick_metric(lines: Mapping[str, MetricLine], wanted: str | None) -> MetricLine | None:
    """The wanted metric, by its full name or by a part of it that no other has; Chamfer-L1, or the first, by default.

    Raises:
        UsageError: there is no such metric; names the nearest ones.
    """
    if wanted is not None:
        return _named(lines, wanted)
    for prefix in _PREFERRED:
        for name, line in lines.items():
            if name.startswith(prefix):
                return line
    return next(iter(lines.values()), None)


def _named(lines: Mapping[str, MetricLine], wanted: str) -> MetricLine:
    if wanted in lines:
        return lines[wanted]
    found = [line for line in lines.values() if wanted in (line.metric, line.variant)]
    if len(found) != 1:
        raise unknown_name("metric", wanted, lines)
    return found[0]


def choose(evaluation: Evaluation, selection: Selection) -> list[Chosen]:
    """Best, median and worst shapes of which something to draw was kept, each shape once, best first."""
    metric = ranking_metric(evaluation, selection.metric)
    if metric is None:
        return []
    sign = -1.0 if metric.better > 0 else 1.0
    rows = [row for row in evaluation.with_status("ok") if known(row.get(metric.name))]
    ranked = sorted(rows, key=lambda row: (sign * row[metric.name], row["shape_id"]))
    centre = (len(ranked) - 1) / 2
    middle = sorted(range(len(ranked)), key=lambda at: abs(at - centre))
    kinds: dict[int, str] = {}
    for kind, order, count in (
        ("best", range(len(ranked)), selection.best),
        ("worst", range(len(ranked))[::-1], selection.worst),
        ("median", middle, selection.median),
    ):
        # Meshes are looked for as they are needed: on network storage, looking for all would take minutes.
        able = (at for at in order if at not in kinds and can_be_drawn(evaluation, ranked[at]["shape_id"]))
        kinds |= dict.fromkeys(list(islice(able, count)), kind)
    return [Chosen(kinds[at], ranked[at]) for at in sorted(kinds)]


def can_be_drawn(evaluation: Evaluation, shape_id: str) -> bool:
    """Whether a shape's mesh, cloud or picture was kept."""
    directory, counts = evaluation.directory, superpixel_counts(evaluation.summary)
    if counts:
        return directory.picture(shape_id, str(counts[0])).is_file()
    return directory.prediction_mesh(shape_id).is_file() or directory.cloud(shape_id).is_file()


def superpixel_counts(summary: Mapping[str, Any]) -> list[int]:
    """The numbers of superpixels that were asked for, sorted; none where no superpixels were predicted."""
    names = (split_name(name) for name in summary.get("overall", {}).get("metrics", {}))
    return sorted(int(variant.removeprefix("k")) for metric, variant in names if metric == "superpixels")
