"""`shapesys saliency`: maps of a store's clouds by geometry and by the user's own networks, measured and drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from shapesys.cli.options import config_options, overrides
from shapesys.cli.output import Answer, table
from shapesys.cli.verb import Verb, refuse_workers_here, verb
from shapesys.errors import UsageError
from shapesys.report.numbers import duration

_TODO = {True: "nothing, they are made", False: "make"}


def saliency_flags(command: Verb, ctx: click.Context, args: list[str]) -> Sequence[click.Parameter]:
    """Whose maps, how they are made, and how they are measured."""
    from shapesys.config.base import Config, field_paths
    from shapesys.saliency.config import MapMetrics, MapSettings, MapSources

    groups: dict[str, type[Config]] = {
        "Whose maps": MapSources,
        "How maps are made": MapSettings,
        "How maps are measured": MapMetrics,
    }
    return [option for title, config in groups.items() for option in config_options(field_paths(config), group=title)]


@verb(
    example="shapesys saliency --store stores/demo --networks fields --classifier classes\n"
    "shapesys saliency --store stores/demo --networks fields --categories chair mug --symmetry-plane found\n"
    "shapesys train issn --store stores/demo --each-category --run fields    # makes such networks",
    settings=saliency_flags,
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("runs/saliency"),
    show_default=True,
    help="Where maps, tables and the page go.",
)
@click.option("--runs-root", default="runs", show_default=True, help="Folder that holds the runs.")
@click.option(
    "--pictured", type=click.IntRange(min=0), default=2, show_default=True, help="Shapes per category on the page."
)
@click.option("--address", help="Ray cluster to run on. [default: RAY_ADDRESS, else one started here]")
@click.option("--workers", type=click.IntRange(min=1), help="Networks at a time. [default: one per GPU, or per CPU]")
@click.option("--local", is_flag=True, help="One network after the other in this process, without Ray.")
@click.option("--dry-run", is_flag=True, help="List what would be made and what is there already, and stop.")
@click.pass_context
def command(ctx: click.Context, folder: Path, runs_root: str, pictured: int, dry_run: bool, **placement: Any) -> Answer:
    """Make saliency maps of every cloud of a store, measure how smooth and symmetric they are, and draw a page.

    Maps by surface variation (PCA), by networks that predict saliency (issn, issn_csl, sal with a saliency head), and
    by the gradients of classifiers (PCSM). FOLDER/maps/METHOD.parquet is what --saliency of train and evaluate takes.
    The same command again makes only maps whose store, settings or network changed.
    """
    from shapesys.cli.saliency_run import Request, rehearse_saliency, run_saliency
    from shapesys.config.base import parse
    from shapesys.saliency.config import MapMetrics, MapSettings, MapSources

    refuse_workers_here(placement["local"], placement["workers"], "one network works after the other in this process")
    typed = overrides(ctx)
    if "store" not in typed:
        raise UsageError("no sample store given; name one with --store DIR (make it with 'shapesys prepare')")
    settings, metrics = (
        config().override({path: value for path, value in typed.items() if path in config.model_fields})
        for config in (MapSettings, MapMetrics)
    )
    sources = parse(MapSources, {path: value for path, value in typed.items() if path in MapSources.model_fields})
    request = Request(sources, settings, metrics, folder, runs_root, pictured, **placement)
    return _listed(rehearse_saliency(request)) if dry_run else _answer(run_saliency(request))


def _listed(rows: list[dict[str, Any]]) -> Answer:
    columns = ("method", "category", "shapes", "network", "to do")
    cells = [(*(row[name] for name in columns[:3]), str(row["network"] or "none"), _TODO[row["made"]]) for row in rows]
    return Answer({"maps": rows}, [table("dry run: nothing was written", columns, cells, ["shapes"])])


def _answer(result: dict[str, Any]) -> Answer:
    from shapesys.saliency.compared import STATISTICS

    heads = [f"{title}\n{name}" for title in ("SSR", "d_sym") for name in STATISTICS]
    others = ["range", "shapes", "no\nplane", "asym-\nmetric", "failed"]
    rows = [
        (
            line["method"],
            scaling,
            *(_decimals(found[short][name]) for short in ("ssr", "d_sym") for name in STATISTICS),
            *_rest(line),
        )
        for line in result["methods"]
        for scaling, found in line["measures"].items()
    ]
    columns = ("method", "rescaled\nby", *heads, *others)
    shown: list[Any] = [table(f"split {result['split']}", columns, rows, [*heads, *others])]
    shown.append(table("", ("category", "mirror plane"), list(result["planes"].items())))
    shown += [f"{name} failed: {why}" for name, why in result["failed"].items()]
    shown += [f"note: {text}" for text in result["notes"]]
    shown += [f"maps {line['method']}: {line['maps']}" for line in result["methods"] if line["maps"]]
    shown += [f"page: {result['page']}", f"time: {duration(result['seconds'])}"]
    return Answer(result, shown, exit_code=int(bool(result["failed"])))


def _decimals(value: float) -> str:
    """As published tables print them."""
    return "-" if math.isnan(value) else f"{value:.3f}"


def _rest(line: dict[str, Any]) -> tuple[Any, ...]:
    return line["range"], line["shapes"], line["no_plane"], line["asymmetric"], line["failed"]
