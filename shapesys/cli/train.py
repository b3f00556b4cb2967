"""`shapesys train`: resolve the configuration, then train on Ray or in this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from shapesys.cli.options import config_options, overrides
from shapesys.cli.output import Answer, table
from shapesys.cli.verb import Verb, refuse_workers_here, verb
from shapesys.errors import unknown_name
from shapesys.report.numbers import duration

ALIASES = {
    "data.store": "--store",
    "data.split": "--split",
    "data.categories": "--categories",
    "data.interest": "--interest",
    "data.saliency": "--saliency",
    "train.seed": "--seed",
}
OF_TRAINING = ("train.", "scale.", "data.split", "data.validation_split", "data.interest", "data.saliency")
"""Settings that do nothing where there is nothing to train."""


def family_flags(command: Verb, ctx: click.Context, args: list[str]) -> Sequence[click.Parameter]:
    """The flags of a training run; with a family among the words typed, also the family's own."""
    from shapesys.config.base import field_paths
    from shapesys.families import registry
    from shapesys.training.config import DataConfig, ScaleConfig, TrainConfig

    family = typed_family(command, ctx, args)
    fields: dict[str, Any] = {}
    idle: tuple[str, ...] = ()
    if family is not None:
        loaded = registry.load(family)
        fields = field_paths(loaded.config, "model.") | field_paths(loaded.inference, "inference.")
        idle = () if loaded.traits.trained else OF_TRAINING
    sections: dict[str, Any] = {"train": TrainConfig, "data": DataConfig, "scale": ScaleConfig}
    for section, config in sections.items():
        fields |= field_paths(config, f"{section}.")
    return config_options({path: info for path, info in fields.items() if not path.startswith(idle)}, aliases=ALIASES)


def typed_family(command: Verb, ctx: click.Context, args: list[str]) -> str | None:
    """The family among the words typed, or None.

    Raises:
        UsageError: what stands in its place is no family.
    """
    from shapesys.families import registry

    names = registry.names()
    family = next((word for word in args if word in names), None)
    if family is None and (typed := command.peek(ctx, args).get("family")) and not str(typed).startswith("-"):
        raise unknown_name("family", str(typed), names)
    return family


@verb(
    example="shapesys train issn --store stores/demo --categories chair --preset tiny --run chairs\n"
    "shapesys train issn --store stores/demo --each-category --run fields    # runs fields/chair, fields/mug, ...\n"
    "shapesys train issn --help    # with the flags of the family",
    settings=family_flags,
)
@click.argument("family")
@click.option("--preset", default="tiny", show_default=True, help="Named settings of the family.")
@click.option("--run", "run_name", help="Name of the run. [default: FAMILY-PRESET-CATEGORIES]")
@click.option(
    "--each-category",
    is_flag=True,
    help="Train a network for each category, of --categories or of the store: runs RUN/CATEGORY, as many at a time as "
    "there are cores or GPUs.",
)
@click.option("--runs-root", default="runs", show_default=True, help="Folder that holds the runs.")
@click.option("--address", help="Ray cluster to run on. [default: RAY_ADDRESS, else one started here]")
@click.option("--local", is_flag=True, help="Train in this process, without Ray.")
@click.option("--tracker", default="auto", show_default=True, help="auto, mlflow, jsonl or none.")
@click.option("--show-config", is_flag=True, help="Print every setting with its origin, and stop.")
@click.option("--dry-run", is_flag=True, help="Check config, data and one tiny batch without Ray, and stop.")
@click.pass_context
def command(
    ctx: click.Context,
    family: str,
    preset: str,
    run_name: str | None,
    each_category: bool,
    runs_root: str,
    address: str | None,
    local: bool,
    tracker: str,
    show_config: bool,
    dry_run: bool,
) -> Answer:
    """Train FAMILY on a sample store. The same command again resumes the run, or does what a set lacks.

    Flags of the sections below override the preset.
    """
    from shapesys.training.config import refuse_fits, resolve

    changes = overrides(ctx)
    job = resolve(family, preset, changes)
    if show_config:
        return config_answer(job, changes)
    refuse_fits(job)
    if each_category:
        from shapesys.cli.network_set_run import Placement
        from shapesys.cli.network_set_screen import list_set, train_set

        name = run_name or f"{job.family}-{job.preset}-each"
        if dry_run:
            return list_set(job, name, runs_root)
        return train_set(job, name, runs_root, Placement(address, local, tracker))
    refuse_workers_here(local, changes.get("scale.num_workers"), "this process trains", "--scale.num-workers")
    if dry_run:
        from shapesys.cli.dry_run import rehearse

        return rehearse(job)
    return _train(job, run_name or _default_name(job), runs_root, address, local, tracker)


def _train(job: Any, name: str, runs_root: str, address: str | None, local: bool, tracker: str) -> Answer:
    from shapesys.cli.training_run import run_training

    result = run_training(job, name, runs_root, address=address, local=local, tracker=tracker)
    rows = [
        ("run", result["path"]),
        ("steps", result["steps"]),
        ("loss", (result["final"] or {}).get("loss", {}).get("total")),
        ("checkpoint", result["checkpoint"]),
        ("time", duration(result["seconds"])),
    ]
    return Answer(result, [table("", ("trained", name), rows), f"next: shapesys evaluate {result['path']}"])


def config_answer(job: Any, changes: dict[str, Any]) -> Answer:
    from shapesys.config.base import flat
    from shapesys.training.config import origins

    origin = origins(job, changes)
    settings = {path: {"value": value, "origin": origin.get(path, "default")} for path, value in flat(job).items()}
    rows = [(path, entry["value"], entry["origin"]) for path, entry in settings.items()]
    return Answer({"settings": settings}, [table("", ("setting", "value", "origin"), rows)])


def _default_name(job: Any) -> str:
    categories = "-".join(job.data.evaluated) or "all"
    return f"{job.family}-{job.preset}-{categories}"
