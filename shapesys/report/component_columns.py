"""Floaters in the table of shapes: facts that are no scores, shown where there is anything beside a main surface."""

from __future__ import annotations

from collections.abc import Sequence

from shapesys.evaluation.row_log import AREA_SHARE, COMPONENTS
from shapesys.report.load import Row
from shapesys.report.numbers import known
from shapesys.report.summary import MetricLine


def component_lines(rows: Sequence[Row]) -> list[MetricLine]:
    """How many components each surface has, and the share of the largest's area; none where all surfaces are one."""
    if all(row.get(COMPONENTS) in (None, 0.0, 1.0) for row in rows):
        return []
    return [_line(COMPONENTS, rows), _line(AREA_SHARE, rows)]


def _line(name: str, rows: Sequence[Row]) -> MetricLine:
    values = [float(row[name]) for row in rows if known(row.get(name))]
    return MetricLine(name, 0, {}, {"mean": sum(values) / len(values)}, None, {}, {})
