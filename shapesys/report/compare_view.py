"""What the page says of a comparison, as plain data for the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from shapesys.geometry.mesh import Floats
from shapesys.report import plots
from shapesys.report.compare import Comparison, SplitComparison
from shapesys.report.compare_columns import Column
from shapesys.report.compare_metrics import Cell, Difference, MetricComparison
from shapesys.report.compare_picks import MOST_COLUMNS
from shapesys.report.compare_text import (
    change_text,
    floor_text,
    have_floors,
    interval_text,
    mean_text,
    paired_words,
    spread_words,
    tone,
    won_text,
)
from shapesys.report.excerpt import drawn_from, worst_of
from shapesys.report.load import RunReport
from shapesys.report.numbers import formatter, known
from shapesys.report.sections import metric_view

_SIDE_BY_SIDE = "The worst shapes of each run and those on which the runs differ most."
_COLOURS = " All runs share one colour scale; the ground truth is plain."
_DIGITS = 5
"""Significant digits of the values behind the scatter."""


def comparison_view(comparison: Comparison, splits: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Header, settings and curves of a comparison; its splits as `split_view` made them."""
    histories = {name: report.history for column in comparison.columns for name, report in _members(column)}
    return {
        "runs": sum(len(column.reports) for column in comparison.columns),
        "columns": [_column(column) for column in comparison.columns],
        "settings": comparison.settings,
        "remarks": comparison.remarks,
        "splits": splits,
        "charts": [plots.svg(chart) for chart in plots.charts(histories)],
    }


def split_view(split: SplitComparison, key: str, shapes: Mapping[str, Any] | None) -> dict[str, Any]:
    """One split; `key` names its embedded data, `shapes` is what `side_by_side` gave."""
    outcomes = list(dict.fromkeys(name for counts in split.counts for name in counts))
    several = len(split.columns) > 1
    return {
        "split": split.split,
        "key": key,
        "names": [column.name for column in split.columns],
        "outcomes": outcomes,
        "counts": [[counts.get(name, 0) for name in outcomes] for counts in split.counts],
        "remarks": split.remarks,
        "spread": spread_words(split.metrics),
        "paired": paired_words(split) if several else "",
        "floors": have_floors(split.metrics),
        "metrics": [_metric(metric) for metric in split.metrics],
        "chosen": split.chosen.name if split.chosen else "",
        "gallery": shapes,
        "side_note": _side_note(split, shapes),
        "scatter": several and split.ranking is not None and _overlap(split),
        "table": _shape_table(split, shapes, key) if split.chosen else None,
    }


