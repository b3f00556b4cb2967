"""One HTML file that shows a run, or several beside each other; it opens from disk, without a network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from shapesys.errors import ShapesysError, missing_extra
from shapesys.report.gallery import gallery
from shapesys.report.load import RunReport, load_run
from shapesys.report.numbers import MISSING, known, number
from shapesys.report.sections import comparison, evaluation_view, run_view
from shapesys.report.select import Selection
from shapesys.training.run_dir import RunDirectory


def build_page(runs: Sequence[RunDirectory], out: Path, selection: Selection | None = None) -> Path:
    """Write the offline page of one run or of several.

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
    text = render([load_run(run) for run in runs], chosen)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(out)
    return out


def render(reports: Sequence[RunReport], selection: Selection) -> str:
    """The page's HTML."""
    views: list[dict[str, Any]] = []
    galleries: dict[str, str] = {}
    for report in reports:
        evaluations: list[dict[str, Any]] = []
        for evaluation in report.evaluations:
            key = f"shapes-{len(views)}-{len(evaluations)}"
            shapes = gallery(evaluation, selection)
            if shapes is not None:
                galleries[key] = script_json(shapes)
            evaluations.append(evaluation_view(evaluation, key, shapes))
        views.append(run_view(report, evaluations))
    return _template().render(
        title=" · ".join(report.run.name for report in reports),
        runs=views,
        comparison=comparison(reports) if len(reports) > 1 else None,
        galleries=galleries,
        style=_asset("page.css"),
        script=_asset("page.js"),
        viewer=_asset("viewer.js") if galleries else "",
    )


def script_json(data: Any) -> str:
    """JSON that cannot end the script element it stands in, whatever names shapes have."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _template() -> Any:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError:
        raise missing_extra("jinja2", "report", "the offline page") from None
    environment = Environment(
        loader=PackageLoader("shapesys.report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"number": number, "shown": _shown}
    return environment.get_template("page.html")


def _shown(value: Any) -> str:
    """A setting or fact as text."""
    if value is None or value == "" or value == []:
        return MISSING
    if known(value):
        return f"{value:g}" if isinstance(value, float) else str(value)
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _asset(name: str) -> str:
    return resources.files("shapesys.report").joinpath("assets", name).read_text(encoding="utf-8")
