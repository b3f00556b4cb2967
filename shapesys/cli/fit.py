"""`shapesys fit`: one network per scan, fitted and measured."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any

import click

from shapesys.cli.evaluate import NOT_OF_FITS, evaluated, evaluation_flags
from shapesys.cli.options import ConfigOption, config_options, overrides
from shapesys.cli.output import Answer, table
from shapesys.cli.train import config_answer, typed_family
from shapesys.cli.verb import Verb, refuse_workers_here, verb

_NOT_OF_ONE_SHAPE = (
    *("shapes_per_step", "code_learning_rate", "accumulate", "compile", "checkpoint_epochs", "keep_checkpoints"),
    *("select", "validate_epochs", "log_steps"),
)
"""What training many shapes with one network knows beside."""
SECTIONS = ("model.", "train.")
"""Of a training job, what a fit knows; its other flags say what is measured and where it runs."""
_SCALE = "scale."


def fit_flags(command: Verb, ctx: click.Context, args: list[str]) -> Sequence[click.Parameter]:
    """Flags of the network and its fit, of what is measured, and of where it runs."""
    from shapesys.config.base import field_paths
    from shapesys.families import registry
    from shapesys.training.config import TrainConfig

    family = typed_family(command, ctx, args)
    fields: dict[str, Any] = field_paths(registry.load(family).config, "model.") if family else {}
    fields |= field_paths(TrainConfig, "train.")
    fields["train.epochs"] = copy(fields["train.epochs"])
    fields["train.epochs"].description = "iterations; each reads the next stretch of queries"
    own = config_options(fields, skip=[f"train.{name}" for name in _NOT_OF_ONE_SHAPE])
    measured = evaluation_flags(command, ctx, args)
    return [*own, *(one for one in measured if isinstance(one, ConfigOption) and one.path not in NOT_OF_FITS)]


@verb(
    example="shapesys fit sald --store stores/scans --run scans\n"
    "shapesys fit sald --store stores/scans --split val --preset paper_single --scale.num-actors 8\n"
    "shapesys reconstruct runs/scans my_scan.ply    # fits one more, by the same settings",
    settings=fit_flags,
)
@click.argument("family")
@click.option("--store", required=True, help="Sample store: a folder or any fsspec address.")
@click.option("--preset", default="single", show_default=True, help="Named settings of the family, of one shape.")
@click.option("--run", "run_name", help="Name of the run. [default: FAMILY-PRESET]")
@click.option("--runs-root", default="runs", show_default=True, help="Folder that holds the runs.")
@click.option("--address", help="Ray cluster to run on. [default: RAY_ADDRESS, else one started here]")
@click.option("--local", is_flag=True, help="Fit in this process, without Ray.")
@click.option("--page/--no-page", default=True, help="Build the run's offline page afterwards.")
@click.option("--tracker", default="auto", show_default=True, help="auto, mlflow, jsonl or none.")
@click.option("--show-config", is_flag=True, help="Print every setting with its origin, and stop.")
@click.option("--dry-run", is_flag=True, help="Say what would be fitted, and stop.")
@click.pass_context
def command(
    ctx: click.Context,
    family: str,
    store: str,
    preset: str,
    run_name: str | None,
    runs_root: str,
    show_config: bool,
    dry_run: bool,
    **placement: Any,
) -> Answer:
    """Fit one network of FAMILY to every scan of a split, and measure its surface.

    Nothing is shared among scans: there is no training set. Each scan becomes a row of the table, a mesh and a file of
    weights. The same command again does only what is missing. Measured once more (shapesys evaluate RUN), networks that
    are there are not fitted again.

    An epoch is an iteration here. Where the preset says otherwise, its values go before the defaults that are shown
    (--show-config).
    """
    from shapesys.cli.evaluation_run import Placement, run_evaluation
    from shapesys.cli.fit_run import begin_fits, check_fits, check_preset, scale_of_fits, shapes_of
    from shapesys.evaluation.config import EvaluateConfig
    from shapesys.training.config import resolve

    typed = overrides(ctx)
    check_preset(family, preset)
    changes = {path: value for path, value in typed.items() if path.startswith(SECTIONS)}
    job = resolve(family, preset, {**changes, "data.store": store})
    if show_config:
        return config_answer(job, changes)
    check_fits(job)
    refuse_workers_here(placement["local"], typed.get("scale.num_actors"), "this process fits", "--scale.num-actors")
    scaled = {path.removeprefix(_SCALE): value for path, value in typed.items() if path.startswith(_SCALE)}
    scale = scale_of_fits(job, scaled)
    others = {path: v for path, v in typed.items() if not path.startswith((*SECTIONS, _SCALE))}
    settings = EvaluateConfig().override(others)
    if dry_run:
        rows = shapes_of(job, settings)
        return Answer(dict(rows), [table("dry run: nothing was fitted", ("what", "found"), rows)])
    with begin_fits(job, settings, run_name or f"{family}-{preset}", runs_root, placement["tracker"]) as run:
        finished = partial(run.update_status, state="finished", error=None)
        summary = run_evaluation(run, settings, scale, replace(Placement(), **placement), finished)
    return evaluated(run, settings.split, summary)
