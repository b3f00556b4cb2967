"""`shapesys compare`: runs beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shapesys.cli.output import Answer, complain
from shapesys.cli.verb import verb
from shapesys.errors import ShapesysError, UsageError, unknown_name

if TYPE_CHECKING:
    from shapesys.report.load import RunReport
    from shapesys.training.run_dir import RunDirectory

_PAGE = "compare.html"


@verb(
    example="shapesys compare chairs chairs-wide\n"
    "shapesys compare chairs wide-s0 wide-s1 wide-s2 --group-seeds --metric iou -o wide.html\n"
    "shapesys compare runs/sweep/trials/* --split val --no-page"
)
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help=f"Page to write. [default: {_PAGE} beside the first run]"
)
@click.option("--page/--no-page", default=True, help="Build the offline page: scatter, shapes in 3D, curves.")
@click.option("--split", help="Split to compare. [default: all that two runs were evaluated on]")
@click.option(
    "--metric",
    help="Metric that ranks shapes, by its name or a part of it. [default: Chamfer-L1; of labels cross_entropy or iou, "
    "of superpixels asa]",
)
@click.option(
    "--worst",
    default=2,
    show_default=True,
    type=click.IntRange(0),
    help="Worst shapes of each run to show in 3D, and as many on which they differ most.",
)
@click.option(
    "--group-seeds",
    is_flag=True,
    help="Show runs that differ in nothing but train.seed as one column, with the spread over seeds.",
)
@click.option("--runs-root", default="runs", show_default=True, help="Folder that holds the runs.")
def command(runs: tuple[str, ...], out: Path | None, page: bool, split: str | None, metric: str | None, worst: int,
            group_seeds: bool, runs_root: str) -> Answer:  # fmt: skip
    """Set evaluated runs beside each other: settings that differ, metrics with spread, shapes won and lost.

    The first run is the baseline. Runs are names or paths, trials of a sweep included.
    """
    from shapesys.report.compare import compare
    from shapesys.report.compare_data import comparison_data
    from shapesys.report.compare_tables import comparison_tables
    from shapesys.report.load import load_run

    found = _distinct(runs, runs_root)
    reports = [load_run(run) for run in found]
    _check_evaluated(reports, split)
    comparison = compare(reports, split, metric, group_seeds)
    data = comparison_data(comparison)
    shown = comparison_tables(comparison)
    if page:
        written = _page(comparison, worst, out, found[0].path.parent / _PAGE)
        data["page"] = written
        shown += [f"page: {written} ({written.stat().st_size / 1e6:.1f} MB)"] if written else []
    return Answer(data, shown)


def _distinct(names: Sequence[str], root: str) -> list[RunDirectory]:
    from shapesys.training.run_dir import find

    found = [find(name, root) for name in names]
    twice = [name for at, name in enumerate(names) if found[at] in found[:at]]
    if twice:
        raise UsageError(f"run '{twice[0]}' was given twice; give each run once")
    if len(found) < 2:
        raise UsageError(
            f"only run '{names[0]}' was given; compare needs two or more, 'shapesys report {names[0]}' shows one"
        )
    return found


def _check_evaluated(reports: Sequence[RunReport], split: str | None) -> None:
    """Every run must have what is compared; the error holds the commands that make it."""
    known = {evaluation.split for report in reports for evaluation in report.evaluations}
    if split is not None and split not in known and get_close_matches(split, known):
        raise unknown_name("split", split, known)
    bare = [report.run for report in reports if not _evaluated(report, split)]
    if bare:
        flag = f" --split {split}" if split else ""
        commands = "".join(f"\n  shapesys evaluate {run.path}{flag}" for run in bare)
        names = ", ".join(f"'{run.name}'" for run in bare)
        raise ShapesysError(f"no evaluation{f' of split {split}' if split else ''} in {names}; run first:{commands}")


def _evaluated(report: RunReport, split: str | None) -> bool:
    return any(split in (None, found.split) for found in report.evaluations)


def _page(comparison: Any, worst: int, out: Path | None, default: Path) -> Path | None:
    """The page; where nobody asked for a certain file, the tables are worth printing without it."""
    from shapesys.report.page import build_comparison

    try:
        return build_comparison(comparison, (out or default).resolve(), worst)
    except ShapesysError as error:
        if out is not None:
            raise
        complain(f"no page: {error}")
        return None
