"""`shapesys report`: the offline page of one run or of several."""

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

    'shapesys compare' has the comparison by itself, with its choices.
    """
    from shapesys.report.page import build_page
    from shapesys.training.run_dir import find

    found = [find(name, runs_root) for name in runs]
    page = Path(out or found[0].page).resolve()
    build_page(found, page)
    return Answer({"page": page, "runs": [run.path for run in found]}, [f"page: {page}"])
