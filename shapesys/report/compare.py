"""Runs set beside each other: in what they differ, what they score, and on which shapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shapesys.report.compare_columns import (
    SEED,
    Column,
    differing_settings,
    grouped_by_value,
    make_columns,
    replicates,
)
from shapesys.report.compare_definitions import evaluation_remarks, same_store, training_remarks
from shapesys.report.compare_metrics import MetricComparison, ShapeValues, compare_metrics, shape_values
from shapesys.report.load import Evaluation, RunReport
from shapesys.report.select import pick_metric
from shapesys.report.summary import MetricLine, counts


@dataclass(frozen=True)
class SplitComparison:
    """One split.

    Attributes:
        columns: those that were evaluated on it, the baseline first.
        counts: shapes by outcome, per column; of all its seeds together.
        metrics: one line per metric.
        table: every shape.
        statuses: per column, shape -> outcome (the worst among its seeds) for the shapes it has.
        chosen: the metric that ranks shapes; None where nothing was measured.
        remarks: a line for everything that makes the numbers less comparable.
    """

    split: str
    columns: tuple[Column, ...]
    counts: tuple[dict[str, int], ...]
    metrics: tuple[MetricComparison, ...]
    table: ShapeValues
    statuses: tuple[dict[str, str], ...]
    chosen: MetricLine | None
    remarks: tuple[str, ...]

    @property
    def ranking(self) -> MetricComparison | None:
        """The comparison in the chosen metric."""
        return next((metric for metric in self.metrics if self.chosen and metric.line.name == self.chosen.name), None)


@dataclass(frozen=True)
class Comparison:
    """All of it.

    Attributes:
        settings: dotted path and each column's value, where they differ.
        splits: those on which at least two columns were evaluated.
        remarks: about the runs as a whole.
    """

    columns: tuple[Column, ...]
    settings: tuple[tuple[str, list[Any]], ...]
    splits: tuple[SplitComparison, ...]
    remarks: tuple[str, ...]


def compare(
    reports: Sequence[RunReport], split: str | None = None, metric: str | None = None, group_seeds: bool = False
) -> Comparison:
    """Compare runs; the first is the baseline.

    Args:
        reports: two runs or more.
        split: compare this one alone; all that at least two columns have by default.
        metric: ranks shapes; Chamfer-L1 where it was measured.
        group_seeds: one column for runs that differ in nothing but their training seed.

    Raises:
        UsageError: no run has the metric; names the nearest ones.
    """
    columns = make_columns(reports, group_seeds)
    held = {name: [c for c in columns if c.evaluations(name)] for name in ([split] if split else _splits(reports))}
    shared = {name: found for name, found in held.items() if len(found) > 1 or (found and len(columns) == 1)}
    alone = [
        f"only {found[0].name} was evaluated on {name}"
        for name, found in held.items()
        if len(found) == 1 < len(columns)
    ]
    hints = [] if group_seeds else _replicated(reports, columns)
    splits = [compare_split(found, name, metric) for name, found in shared.items()]
    return Comparison(
        columns=tuple(columns),
        settings=tuple(differing_settings(columns)),
        splits=tuple(splits),
        remarks=(*training_remarks(columns), *alone, *hints),
    )


def compare_split(columns: Sequence[Column], split: str, metric: str | None = None) -> SplitComparison:
    """One split of columns that were all evaluated on it."""
    table = shape_values(columns, split)
    same_data = same_store(columns, split)
    metrics = compare_metrics(columns, split, table, same_data)
    chosen = pick_metric({line.name: line for line in table.lines if not line.of_the_set}, metric)
    statuses = [_statuses(column.evaluations(split)) for column in columns]
    remarks = [*evaluation_remarks(columns, split), *_mixed(columns, metrics), *_unlike_shapes(columns, statuses)]
    return SplitComparison(
        split, tuple(columns), tuple(_counts(column.evaluations(split)) for column in columns), tuple(metrics), table,
        tuple(statuses), chosen, (*remarks, *_unranked(columns, table)),
    )  # fmt: skip


def _splits(reports: Sequence[RunReport]) -> list[str]:
    return list(dict.fromkeys(evaluation.split for report in reports for evaluation in report.evaluations))


def _counts(evaluations: Sequence[Evaluation]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for evaluation in evaluations:
        total.update(counts(evaluation.summary))
    return dict(total)


def _statuses(evaluations: Sequence[Evaluation]) -> dict[str, str]:
    """Shape -> outcome; with several seeds the first that is not ``ok``."""
    found: dict[str, str] = {}
    for row in (row for evaluation in evaluations for row in evaluation.rows):
        if found.get(row["shape_id"], "ok") == "ok":
            found[row["shape_id"]] = str(row.get("status", ""))
    return found


def _mixed(columns: Sequence[Column], metrics: Sequence[MetricComparison]) -> list[str]:
    """A line for every part of a definition in which columns differ, with the metrics it makes incomparable."""
    affected: dict[str, list[str]] = {}
    for metric in metrics:
        for part, values in metric.differing.items():
            line = f"{part.replace('_', ' ')}: {grouped_by_value(columns, values)}"
            affected.setdefault(line, []).append(metric.line.name)
    return [f"{line} - other definition, not compared: {', '.join(names)}" for line, names in affected.items()]


def _unlike_shapes(columns: Sequence[Column], statuses: Sequence[Mapping[str, str]]) -> list[str]:
    """How many shapes each column has that not all of them have."""
    common = set(statuses[0]).intersection(*statuses[1:])
    extra = [f"{len(set(has) - common)} more in {column.name}" for column, has in zip(columns, statuses, strict=True)
             if set(has) - common]  # fmt: skip
    return [f"{len(common)} shapes are in all; {', '.join(extra)}"] if extra else []


def _unranked(columns: Sequence[Column], table: ShapeValues) -> list[str]:
    """A line where means are over different shapes, which explains why none is marked as best."""
    affected: dict[str, list[str]] = {}
    for line in table.lines:
        present = np.isfinite(table.of(line.name))
        if (present != present[0]).any():
            sizes = ", ".join(
                f"{int(has.sum())} in {column.name}" for column, has in zip(columns, present, strict=True)
            )
            affected.setdefault(sizes, []).append(line.name)
    return [
        f"means over different shapes, so none is marked as best ({sizes}): {', '.join(names)}"
        for sizes, names in affected.items()
    ]


def _replicated(reports: Sequence[RunReport], columns: Sequence[Column]) -> list[str]:
    groups = [", ".join(columns[at].name for at in group) for group in replicates(reports) if len(group) > 1]
    return [
        f"{names} differ in {SEED} alone; 'shapesys compare --group-seeds' shows them as one column" for names in groups
    ]
