"""`shapesys prepare`: a source of shapes becomes a sample store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from shapesys.cli.options import ConfigOption, config_options, flag, overrides
from shapesys.cli.output import Answer, table
from shapesys.cli.verb import Verb, refuse_workers_here, verb
from shapesys.report.numbers import duration

if TYPE_CHECKING:
    from shapesys.samples.prepare import PrepareReport

MOST_REASONS = 20
_SOURCE = "source."


def source_flags(command: Verb, ctx: click.Context, args: list[str]) -> Sequence[click.Parameter]:
    """The flags of the sampler, and those of the source that was named."""
    from shapesys.config.base import field_paths
    from shapesys.samples.settings import PrepareConfig

    settings = field_paths(PrepareConfig)
    aliases = {"limits.seconds": "--time-limit", "limits.memory_gib": "--memory-limit"}
    named = command.peek(ctx, args).get("source_name")
    sampler = config_options(settings, aliases=aliases)
    return [*_of_source(str(named), set(settings)), *sampler] if named else sampler


def _of_source(name: str, taken: set[str]) -> list[ConfigOption]:
    """``--source.root``, and ``--root`` for short where the sampler has no flag of that name."""
    from shapesys.config.base import field_paths
    from shapesys.sources.registry import source_class

    fields = field_paths(source_class(name).Settings)
    short = {f"{_SOURCE}{path}": flag(path) for path in fields if path not in taken}
    sectioned = {f"{_SOURCE}{path}": info for path, info in fields.items()}
    return config_options(sectioned, aliases=short, group=f"Settings of the source '{name}'")


@verb(
    example="shapesys prepare --source folder --root meshes --store stores/mine --views sdf cloud\n"
    "shapesys prepare --source procedural --categories chair table --count 50 --store stores/made --preset tiny\n"
    "shapesys prepare --source cloud_folder --root scans --store stores/scans --preset sal\n"
    "shapesys prepare --source shapenet --help    # with the flags of the source",
    settings=source_flags,
)
@click.option("--source", "source_name", required=True, help="Where shapes come from; see: shapesys list sources.")
@click.option("--store", required=True, help="Where samples go: a folder or any fsspec address.")
@click.option(
    "--preset",
    default="paper",
    show_default=True,
    help="Named sampler settings: paper or tiny; of solids, onet or tiny_onet; of scans, sal, sald or single.",
)
@click.option("--address", help="Ray cluster to run on. [default: RAY_ADDRESS, else one started here]")
@click.option(
    "--workers", type=click.IntRange(min=1), help="Actors that prepare in parallel, a CPU each. [default: one per CPU]"
)
@click.option("--local", is_flag=True, help="Prepare in this process and one child, without Ray.")
@click.option("--retry", is_flag=True, help="Try again what was rejected for a limit or a crash.")
@click.option("--dry-run", is_flag=True, help="Count the shapes and stop; reads none of them.")
@click.pass_context
def command(ctx: click.Context, source_name: str, store: str, preset: str, dry_run: bool, **placement: Any) -> Answer:
    """Turn a source of shapes into a sample store. The same command again does only what is missing.

    A shape that fails, hangs or exhausts memory becomes a row of the rejected table; the job goes on.
    """
    from shapesys.samples.settings import preset as named
    from shapesys.sources.registry import build_source

    refuse_workers_here(placement["local"], placement["workers"], "one child of this process prepares")
    typed = overrides(ctx)
    chosen = {path.removeprefix(_SOURCE): value for path, value in typed.items() if path.startswith(_SOURCE)}
    source = build_source(source_name, chosen)
    changes = {path: value for path, value in typed.items() if not path.startswith(_SOURCE)}
    settings = named(preset, source.gives).override(changes)
    if dry_run:
        return _census(source)
    return _prepare(source, store, settings, placement)


def _prepare(source: Any, store: str, settings: Any, placement: dict[str, Any]) -> Answer:
    from shapesys.cli.preparation import run_preparation

    return prepared(run_preparation(source, store, settings, **placement))


def prepared(report: PrepareReport) -> Answer:
    """Counts, reasons of rejection, and where to read more."""
    counts = {
        "in the source": report.total,
        "prepared now": report.prepared,
        "kept from before": report.kept,
        "rejected now": report.rejected,
        "with some views missing": report.partial,
    }
    shown: list[Any] = [table(f"store {report.store}", ("shapes", "count"), list(counts.items()), right=("count",))]
    reasons = Counter((row["stage"], row["reason"]) for row in report.rejections)
    if reasons:
        shown.append(_rejected_table(reasons, len(report.rejections)))
        shown.append(f"every one of them, with its reason: {report.store.rstrip('/')}/rejected/")
    shown += [*(f"note: {note}" for note in report.notes), f"time: {duration(report.seconds)}"]
    return Answer(asdict(report) | {"partial": report.partial, "stages": report.stages()}, shown)


def _rejected_table(reasons: Counter[tuple[str, str]], total: int) -> Any:
    rows = [(stage, reason, count) for (stage, reason), count in reasons.most_common(MOST_REASONS)]
    title = f"{total} rejected, as a whole or for some views"
    if len(reasons) > MOST_REASONS:
        title += f"; the {MOST_REASONS} most frequent of {len(reasons)} reasons"
    return table(title, ("stage", "reason", "shapes"), rows, right=("shapes",))


def _census(source: Any) -> Answer:
    census = source.census()
    counted = Counter((shape.category, shape.split) for shape in census.shapes)
    splits = ("train", "val", "test")
    rows = [[category, *(counted[category, split] for split in splits)] for category in sorted({c for c, _ in counted})]
    skipped = Counter(f"{entry.stage}: {entry.reason}" for entry in census.skipped)
    data = {
        "shapes": len(census.shapes),
        "categories": {row[0]: dict(zip(splits, row[1:], strict=True)) for row in rows},
        "skipped": dict(skipped),
        "notes": list(census.notes),
    }
    shown = [
        table(f"{len(census.shapes)} shapes; nothing was written", ("category", *splits), rows, right=splits),
        *(f"skipped: {count} x {reason}" for reason, count in skipped.most_common()),
        *(f"note: {note}" for note in census.notes),
    ]
    return Answer(data, shown)
