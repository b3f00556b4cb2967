"""The page of a sweep: one HTML file that opens from disk, without a network, at any time of the sweep."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from shapesys.errors import missing_extra
from shapesys.report import sweep_plots
from shapesys.report.numbers import number
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
        ShapesysError: sweep.json is missing or broken, or jinja2 or matplotlib is missing.
    """
    text = render_sweep(load_sweep_report(directory), out.resolve().parent)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(out)
    return out


def render_sweep(report: SweepReport, folder: Path) -> str:
    """The page's HTML, as it reads from `folder`."""
    return _template().render(
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
        style=_asset("page.css") + _asset("sweep.css"),
        script=_asset("page.js") + _asset("sweep.js"),
    )


def _importance_view(report: SweepReport, found: Importance) -> dict[str, Any]:
    names = short_names(report.sweep.space.knobs)
    return {"note": found.note, "bars": [(names[path], path, share) for path, share in found.shares.items()]}


def _template() -> Any:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError:
        raise missing_extra("jinja2", "report", "the sweep's page") from None
    environment = Environment(
        loader=PackageLoader("shapesys.report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["number"] = number
    return environment.get_template("sweep.html")


def _asset(name: str) -> str:
    return resources.files("shapesys.report").joinpath("assets", name).read_text(encoding="utf-8")
