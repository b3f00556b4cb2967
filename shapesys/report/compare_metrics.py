"""One split of a comparison in numbers: means with their spread, and differences over the shapes that both have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from shapesys.geometry.mesh import Floats
from shapesys.metrics.bootstrap import RESAMPLES, mean_intervals
from shapesys.report.compare_columns import Column
from shapesys.report.compare_definitions import differing_definitions
from shapesys.report.load import Evaluation
from shapesys.report.numbers import known
from shapesys.report.summary import MetricLine, all_lines

CONFIDENCE = 0.95
_DRAWS = 100_000_000
"""Shapes drawn in all for the intervals, some seconds; of very many shapes fewer means are as good."""
_LEAST_RESAMPLES = 1_000


@dataclass(frozen=True)
class Cell:
    """One metric of one column.

    Attributes:
        mean: over the shapes; over the seeds' means where runs are grouped.
        spread: standard deviation over what `over` says, with n - 1; None for fewer than two.
        over: ``shapes`` or ``seeds``.
        count: how many of them.
        floor: mean of what two samplings of the ground truth give.
    """

    mean: float
    spread: float | None
    over: str
    count: int
    floor: float | None


@dataclass(frozen=True)
class Difference:
    """A column minus the baseline, over the shapes in which both have a value.

    Attributes:
        low, high: ends of the bootstrap interval of the mean; None for fewer than two shapes.
        won, lost, tied: shapes on which the column is better, worse, the same; None where neither way is better.
        shapes: how many shapes both have.
    """

    mean: float
    low: float | None
    high: float | None
    won: int | None
    lost: int | None
    tied: int | None
    shapes: int

    @property
    def certain(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


@dataclass(frozen=True)
class MetricComparison:
    """One metric in all columns.

    Attributes:
        line: the metric as one of the runs states it: name, direction, convention.
        cells: one per column; None where it was not measured.
        differences: one per column after the first, against the first; None where the two cannot be compared.
        differing: part of the definition -> each column's value; not empty where the metric means different things.
        best: columns with the best mean; empty where they may not be ranked.
    """

    line: MetricLine
    cells: tuple[Cell | None, ...]
    differences: tuple[Difference | None, ...] = ()
    differing: dict[str, list[Any]] = field(default_factory=dict)
    best: frozenset[int] = frozenset()


@dataclass(frozen=True)
class ShapeValues:
    """Per-shape values of all metrics.

    Attributes:
        shapes: ids of all shapes that any column has, in order.
        categories: each shape's category.
        lines: the metrics.
        values: (columns, shapes, metrics); NaN where a column, or one of its seeds, has no value.
    """

    shapes: list[str]
    categories: list[str]
    lines: list[MetricLine]
    values: Floats

    def of(self, name: str) -> Floats:
        """(columns, shapes) values of one metric."""
        return self.values[:, :, [line.name for line in self.lines].index(name)]


def shape_values(columns: Sequence[Column], split: str) -> ShapeValues:
    """The per-shape tables of all columns, shape by shape."""
    evaluations = [column.evaluations(split) for column in columns]
    categories = {row["shape_id"]: row.get("category") or "" for found in evaluations for e in found for row in e.rows}
    lines: dict[str, MetricLine] = {}
    for line in (line for found in evaluations for e in found for line in all_lines(e.summary)):
        lines.setdefault(line.name, line)
    shapes = sorted(categories)
    place = {shape: at for at, shape in enumerate(shapes)}
    values = np.full((len(columns), len(shapes), len(lines)), math.nan)
    for at, found in enumerate(evaluations):
        # A mean of some of the seeds would be of another quantity than its neighbours, so NaN in one is NaN in all.
        if found:
            values[at] = np.mean([_table(evaluation, place, list(lines)) for evaluation in found], axis=0)
    return ShapeValues(shapes, [categories[shape] for shape in shapes], list(lines.values()), values)


def compare_metrics(
    columns: Sequence[Column], split: str, table: ShapeValues, same_data: bool
) -> list[MetricComparison]:
    """Every metric of a split.

    Args:
        table: what `shape_values` gave.
        same_data: whether equal shape ids are known to be equal shapes; without that no column is called the best.
    """
    found = [_compared(columns, split, line, table, same_data) for line in table.lines]
    return _with_differences(found, table)


def _with_differences(found: Sequence[MetricComparison], table: ShapeValues) -> list[MetricComparison]:
    """All metrics of all columns at once: they share the draws of the bootstrap."""
    changes = table.values[1:] - table.values[:1]
    partners, shapes, metrics = changes.shape
    resamples = min(RESAMPLES, max(_LEAST_RESAMPLES, _DRAWS // max(1, shapes)))
    ends = mean_intervals(changes.transpose(1, 0, 2).reshape(shapes, partners * metrics), CONFIDENCE, resamples)
    low, high = (end.reshape(partners, metrics) for end in ends)
    return [
        replace(
            metric,
            differences=tuple(
                _difference(changes[at, :, row], metric.line.better, low[at, row], high[at, row])
                if _same_meaning(metric, at + 1)
                else None
                for at in range(partners)
            ),
        )
        for row, metric in enumerate(found)
    ]


def _same_meaning(metric: MetricComparison, at: int) -> bool:
    return all(
        held[at] is None or held[0] is None or repr(held[at]) == repr(held[0]) for held in metric.differing.values()
    )


def _difference(change: Floats, better: int, low: float, high: float) -> Difference | None:
    both = change[np.isfinite(change)]
    if not both.size:
        return None
    gains = np.sign(both) * better
    won, lost, tied = (int((gains == sign).sum()) if better else None for sign in (1, -1, 0))
    return Difference(float(both.mean()), _number(low), _number(high), won, lost, tied, both.size)


def _compared(
    columns: Sequence[Column], split: str, line: MetricLine, table: ShapeValues, same_data: bool
) -> MetricComparison:
    cells = tuple(_cell(column.evaluations(split), line.name) for column in columns)
    differing = differing_definitions(columns, split, line.name)
    present = [at for at, cell in enumerate(cells) if cell is not None]
    shown = table.values if line.of_the_set else table.of(line.name)[:, :, None]
    seen = {np.isfinite(shown[at]).any(axis=1).tobytes() for at in present}
    ranked = same_data and not differing and len(seen) == 1 and len(present) > 1
    return MetricComparison(line, cells, differing=differing, best=_best(cells, line.better) if ranked else frozenset())


def _best(cells: Sequence[Cell | None], better: int) -> frozenset[int]:
    means = {at: cell.mean for at, cell in enumerate(cells) if cell is not None}
    if not better or len(set(means.values())) < 2:
        return frozenset()
    best = (max if better > 0 else min)(means.values())
    return frozenset(at for at, mean in means.items() if mean == best)


def _cell(evaluations: Sequence[Evaluation], name: str) -> Cell | None:
    runs = [run for run in (_run_cell(evaluation, name) for evaluation in evaluations) if run is not None]
    if len(evaluations) < 2 or not runs:
        return runs[0] if runs else None
    means = np.array([run.mean for run in runs])
    floors = [run.floor for run in runs if run.floor is not None]
    return Cell(float(means.mean()), _deviation(means), "seeds", len(means), float(np.mean(floors)) if floors else None)


def _run_cell(evaluation: Evaluation, name: str) -> Cell | None:
    """From the rows; where those are gone, the summary's mean, whose spread nobody knows."""
    values = np.array([row[name] for row in evaluation.rows if known(row.get(name))])
    line = next((line for line in all_lines(evaluation.summary) if line.name == name), None)
    floor = None if line is None else line.floor
    if values.size:
        return Cell(float(values.mean()), _deviation(values), "shapes", values.size, floor)
    mean = None if line is None else line.overall.get("mean")
    if line is None or mean is None or not known(mean):
        return None
    return Cell(float(mean), None, "shapes", int(line.overall.get("count") or 0), floor)


def _deviation(values: Floats) -> float | None:
    return float(np.std(values, ddof=1)) if values.size > 1 else None


def _table(evaluation: Evaluation, place: dict[str, int], names: Sequence[str]) -> Floats:
    values = np.full((len(place), len(names)), math.nan)
    for row in evaluation.rows:
        values[place[row["shape_id"]]] = [row[name] if known(row.get(name)) else math.nan for name in names]
    return values


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
