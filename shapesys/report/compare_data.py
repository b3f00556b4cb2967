"""A comparison as plain data, for machines."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from shapesys.report.compare import Comparison, SplitComparison
from shapesys.report.compare_columns import Column
from shapesys.report.compare_metrics import MetricComparison


def comparison_data(comparison: Comparison) -> dict[str, Any]:
    """Runs, settings that differ, and per split counts, metrics, differences and every shape in the ranking metric."""
    names = [column.name for column in comparison.columns]
    return {
        "baseline": names[0],
        "runs": [_column(column) for column in comparison.columns],
        "settings": {path: dict(zip(names, values, strict=True)) for path, values in comparison.settings},
        "splits": {split.split: _split(split) for split in comparison.splits},
        "remarks": list(comparison.remarks),
    }


def _column(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "paths": [report.run.path for report in column.reports],
        "family": column.reports[0].config.get("family"),
        "preset": column.reports[0].config.get("preset"),
        "seeds": [report.config.get("train", {}).get("seed") for report in column.reports],
    }


def _split(split: SplitComparison) -> dict[str, Any]:
    names = [column.name for column in split.columns]
    return {
        "columns": names,
        "counts": dict(zip(names, split.counts, strict=True)),
        "remarks": list(split.remarks),
        "metrics": {metric.line.name: _metric(metric, names) for metric in split.metrics},
        "ranked_by": split.chosen.name if split.chosen else None,
        "shapes": _shapes(split, names),
    }


def _metric(metric: MetricComparison, names: list[str]) -> dict[str, Any]:
    cells = zip(names, metric.cells, strict=True)
    differences = zip(names[1:], metric.differences, strict=True)
    return {
        "better": {1: "higher", -1: "lower", 0: None}[metric.line.better],
        "convention": metric.line.convention,
        "comparable": not metric.differing,
        "differing_definition": {part: dict(zip(names, held, strict=True)) for part, held in metric.differing.items()},
        "columns": {name: None if cell is None else asdict(cell) for name, cell in cells},
        "best": sorted(names[at] for at in metric.best),
        "differences": {name: None if found is None else asdict(found) for name, found in differences},
    }


def _shapes(split: SplitComparison, names: list[str]) -> list[dict[str, Any]]:
    values = None if split.chosen is None else split.table.of(split.chosen.name)
    return [
        {
            "shape_id": shape,
            "category": category,
            "status": {name: found.get(shape) for name, found in zip(names, split.statuses, strict=True)},
            "values": {} if values is None else {name: float(values[col, at]) for col, name in enumerate(names)},
        }
        for at, (shape, category) in enumerate(zip(split.table.shapes, split.table.categories, strict=True))
    ]
