"""The offline page of a reproduction: our numbers beside the published ones, the curve of a figure, every run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shapesys.report.offline import asset, template, write_page
from shapesys.report.picture_gallery import embedded_picture
from shapesys.report.plots import Chart, Curve, svg
from shapesys.reproduction.experiment import Finding, value_of
from shapesys.reproduction.recipe import Recipe
from shapesys.reproduction.table import Line, laid_out


def build_reproduction_page(
    recipe: Recipe, lines: Sequence[Line], findings: Sequence[Finding], notes: Sequence[str], out: Path
) -> Path:
    """Write the page and return its place.

    Raises:
        ShapesysError: jinja2 or matplotlib is missing, or the page cannot be written.
    """
    chart = curves(recipe, lines)
    text = template("reproduction.html", "the offline page").render(
        recipe=recipe,
        notes=notes,
        layout=laid_out(recipe, lines),
        chart=svg(chart, width=6.4, height=3.6) if chart else "",
        pictures=_pictures(findings),
        runs=[_run(recipe, finding) for finding in findings],
        measures=[measure.title for measure in recipe.measures],
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


def _pictures(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Pictures by variant, those of its first seed."""
    first: dict[str, Finding] = {}
    for finding in sorted(findings, key=lambda finding: finding.seed):
        first.setdefault(finding.variant, finding)
    shown = [(name, _embedded(found.pictures)) for name, found in first.items()]
    return [{"variant": name, "images": images} for name, images in shown if images]


def _embedded(paths: Sequence[str]) -> list[dict[str, str]]:
    """Pictures with the number of superpixels that was asked for, by which those of one image are sorted."""
    found = []
    for path in map(Path, paths):
        image, _, count = path.stem.rpartition(".")
        if source := embedded_picture(path):
            found.append((image, int(count), {"source": source, "caption": f"{count} superpixels asked for"}))
    return [shown for _, _, shown in sorted(found, key=lambda one: one[:2])]


def _run(recipe: Recipe, finding: Finding) -> dict[str, Any]:
    values = [value_of(finding.summary, measure) for measure in recipe.measures]
    texts = ["-" if v is None else f"{v:.{m.digits}f}" for v, m in zip(values, recipe.measures, strict=True)]
    return {"variant": finding.variant, "seed": finding.seed, "values": texts, "run": finding.run}
