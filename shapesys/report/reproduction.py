"""The offline page of a reproduction: our numbers beside the published ones, curves, pictures, points, every run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shapesys.report.offline import asset, template, write_page
from shapesys.report.picture_rows import first_seed, picture_rows
from shapesys.report.plots import Chart, Curve, svg
from shapesys.report.scatter import categories_of, legend_svg, scatter_svg
from shapesys.reproduction.finding import Finding, value_of
from shapesys.reproduction.recipe import Measure, Recipe
from shapesys.reproduction.table import Line, laid_out


def build_reproduction_page(
    recipe: Recipe, lines: Sequence[Line], findings: Sequence[Finding], notes: Sequence[str], out: Path
) -> Path:
    """Write the page and return its place.

    Raises:
        ShapesysError: jinja2 or matplotlib is missing, or the page cannot be written.
    """
    measured = [m for m in recipe.measures if any(value_of(finding.summary, m) is not None for finding in findings)]
    labels = [variant.label for variant in recipe.variants]
    text = template("reproduction.html", "the offline page").render(
        recipe=recipe,
        baselines=recipe.baselines(),
        notes=notes,
        layout=laid_out(recipe, lines),
        charts=[svg(chart, width=6.4, height=3.6) for chart in charts(recipe, lines)],
        galleries=picture_rows(labels, findings),
        scatter=_scatter(labels, findings),
        runs=[_run(measured, finding) for finding in findings],
        measures=[measure.title for measure in measured],
        style=asset("page.css"),
    )
    return write_page(text, out)


def charts(recipe: Recipe, lines: Sequence[Line]) -> list[Chart]:
    """A figure's curves, means over the seeds; none of a table.

    Either measures lie along the axis, and each variant is a curve of one chart, or variants do, and each measure is a
    chart of its own.
    """
    if not recipe.axis:
        return []
    places = {variant.label: variant.at for variant in recipe.variants if variant.at is not None}
    if places:
        found = [
            (m.title, [_curve("", [(places[one.label], _mean(one, m)) for one in lines])]) for m in recipe.measures
        ]
    else:
        along = [(m.at, m) for m in recipe.measures if m.at is not None]
        found = [("", [_curve(line.label, [(at, _mean(line, m)) for at, m in along]) for line in lines])]
    kept = [(title, tuple(curve for curve in curves if len(curve.steps))) for title, curves in found]
    return [Chart(title, curves, across=recipe.axis, marked=True) for title, curves in kept if curves]


def _mean(line: Line, measure: Measure) -> float | None:
    return line.cells[measure.title].mean


def _curve(name: str, points: Sequence[tuple[float, float | None]]) -> Curve:
    at, values = np.array([point for point in points if point[1] is not None], np.float64).reshape(-1, 2).T
    return Curve(name, at, values)


def _scatter(labels: Sequence[str], findings: Sequence[Finding]) -> dict[str, Any] | None:
    """Figures of the variants, each of its first seed that has one, with one legend for all; None without any."""
    having = [finding for finding in findings if finding.scatter is not None]
    chosen = [(label, one.scatter) for label in labels for one in first_seed(label, having) if one.scatter]
    if not chosen:
        return None
    names = categories_of(scatter for _, scatter in chosen)
    figures = [{"variant": label, "svg": scatter_svg(scatter, names, legend=False)} for label, scatter in chosen]
    return {"figures": figures, "legend": legend_svg(names)}


def _run(measures: Sequence[Measure], finding: Finding) -> dict[str, Any]:
    values = [value_of(finding.summary, measure) for measure in measures]
    texts = ["-" if v is None else f"{v:.{m.digits}f}" for v, m in zip(values, measures, strict=True)]
    return {"variant": finding.variant, "seed": finding.seed, "values": texts, "run": finding.run}
