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
    chart = curves(recipe, lines)
    measured = [m for m in recipe.measures if any(value_of(finding.summary, m) is not None for finding in findings)]
    labels = [variant.label for variant in recipe.variants]
    text = template("reproduction.html", "the offline page").render(
        recipe=recipe,
        baselines=recipe.baselines(),
        notes=notes,
        layout=laid_out(recipe, lines),
        chart=svg(chart, width=6.4, height=3.6) if chart else "",
        galleries=picture_rows(labels, findings),
        scatter=_scatter(labels, findings),
        runs=[_run(measured, finding) for finding in findings],
        measures=[measure.title for measure in measured],
        style=asset("page.css"),
    )
    return write_page(text, out)


def curves(recipe: Recipe, lines: Sequence[Line]) -> Chart | None:
    """A figure's curves, means over the seeds; None for a table."""
    placed = [measure for measure in recipe.measures if measure.at is not None]
    if not recipe.axis or not placed:
        return None
    found = []
    for line in lines:
        points = [(m.at, mean) for m in placed if (mean := line.cells[m.title].mean) is not None]
        if points:
            at, values = np.array(points, np.float64).T
            found.append(Curve(line.label, at, values))
    return Chart("", tuple(found), across=recipe.axis, marked=True) if found else None


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
