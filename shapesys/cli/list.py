"""`shapesys list`: what there is to choose from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shapesys.cli.output import Answer, table
from shapesys.cli.verb import verb
from shapesys.errors import ShapesysError, unknown_name

if TYPE_CHECKING:
    from shapesys.training.run_dir import RunDirectory

Row = dict[str, Any]


@verb(example="shapesys list\nshapesys list presets\nshapesys list runs --runs-root runs --json")
@click.argument("what", required=False)
@click.option("--runs-root", default="runs", show_default=True, help="Folder that holds the runs.")
def command(what: str | None, runs_root: str) -> Answer:
    """Show the families, presets, sources, views, metrics or runs; everything but runs where none is named."""
    if what is not None and what not in _LISTS:
        raise unknown_name("list", what, _LISTS)
    chosen = [what] if what else [name for name in _LISTS if name != "runs"]
    found = {name: _LISTS[name](Path(runs_root)) for name in chosen}
    return Answer(found, [_show(name, rows) for name, rows in found.items()])


def _show(name: str, rows: list[Row]) -> Any:
    if not rows:
        return f"{name}: none"
    columns = list(rows[0])
    return table(name, columns, [[row.get(column) for column in columns] for row in rows])


def _families(root: Path) -> list[Row]:
    from shapesys.families import registry

    return [{"family": name, "summary": registry.load(name).summary} for name in registry.names()]


def _presets(root: Path) -> list[Row]:
    from shapesys.families import registry

    return [
        {"family": name, "preset": preset, "summary": chosen.summary}
        for name in registry.names()
        for preset, chosen in registry.load(name).presets.items()
    ]


def _sources(root: Path) -> list[Row]:
    from shapesys.sources.registry import source_class, source_names

    return [{"source": name, "summary": _first_line(source_class(name).__doc__)} for name in source_names()]


def _views(root: Path) -> list[Row]:
    from shapesys.samples.views import VIEWS

    return [
        {"view": view.name, "meaning": view.meaning, "columns": [column.name for column in view.columns]}
        for view in VIEWS.values()
    ]


def _metrics(root: Path) -> list[Row]:
    from shapesys.metrics.conventions import CONVENTIONS

    return [
        {
            "metric": name,
            "distances": "squared" if convention.squared else "plain",
            "directions": convention.combine,
            "times": convention.multiplier,
            "frame": convention.frame,
            "origin": convention.note,
        }
        for name, convention in CONVENTIONS.items()
    ]


def _runs(root: Path) -> list[Row]:
    return [_run(path.parent) for path in sorted(root.glob("*/config.json"))]


def _run(path: Path) -> Row:
    from shapesys.training.run_dir import RunDirectory, read_json

    run = RunDirectory(path)
    try:
        config = read_json(run.config)
        status = read_json(run.status) if run.status.exists() else {}
    except ShapesysError as error:
        return {"run": run.name, "family": None, "preset": None, "state": str(error), "evaluated": []}
    return {
        "run": run.name,
        "family": config.get("family"),
        "preset": config.get("preset"),
        "state": _state(run, status),
        "evaluated": run.evaluations(),
    }


def _state(run: RunDirectory, status: dict[str, Any]) -> str:
    """As its status says; a run that says it is running while nobody holds its lock was killed."""
    from shapesys.samples.filesystem import Folder

    state = str(status.get("state", "unknown"))
    if state != "running":
        return state
    try:
        with Folder(str(run.path)).exclusive():
            return "interrupted"
    except ShapesysError:
        return state


def _first_line(text: str | None) -> str:
    return next(iter((text or "").strip().splitlines()), "")


_LISTS: dict[str, Callable[[Path], list[Row]]] = {
    "families": _families,
    "presets": _presets,
    "sources": _sources,
    "views": _views,
    "metrics": _metrics,
    "runs": _runs,
}
