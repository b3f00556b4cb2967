"""One HTML file that shows a run, or several beside each other; it opens from disk, without a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shapesys.errors import ShapesysError
from shapesys.report.cloud_gallery import cloud_gallery
from shapesys.report.compare import Comparison, compare
from shapesys.report.compare_shapes import side_by_side
from shapesys.report.compare_view import comparison_view, scatter_data, split_view
from shapesys.report.gallery import gallery
from shapesys.report.load import RunReport, load_run
from shapesys.report.offline import asset, script_json, template, write_page
from shapesys.report.optimisation import optimisation_view
from shapesys.report.picture_gallery import superpixel_view
from shapesys.report.recognition import recognition_view
from shapesys.report.sections import evaluation_view, run_view
from shapesys.report.select import Selection
from shapesys.training.run_dir import RunDirectory


def build_page(runs: Sequence[RunDirectory], out: Path, selection: Selection | None = None) -> Path:
    """Write the offline page of one run or of several; several are compared first.

    Args:
        runs: run directories; what one lacks is left out of its section.
        out: the HTML file to write, replaced whole.
        selection: which shapes to show in 3D; fewer of each kind by default where there are several runs.

    Returns:
        `out`.

    Raises:
        ShapesysError: no run is given, jinja2 or matplotlib is missing, or a file of a run is broken.
    """
    if not runs:
        raise ShapesysError("a page needs at least one run; give the names or paths of runs")
    each = 2 if len(runs) == 1 else 1
    chosen = selection or Selection(best=each, median=each, worst=each)
    reports = [load_run(run) for run in runs]
    comparison = compare(reports) if len(reports) > 1 else None
    return write_page(render(reports, chosen, comparison, chosen.worst), out)


def build_comparison(comparison: Comparison, out: Path, worst: int = 2) -> Path:
    """Write the offline page of a comparison, without the pages of its runs.

    Args:
        comparison: what `compare` gave.
        out: the HTML file to write, replaced whole.
        worst: shapes to show in 3D: the worst of each run, and as many on which they differ most.

    Returns:
        `out`.

    Raises:
        ShapesysError: jinja2 or matplotlib is missing, or a file of a run is broken.
    """
    return write_page(render([], Selection(), comparison, worst), out)


def render(
    reports: Sequence[RunReport], selection: Selection, comparison: Comparison | None = None, worst: int = 1
) -> str:
    """The page's HTML: a comparison, where there is one, then each run by itself."""
    embedded: dict[str, str] = {}
    compared = None if comparison is None else _compared(comparison, worst, embedded)
    views = [_run(report, at, selection, embedded) for at, report in enumerate(reports)]
    names = [report.run.name for report in reports] or [c.name for c in (comparison.columns if comparison else ())]
    galleries = any(key.startswith("shapes-") for key in embedded)
    return template("page.html", "the offline page").render(
        title=" · ".join(names),
        runs=views,
        comparison=compared,
        embedded=embedded,
        style=asset("page.css"),
        scripts=[asset("page.js"), *([asset("scatter.js")] if compared else ())],
        viewer=asset("viewer.js") if galleries else "",
    )


def _run(report: RunReport, at: int, selection: Selection, embedded: dict[str, str]) -> dict[str, Any]:
    """A run's part of the page; the data of its 3D views goes to `embedded`."""
    evaluations: list[dict[str, Any]] = []
    for evaluation in report.evaluations:
        key = f"shapes-{at}-{len(evaluations)}"
        labelled = "vocabulary" in evaluation.summary
        shapes = cloud_gallery(evaluation, selection) if labelled else gallery(evaluation, selection)
        if shapes is not None:
            embedded[key] = script_json(shapes)
        shown = evaluation_view(evaluation, key, shapes) | recognition_view(evaluation.summary)
        shown |= superpixel_view(evaluation, selection) | optimisation_view(evaluation, shapes)
        evaluations.append(shown)
    return run_view(report, evaluations)


def _compared(comparison: Comparison, worst: int, embedded: dict[str, str]) -> dict[str, Any]:
    splits: list[dict[str, Any]] = []
    for at, split in enumerate(comparison.splits):
        key = f"shapes-both-{at}"
        shapes = side_by_side(split, worst) if len(split.columns) > 1 else None
        if shapes is not None:
            embedded[key] = script_json(shapes)
        splits.append(split_view(split, key, shapes))
        if splits[-1]["scatter"]:
            embedded[f"scatter-{at}"] = script_json(scatter_data(split, shapes))
    return comparison_view(comparison, splits)
