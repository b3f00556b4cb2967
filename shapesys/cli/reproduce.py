"""`shapesys reproduce`: a published table or figure, with our numbers beside the published ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shapesys.cli.output import Answer, GroupedTable, table
from shapesys.cli.verb import refuse_workers_here, verb
from shapesys.report.numbers import duration

if TYPE_CHECKING:
    from shapesys.cli.reproduction_run import Reproduction
    from shapesys.reproduction.recipe import Recipe
    from shapesys.reproduction.table import Line


@verb(
    example="shapesys reproduce dpgnet.table2\n"
    "shapesys reproduce dpgnet.table2 --scale paper --root /data/shapenetcore_partanno_v0_normal\n"
    "shapesys list recipes"
)
@click.argument("recipe")
@click.option(
    "--scale",
    type=click.Choice(["tiny", "paper"]),
    default="tiny",
    show_default=True,
    help="tiny: small networks on built-in data; paper: as published, on the paper's data.",
)
@click.option(
    "--data", help="Which of the recipe's data. [default: the paper's where --root is given, else the scale's]"
)
@click.option("--root", help="Where data that you bring lies; with --scale tiny, small networks are trained on it.")
@click.option("--seeds", type=click.IntRange(min=1), help="Repetitions of each variant. [default: the recipe's]")
@click.option("--epochs", type=click.IntRange(min=1), help="Train this long instead of as long as the preset says.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("runs/reproduce"), show_default=True)
@click.option("--address", help="Ray cluster to run on. [default: RAY_ADDRESS, else one started here]")
@click.option("--workers", type=click.IntRange(min=1), help="Experiments at a time. [default: one per GPU, or per CPU]")
@click.option("--local", is_flag=True, help="One experiment after the other in this process, without Ray.")
@click.option("--dry-run", is_flag=True, help="List the experiments and the published numbers, and stop.")
def command(recipe: str, dry_run: bool, **asked: Any) -> Answer:
    """Train and measure what RECIPE says, and print our numbers, with their spread over seeds, beside the published.

    The same command again does only what is missing.
    """
    from shapesys.cli.reproduction_run import plan, run_reproduction
    from shapesys.reproduction.registry import load

    refuse_workers_here(asked["local"], asked["workers"], "one experiment follows the other in this process")
    planned = plan(load(recipe), **asked)
    return _rehearsal(planned) if dry_run else _answer(planned, run_reproduction(planned))


def _rehearsal(planned: Reproduction) -> Answer:
    from shapesys.reproduction.table import plain, table_of

    items = [(number, item) for number, phase in enumerate(planned.phases, start=1) for item in phase]
    lines = table_of(planned.recipe, [])
    data = {
        "runs": [item.name for _, item in items],
        "data": planned.request.data,
        "store": planned.request.store,
        "notes": list(planned.notes),
        **plain(planned.recipe, lines),
    }
    columns = list(dict.fromkeys(column for _, item in items for column in item.describe()))
    rows = [
        (str(number), item.name, *(item.describe().get(column, "") for column in columns)) for number, item in items
    ]
    runs = table("dry run: nothing was done", ("phase", "run", *columns), rows)
    published = f"published in: {planned.recipe.published_in}"
    return Answer(data, [runs, reproduced(planned.recipe, lines), published, *_noted(planned.notes)])


def _noted(notes: Iterable[str]) -> list[str]:
    return [f"note: {note}" for note in notes]


def _answer(planned: Reproduction, result: dict[str, Any]) -> Answer:
    recipe, lines = planned.recipe, result.pop("table")
    data = result | {"seconds": result["seconds"]}
    shown: list[Any] = [reproduced(recipe, lines)]
    shown += [f"{name}: {why}" for name, why in result["failed"].items()]
    shown += _noted(result["notes"])
    shown.append(f"page: {result['page']}")
    shown.append(f"time: {duration(result['seconds'])}")
    return Answer(data, shown, exit_code=int(bool(result["failed"])))


def reproduced(recipe: Recipe, lines: list[Line]) -> GroupedTable:
    """Our numbers, the difference from the baseline, and the published ones."""
    from shapesys.reproduction.table import laid_out

    layout = laid_out(recipe, lines)
    return GroupedTable(f"{recipe.name}: {recipe.title}", recipe.axis, layout.groups, layout.rows)
