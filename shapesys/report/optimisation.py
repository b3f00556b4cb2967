"""How optimisation at test time went, for a page: charts, and iterations and losses in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from shapesys.errors import ShapesysError
from shapesys.evaluation.curves import KeptCurves, Spread, kept_curves, read_curves
from shapesys.evaluation.row_log import LOSS_FLOOR
from shapesys.report.load import Evaluation, Row
from shapesys.report.numbers import formatter, known
from shapesys.report.optimisation_chart import Panel, ShownShape, chart, median_name

_FLOORS = {"loss": LOSS_FLOOR}
"""Curve -> the fact that it does not get below."""
_STOPS_TOLD = 4
"""Iterations from which it is told how many shapes still ran, where some stopped early."""


def optimisation_view(evaluation: Evaluation, gallery: Mapping[str, Any] | None) -> dict[str, Any]:
    """A part of an evaluation's section; empty where no shape was optimised.

    Args:
        gallery: the shapes that the page shows in 3D, which have a line of their own.
    """
    kept = kept_curves(evaluation.directory)
    shown = (gallery or {}).get("shapes", ())
    panels = [panel_of(evaluation, name, spread, shown) for name, spread in kept.spreads.items()]
    return {"optimisation": [_view(panel, kept) for panel in panels]}


def panel_of(evaluation: Evaluation, name: str, spread: Spread, shown: Any) -> Panel:
    """One curve, with a line for each shown shape, by ``id`` and ``kind``, that has it."""
    rows = {row["shape_id"]: row for row in evaluation.rows}
    found = (_shown(evaluation, shape, name, rows.get(shape["id"], {})) for shape in shown)
    measured = [_floor(row, name) for row in evaluation.with_status("ok", "empty")]
    floors = [floor for floor in measured if floor is not None]
    everywhere = bool(floors) and len(floors) == len(measured)
    shapes = tuple(shape for shape in found if shape is not None)
    return Panel(name, spread, shapes, float(np.median(floors)) if everywhere else None)


def _shown(evaluation: Evaluation, shape: Mapping[str, Any], name: str, row: Row) -> ShownShape | None:
    """None where the shape has no such curve, or its file cannot be read."""
    try:
        values = read_curves(evaluation.directory.curves(shape["id"])).get(name)
    except ShapesysError:
        return None
    if values is None or not len(values):
        return None
    return ShownShape(shape["id"], shape["kind"], values, _floor(row, name))


def _floor(row: Row, name: str) -> float | None:
    value = row.get(_FLOORS.get(name, ""))
    return float(value) if value is not None and known(value) else None


def _view(panel: Panel, kept: KeptCurves) -> dict[str, Any]:
    floors = panel.floor is not None
    return {
        "name": panel.name,
        "chart": chart(panel),
        "note": " ".join(filter(None, (_over(panel.spread, kept), still_running(panel.spread)))),
        "columns": ["iterations", "first", "last", *(["least possible"] if floors else [])],
        "rows": _rows(panel, floors),
    }


def _over(spread: Spread, kept: KeptCurves) -> str:
    shapes = len(spread.lengths)
    if kept.read < kept.of:
        return f"Median and quartiles are over {shapes:,} shapes, picked evenly among {kept.of:,}."
    return f"Median and quartiles are over {shapes:,} shapes." if shapes > 1 else "One shape was optimised."


def still_running(spread: Spread) -> str:
    """How many shapes the median is over as it goes on; empty where all have as many iterations."""
    *stops, most = np.unique(spread.lengths).tolist()
    if not stops:
        return ""
    places = np.unique(np.linspace(0, len(stops) - 1, _STOPS_TOLD).round().astype(int))
    told = ", ".join(f"{spread.running(stops[place]):,} from iteration {stops[place]:,}" for place in places)
    return (
        "A shape that stopped early counts no more from there on, where the median's line is thinner: it is over all "
        f"{len(spread.lengths):,} shapes up to iteration {stops[0] - 1:,}, {told}, to {most - 1:,}."
    )


def _rows(panel: Panel, floors: bool) -> list[dict[str, Any]]:
    """The medians, then each shape that has a line; cells as text."""
    spread, many = panel.spread, len(panel.spread.lengths)
    ends = (float(np.median(spread.firsts)), float(np.median(spread.lasts)))
    say = formatter(ends[1], 4)

    def row(kind: str, name: str, iterations: float, *values: float | None) -> dict[str, Any]:
        cells = [f"{iterations:,g}", *map(say, values if floors else values[:2])]
        return {"kind": kind, "name": name, "cells": cells}

    shapes = [
        row(shape.kind, shape.shape_id, len(shape.values), *shape.values[[0, -1]].tolist(), shape.floor)
        for shape in panel.shapes
    ]
    if panel.of_one:
        return shapes
    return [row("", median_name(many), float(np.median(spread.lengths)), *ends, panel.floor), *shapes]
