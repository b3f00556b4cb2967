"""`shapesys list`: what there is to choose from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shapesys.cli.output import Answer, table
from shapesys.cli.verb import verb
from shapesys.errors import ShapesysError, unknown_name

if TYPE_CHECKING:
    from shapesys.samples.settings import PrepareConfig
    from shapesys.training.run_dir import RunDirectory

Row = dict[str, Any]

_ENDINGS = ("finished", "stopped", "errored", "open")
"""How the trials of a sweep ended; an open one runs, or was interrupted."""


@verb(example="shapesys list\nshapesys list presets\nshapesys list runs --runs-root runs --json")
@click.argument("what", required=False)
@click.option("--runs-root", default="runs", show_default=True, help="Folder that holds runs and sweeps.")
def command(what: str | None, runs_root: str) -> Answer:
    """Show the families, presets, sources, views, metrics, search spaces, recipes, runs or sweeps.

    Everything but runs and sweeps where none is named.
    """
    if what is not None and what not in _LISTS:
        raise unknown_name("list", what, _LISTS)
    chosen = [what] if what else [name for name in _LISTS if name not in _BELOW_ROOT]
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
    from shapesys.samples.settings import PRESETS
    from shapesys.training.config import presets_of_one_shape

    found: list[Row] = []
    for name in registry.names():
        family = registry.load(name)
        fitted = presets_of_one_shape(family)
        for preset, chosen in family.presets.items():
            verb = "fit" if preset in fitted else "train"
            found.append({"verb": verb, "family": name, "preset": preset, "summary": chosen.summary})
    prepare = [
        {"verb": "prepare", "family": None, "preset": preset, "summary": _samples(chosen)}
        for preset, chosen in PRESETS.items()
    ]
    return found + prepare


def _samples(settings: PrepareConfig) -> str:
    from shapesys.samples.settings import WHERE_NAMED

    made = {
        "sdf": f"{settings.sdf.count:,} distance queries",
        "udf": f"{settings.udf.count:,} unsigned distances to {settings.udf.to}",
        "cloud": f"{settings.cloud.points:,} cloud points",
        "occupancy": f"{settings.occupancy.points:,} occupancy points",
    }
    views = settings.views or tuple(view for view in made if view not in WHERE_NAMED)
    where = "" if settings.framing.is_unit_sphere else f", in the frame {settings.frame}"
    return "per shape " + ", ".join(made[view] for view in views if view in made) + where


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
    from shapesys.metrics.catalogue import LABELS, SUPERPIXELS, WHOLE_SET
    from shapesys.metrics.conventions import CONVENTIONS

    chamfer = [
        {
            "metric": name,
            "measures": "surfaces",
            "against": convention.against,
            "distances": "squared" if convention.squared else "plain",
            "directions": convention.combine,
            "times": convention.multiplier,
            "frame": convention.frame,
            "origin": convention.note,
        }
        for name, convention in CONVENTIONS.items()
    ]
    empty = dict.fromkeys(("against", "distances", "directions", "times", "frame"))
    others = {"labels": LABELS, "labels of a set": WHOLE_SET, "superpixels": SUPERPIXELS}
    return chamfer + [
        {"metric": name, "measures": what, **empty, "origin": said}
        for what, names in others.items()
        for name, said in names.items()
    ]


def _spaces(root: Path) -> list[Row]:
    from shapesys.tuning.space import size
    from shapesys.tuning.spaces import list_spaces

    return [
        {
            "family": space.family,
            "space": space.name,
            "strategy": space.strategy,
            "points": size(space),
            "knobs": list(space.knobs),
            "summary": space.summary,
        }
        for space in list_spaces()
    ]


def _recipes(root: Path) -> list[Row]:
    from shapesys.reproduction import registry

    found = [registry.load(name) for name in registry.names()]
    return [
        {
            "recipe": recipe.name,
            "shows": recipe.title,
            "published": recipe.published_in,
            "seeds": recipe.seeds,
            "data": list(recipe.data),
        }
        for recipe in found
    ]


def _runs(root: Path) -> list[Row]:
    from shapesys.training.run_dir import SET

    own = list(root.glob("*/config.json"))
    of_sets = [path for folder in root.glob(f"*/{SET}") for path in folder.parent.glob("*/config.json")]
    return [_run(path.parent, str(path.parent.relative_to(root))) for path in sorted([*own, *of_sets])]


def _run(path: Path, name: str) -> Row:
    from shapesys.training.run_dir import RunDirectory, read_json

    run = RunDirectory(path)
    try:
        config = read_json(run.config)
        status = read_json(run.status) if run.status.exists() else {}
    except ShapesysError as error:
        return {"run": name, "family": None, "preset": None, "state": str(error), "evaluated": []}
    return {
        "run": name,
        "family": config.get("family"),
        "preset": config.get("preset"),
        "state": _state(run, status),
        "evaluated": run.evaluations(),
    }


def _sweeps(root: Path) -> list[Row]:
    return [_sweep(path.parent) for path in sorted(root.glob("*/sweep.json"))]


def _sweep(path: Path) -> Row:
    from shapesys.training.run_dir import read_json
    from shapesys.tuning.config import load_sweep
    from shapesys.tuning.ledger import Ledger
    from shapesys.tuning.sweep_dir import SweepDirectory

    directory = SweepDirectory(path)
    row: Row = dict.fromkeys(("sweep", "family", "space", "metric", "state", *_ENDINGS))
    try:
        sweep = load_sweep(directory)
        status = read_json(directory.status) if directory.status.exists() else {}
    except ShapesysError as error:
        return row | {"sweep": directory.name, "state": str(error)}
    endings: Counter[str] = Counter(record.ending or "open" for record in Ledger(directory.ledger).records().values())
    return {
        "sweep": directory.name,
        "family": sweep.base.family,
        "space": sweep.space.name,
        "metric": sweep.tune.metric,
        "state": _state(directory, status),
        **{ending: endings[ending] for ending in _ENDINGS},
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
    "spaces": _spaces,
    "recipes": _recipes,
    "runs": _runs,
    "sweeps": _sweeps,
}
_BELOW_ROOT = ("runs", "sweeps")
