"""The page of a sweep: one HTML file that opens from disk, without a network, at any time of the sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shapesys.report import sweep_plots
from shapesys.report.offline import asset, template, write_page
from shapesys.report.sweep_importance import Importance, importance
from shapesys.report.sweep_load import SweepReport, load_sweep_report
from shapesys.report.sweep_parallel import parallel
from shapesys.report.sweep_sections import best_view, error_views, headline, seeds_sentence, trial_table
from shapesys.report.sweep_text import short_names
from shapesys.tuning.sweep_dir import SweepDirectory


def build_sweep_page(directory: SweepDirectory, out: Path) -> Path:
    """Write the offline page of a sweep, whatever it holds by now.

    Args:
        directory: the sweep's; it may be running.
        out: the HTML file to write, replaced whole; links to the pages of trials are relative to its folder.

    Returns:
        `out`.

    Raises:
        ShapesysError: sweep.json is missing or broken, jinja2 or matplotlib is missing, or `out` cannot be
            written.
    """
    return write_page(render_sweep(load_sweep_report(directory), out.resolve().parent), out)


def render_sweep(report: SweepReport, folder: Path) -> str:
    """The page's HTML, as it reads from `folder`."""
    return template("sweep.html", "the sweep's page").render(
        head=headline(report),
        best=best_view(report, folder),
        progress=sweep_plots.progress(report),
        parallel=parallel(report),
        slices=sweep_plots.slices(report),
        importance=_importance_view(report, importance(report.sweep, report.points)),
        strips=sweep_plots.strips(report),
        seeds=seeds_sentence(report),
        curves=sweep_plots.curves(report),
        table=trial_table(report, folder),
        errors=error_views(report),
        several_seeds=report.sweep.tune.seeds > 1,
        style=asset("page.css") + asset("sweep.css"),
        script=asset("page.js") + asset("sweep.js"),
    )


def _importance_view(report: SweepReport, found: Importance) -> dict[str, Any]:
    names = short_names(report.sweep.space.knobs)
    return {"note": found.note, "bars": [(names[path], path, share) for path, share in found.shares.items()]}
