"""`shapesys report`: the offline page of one run, of several, or of a sweep."""

from __future__ import annotations

from pathlib import Path

import click

from shapesys.cli.output import Answer
from shapesys.cli.verb import verb


@verb(example="shapesys report chairs\nshapesys report chairs tables -o both.html")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Page to write. [default: page.html of the run]")
@click.option("--runs-root", default="runs", show_default=True, help="Folder that holds the runs.")
def command(runs: tuple[str, ...], out: Path | None, runs_root: str) -> Answer:
    """Build one offline page: summary table, curves, and shapes to turn around; several runs are compared first.

    A sweep has a page of its own kind. 'shapesys compare' has the comparison by itself, with its choices.
    """
    from shapesys.report.page import build_page
    from shapesys.report.sweep import build_sweep_page
    from shapesys.training.run_dir import find
    from shapesys.tuning.sweep_dir import find_sweep, is_sweep

    if len(runs) == 1 and any(is_sweep(path) for path in (Path(runs[0]), Path(runs_root) / runs[0])):
        sweep = find_sweep(runs[0], runs_root)
        page = build_sweep_page(sweep, Path(out or sweep.page).resolve())
        return Answer({"page": page, "runs": [sweep.path]}, [f"page: {page}"])
    found = [find(name, runs_root) for name in runs]
    page = Path(out or found[0].page).resolve()
    build_page(found, page)
    return Answer({"page": page, "runs": [run.path for run in found]}, [f"page: {page}"])
