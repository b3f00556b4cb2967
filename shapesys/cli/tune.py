"""`shapesys tune`: search a family's settings for the best by any metric of the evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from shapesys.cli.options import config_options, overrides
from shapesys.cli.output import Answer, table
from shapesys.cli.train import family_flags
from shapesys.cli.verb import Verb, verb
from shapesys.errors import UsageError
from shapesys.report.numbers import duration

_EVALUATE = "evaluate."
_PLAIN = 16
"""Trials that a dry run lists."""


def sweep_flags(command: Verb, ctx: click.Context, args: list[str]) -> Sequence[click.Parameter]:
    """The flags of the search, of its evaluations, and of the training job that every trial starts from."""
    from shapesys.config.base import field_paths
    from shapesys.tuning.config import TrialEvaluation, TuneConfig

    search = config_options(field_paths(TuneConfig), group="search")
    measured = config_options(field_paths(TrialEvaluation, _EVALUATE))
    return [*search, *measured, *family_flags(command, ctx, args)]


@verb(
    example="shapesys tune issn --store stores/demo --categories chair --space lambda --seeds 3 --run chair-lambda\n"
    "shapesys tune issn --store stores/demo --trials 40 --hours 8 --metric iou/uniform_box\n"
    "shapesys tune issn --store stores/demo --space my_space.toml --dry-run",
    settings=sweep_flags,
)
@click.argument("family")
@click.option("--space", default="default", show_default=True, help="A space by name, or a .toml file of your own.")
@click.option("--preset", default="tiny", show_default=True, help="Named settings that every trial starts from.")
@click.option("--run", "run_name", help="Name of the sweep. [default: FAMILY-SPACE]")
@click.option("--runs-root", default="runs", show_default=True, help="Folder that holds the runs.")
@click.option("--address", help="Ray cluster to run on. [default: RAY_ADDRESS, else one started here]")
@click.option("--tracker", default="auto", show_default=True, help="auto, mlflow, jsonl or none.")
@click.option("--retry-errored", is_flag=True, help="Run trials again that ended with an error.")
@click.option("--dry-run", is_flag=True, help="Check space, metric and data, list the first trials, and stop.")
@click.pass_context
def command(ctx: click.Context, family: str, space: str, preset: str, run_name: str | None, **how: Any) -> Answer:
    """Search the settings of FAMILY: each trial is a training run, measured on held-out shapes.

    The same command again continues: trials that ended are not run again.
    """
    from shapesys.tuning.spaces import load_space

    found = load_space(family, space)
    sweep = resolve_sweep(found, family, preset, overrides(ctx))
    name = run_name or f"{family}-{found.name}"
    if how.pop("dry_run"):
        return _rehearse(sweep, name)
    return _run(sweep, name, **how)


def resolve_sweep(space: Any, family_name: str, preset: str, typed: dict[str, Any]) -> Any:
    """The sweep that a command line asks for, checked against the family, the metric and the data.

    Raises:
        UsageError: an unknown setting or metric, a value out of bounds, or a split without shapes.
    """
    from shapesys.config.base import parse
    from shapesys.evaluation.suites import refuse_foreign, suite_of
    from shapesys.families import registry
    from shapesys.training.config import refuse_fits, resolve
    from shapesys.tuning.config import TrialEvaluation, TuneConfig, sweep_type
    from shapesys.tuning.objective import check_metric

    family = registry.load(family_name)
    evaluate = {path.removeprefix(_EVALUATE): v for path, v in typed.items() if path.startswith(_EVALUATE)}
    refuse_foreign(evaluate, suite_of(family), f"family '{family_name}'", _EVALUATE)
    tune = {path: v for path, v in typed.items() if path in TuneConfig.model_fields}
    base = {path: v for path, v in typed.items() if path not in tune and not path.startswith(_EVALUATE)}
    if knobs := sorted(space.knobs.keys() & base.keys()):
        raise UsageError(f"'{knobs[0]}' is a knob of space '{space.name}'; leave it out of the command line")
    data = {
        "space": space.model_dump(mode="json"),
        "base": resolve(family_name, preset, {**space.fixed, **base}).model_dump(mode="json"),
        "tune": TuneConfig().override(tune).model_dump(mode="json"),
        "evaluate": TrialEvaluation().override(evaluate).model_dump(mode="json"),
    }
    sweep = parse(sweep_type(family), data)
    refuse_fits(resolve(family_name, preset, base))
    check_metric(sweep.tune.metric, family, sweep.evaluate, sweep.base)
    _check_search(sweep)
    _check_split(sweep)
    return sweep


def _check_search(sweep: Any) -> None:
    """Refuse what would fail once the sweep has its directory: no grid of the space, no Optuna, shares of no GPU."""
    from shapesys.tuning.trial_queue import TrialQueue

    TrialQueue(sweep, {}).open()
    if sweep.tune.gpus_per_trial is not None and sweep.base.scale.num_workers > 1:
        raise UsageError("--gpus-per-trial is for trials of one worker; --scale.num-workers gives each worker a GPU")


def _check_split(sweep: Any) -> None:
    from shapesys.samples.store import Store

    store, categories = Store.open(sweep.base.data.store), sweep.evaluate.categories or sweep.base.data.evaluated
    counts = {split: len(store.shape_ids(split, categories)) for split in ("train", "val", "test")}
    if not counts.get(sweep.evaluate.split, len(store.shape_ids(sweep.evaluate.split, categories))):
        held = ", ".join(f"{split} ({count})" for split, count in counts.items() if count)
        raise UsageError(
            f"store '{store.url}' has no shape of split '{sweep.evaluate.split}' to measure trials on; it has "
            f"{held or 'none'}; choose one with --evaluate.split, or prepare with --val-fraction"
        )


def _rehearse(sweep: Any, name: str) -> Answer:
    """What the sweep would do, without Ray."""
    from shapesys.training.run_dir import check_name
    from shapesys.tuning.trial import rungs_of, trial_job
    from shapesys.tuning.trial_queue import TrialQueue

    check_name(name)
    trials = TrialQueue(sweep, {})
    listed = [trial for _ in range(min(_PLAIN, trials.total)) if (trial := trials.next()) is not None]
    jobs = [trial_job(sweep, trial) for trial in listed]
    facts = {
        "sweep": name,
        "space": sweep.space.name,
        "strategy": trials.strategy,
        "trials": trials.total,
        "metric": sweep.tune.metric,
        "measured on": sweep.evaluate.split,
        "rungs (epochs)": rungs_of(sweep, jobs[0]),
        "early stopping": sweep.tune.early_stopping,
    }
    knobs = list(sweep.space.knobs)
    rows = [(trial.id, *(trial.point[knob] for knob in knobs)) for trial in listed]
    shown = [
        table("dry run: nothing was trained", ("what", "found"), list(facts.items())),
        table(f"the first {len(rows)} of {trials.total} trials", ("trial", *knobs), rows),
    ]
    if trials.refused:
        first = next(iter(trials.refused.values()))
        shown.append(f"{len(trials.refused)} points are left out, which {sweep.base.family} refuses, such as: {first}")
    data = facts | {"first": [{"id": trial.id, "seed": trial.seed, "point": dict(trial.point)} for trial in listed]}
    data["refused"] = trials.refused
    return Answer(data, shown)


def _run(sweep: Any, name: str, **how: Any) -> Answer:
    from shapesys.cli.sweep_run import run_sweep
    from shapesys.report.sweep_table import sweep_table

    result = run_sweep(sweep, name, **how)
    best, counts = result["best"], result["counts"]
    shown: list[Any] = [sweep_table(sweep, result.pop("records"), alive=False)]
    if best is not None:
        shown.append(f"best: trial {best['trial']}; next: shapesys evaluate {best['path']} --split test")
    shown.append(f"page: {result['page']}")
    if result["reason"]:
        shown.append(result["reason"])
    shown.append(", ".join(f"{count} {what}" for what, count in counts.items()) + f"; {duration(result['seconds'])}")
    return Answer(result, shown, exit_code=int(counts["finished"] + counts["stopped"] == 0))