def scatter_data(split: SplitComparison, shapes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Shapes' values of every metric, for the scatter that the page draws; of very many some, with those in 3D."""
    total, shown = len(split.table.shapes), {shape["id"] for shape in (shapes or {}).get("shapes", ())}
    drawn = drawn_from(total, [at for at, shape in enumerate(split.table.shapes) if shape in shown])
    return {
        "chosen": split.chosen.name if split.chosen else None,
        "names": [column.name for column in split.columns],
        "shapes": [split.table.shapes[at] for at in drawn],
        "categories": [split.table.categories[at] for at in drawn],
        "of": total,
        "colours": plots.COLOURS,
        "metrics": [_scatter_metric(metric, split, drawn) for metric in split.metrics if not metric.line.of_the_set],
    }


def _scatter_metric(metric: MetricComparison, split: SplitComparison, drawn: list[int]) -> dict[str, Any]:
    values = split.table.of(metric.line.name)[:, drawn]
    return {
        "name": metric.line.name,
        "better": metric.line.better,
        "mixed": bool(metric.differing),
        "values": [[_short(value) for value in row] for row in values.tolist()],
    }


def _short(value: float) -> float | None:
    return float(f"{value:.{_DIGITS}g}") if known(value) else None


def _side_note(split: SplitComparison, shapes: Mapping[str, Any] | None) -> str:
    colours = "" if (shapes or {}).get("clouds") else _COLOURS
    limit = f" The first {MOST_COLUMNS} runs are shown." if len(split.columns) > MOST_COLUMNS else ""
    return f"{_SIDE_BY_SIDE}{colours}{limit}"


def _overlap(split: SplitComparison) -> bool:
    """Whether any two columns share a shape, so that there is something to set beside something."""
    assert split.chosen is not None
    return bool((np.isfinite(split.table.of(split.chosen.name)).sum(axis=0) > 1).any())


def _members(column: Column) -> list[tuple[str, RunReport]]:
    """Every run by itself, since curves of several seeds are not averaged."""
    if not column.replicated:
        return [(column.name, column.reports[0])]
    return [(f"{column.name}: {report.run.name}", report) for report in column.reports]


def _column(column: Column) -> dict[str, Any]:
    report = column.reports[0]
    return {
        "name": column.name,
        "family": report.config.get("family", ""),
        "preset": report.config.get("preset", ""),
        "paths": [str(report.run.path) for report in column.reports],
    }


def _metric(metric: MetricComparison) -> dict[str, Any]:
    return {
        **metric_view(metric.line),
        "floor": floor_text(metric),
        "mixed": bool(metric.differing),
        "cells": [_cell(metric, at, cell) for at, cell in enumerate(metric.cells)],
        "differences": [_difference(metric, found) for found in metric.differences],
    }


def _cell(metric: MetricComparison, at: int, cell: Cell | None) -> dict[str, Any]:
    mean, _, spread = mean_text(metric, cell).partition(" ± ")
    count = "" if cell is None else f"{cell.count} {cell.over}"
    return {"mean": mean, "spread": spread, "count": count, "best": at in metric.best}


def _difference(metric: MetricComparison, found: Difference | None) -> dict[str, Any] | None:
    if found is None:
        return None
    texts = {"change": change_text(found), "interval": interval_text(found), "won": won_text(found)}
    return texts | {"tone": tone(metric, found), "shapes": found.shapes}


def _shape_table(split: SplitComparison, shapes: Mapping[str, Any] | None, key: str) -> dict[str, Any]:
    """Every shape in the ranking metric; those shown in 3D with the place they are shown at."""
    assert split.chosen is not None
    values = split.table.of(split.chosen.name)
    places = {shape["id"]: f"{key}-{at}" for at, shape in enumerate((shapes or {}).get("shapes", ()))}
    show = formatter(split.chosen.reference)
    excerpt = worst_of(_costs(values, split.chosen.better), split.chosen.name, "each run's shapes.parquet")
    return {
        "metric": metric_view(split.chosen),
        "title": excerpt.title,
        "rows": [
            {
                "id": split.table.shapes[at],
                "category": split.table.categories[at],
                "place": places.get(split.table.shapes[at], ""),
                "status": _outcomes([found.get(split.table.shapes[at], "missing") for found in split.statuses]),
                "cells": [_number(show, value) for value in values[:, at].tolist()],
                "width": _number(show, _width(values[:, at].tolist())),
            }
            for at in excerpt.places
        ],
    }


def _costs(values: Floats, better: int) -> list[float]:
    """Of every shape what its worst column gives it; infinite where one has no value."""
    cost = values if better < 1 else -values
    found: list[float] = np.where(np.isfinite(cost).all(axis=0), np.fmax.reduce(cost, axis=0), np.inf).tolist()
    return found


def _outcomes(found: Sequence[str]) -> str:
    """'ok' where all are, else each column's."""
    return found[0] if len(set(found)) == 1 else ", ".join(found)


def _width(values: Sequence[float]) -> float | None:
    """Of two columns the second minus the first; of more, how far apart they are."""
    finite = [value for value in values if known(value)]
    if len(finite) < 2:
        return None
    return values[1] - values[0] if len(values) == 2 else max(finite) - min(finite)


def _number(show: Any, value: float | None) -> dict[str, Any]:
    return {"text": show(value), "sort": value if known(value) else ""}
