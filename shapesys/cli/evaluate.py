"""`shapesys evaluate`: predict a split and measure it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from shapesys.cli.options import config_options, flag, overrides
from shapesys.cli.output import Answer, table
from shapesys.cli.verb import Verb, refuse_workers_here, verb
from shapesys.errors import UsageError

MOST_REASONS = 20
_SCALE = "scale."
NOT_OF_FITS = ("codes", "observed_queries", "inference")
"""What is asked of networks that share something among shapes, and not of networks of one shape each."""


def evaluation_flags(command: Verb, ctx: click.Context, args: list[str]) -> Sequence[click.Parameter]:
    """What is measured, and where it runs."""
    from shapesys.config.base import field_paths
    from shapesys.evaluation.config import SETTINGS_OF, EvaluateConfig, EvaluateScale

    fields = field_paths(EvaluateConfig)
    groups = {name: f"Of runs that predict {kind}" for kind, names in SETTINGS_OF.items() for name in names}
    measured = [
        option
        for name, info in fields.items()
        for option in config_options({name: info}, group=groups.get(name, "What is measured"))
    ]
    return [*measured, *config_options(field_paths(EvaluateScale, _SCALE))]


@verb(
    example="shapesys evaluate chairs\n"
    "shapesys evaluate chairs --split val --resolution 128 --scale.num-actors 4\n"
    "shapesys evaluate parts --part-argmax free --inference '{\"votes\": 3}'",
    settings=evaluation_flags,
)
@click.argument("run")
@click.option("--runs-root", default="runs", show_default=True, help="Folder that holds the runs.")
@click.option("--store", help="Sample store to evaluate. [default: the one that the run was trained on]")
@click.option("--address", help="Ray cluster to run on. [default: RAY_ADDRESS, else one started here]")
@click.option("--local", is_flag=True, help="Evaluate in this process, without Ray.")
@click.option("--page/--no-page", default=True, help="Build the run's offline page afterwards.")
@click.option("--tracker", default="auto", show_default=True, help="auto, mlflow, jsonl or none.")
@click.option("--dry-run", is_flag=True, help="Say what would be evaluated, finished shapes included, and stop.")
@click.pass_context
def command(ctx: click.Context, run: str, runs_root: str, dry_run: bool, **placement: Any) -> Answer:
    """Predict every shape of a split of RUN and measure it against its ground truth.

    What RUN predicts (surfaces, labels or superpixels) decides what is measured.

    The same command again evaluates only what is missing; shapes that failed are tried again with
    --scale.retry-failed. While it runs, rows can be read from the Parquet files in evaluation/SPLIT/parts.
    """
    from shapesys.cli.evaluation_run import Placement, run_evaluation
    from shapesys.evaluation.config import EvaluateConfig
    from shapesys.training.run_dir import find

    typed = overrides(ctx)
    actors = typed.get("scale.num_actors")
    refuse_workers_here(placement["local"], actors, "this process evaluates", "--scale.num-actors")
    measured = {path: v for path, v in typed.items() if not path.startswith(_SCALE)}
    settings = EvaluateConfig().override(measured)
    found = find(run, runs_root)
    _refuse_foreign(found, list(measured))
    if dry_run:
        return _rehearse(found, settings, placement["store"])
    typed_scale = {path.removeprefix(_SCALE): v for path, v in typed.items() if path.startswith(_SCALE)}
    scale = _scale(found, settings, typed_scale)
    summary = run_evaluation(found, settings, scale, replace(Placement(), **placement))
    return evaluated(found, settings.split, summary)


def _scale(run: Any, settings: Any, typed: dict[str, Any]) -> Any:
    """Where it runs, by what the run is: networks of one shape each may still have to be fitted."""
    from shapesys.evaluation.plan import usual_scale
    from shapesys.families import registry
    from shapesys.training.config import load_job

    job = load_job(run.config)
    if not registry.load(job.family).one_network_each(job.model):
        return usual_scale(job, settings).override(typed)
    from shapesys.cli.fit_run import scale_of_fits

    return scale_of_fits(job, typed)


def _refuse_foreign(run: Any, typed: list[str]) -> None:
    """Refuse flags that measure what the run does not predict, or that say how codes are found where there are none."""
    from shapesys.evaluation.suites import refuse_foreign, suite_of
    from shapesys.families import registry
    from shapesys.training.config import load_job

    if not typed:
        return
    job = load_job(run.config)
    family = registry.load(job.family)
    refuse_foreign(typed, suite_of(family), f"run '{run.name}'")
    unused = [name for name in NOT_OF_FITS if name in typed]
    if unused and family.one_network_each(job.model):
        raise UsageError(
            f"{flag(unused[0])} is for networks that are told each shape by a code; run '{run.name}' fits a network to "
            "each shape by the settings it began with: leave it out"
        )


def evaluated(run: Any, split: str, summary: dict[str, Any]) -> Answer:
    """The summary table and where everything lies; a failure where no shape could be evaluated."""
    from shapesys.report.tables import summary_table

    results = run.evaluation(split)
    places = [("per shape", results.rows), ("summary", results.summary)]
    if run.page.exists():
        places.append(("page", run.page))
    rows, failed = _failures(results.rows)
    shown: list[Any] = [summary_table(summary)]
    if failed:
        shown.append(table("failed", ("reason", "shapes"), failed.most_common(MOST_REASONS), right=("shapes",)))
    data = {"run": run.name, "split": split, "paths": dict(places), "failed": dict(failed), "summary": summary}
    all_failed = failed.total() == rows
    return Answer(data, [*shown, *(f"{name}: {path}" for name, path in places)], exit_code=int(all_failed))


def _failures(path: Path) -> tuple[int, Counter[str]]:
    """The number of rows of a table of results, and how many failed for each reason."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["status", "reason"])
    reasons = table["reason"].filter(pc.equal(table["status"], "failed"))
    return len(table), Counter({entry["values"]: entry["counts"] for entry in pc.value_counts(reasons).to_pylist()})


def _rehearse(run: Any, settings: Any, store_url: str | None) -> Answer:
    """What an evaluation would find. Its plan is not opened: that would drop results of other settings."""
    from shapesys.config.base import changed
    from shapesys.evaluation.saliency import maps_to_evaluate_with
    from shapesys.families import registry
    from shapesys.samples.store import Store
    from shapesys.training.checkpoint import chosen_of
    from shapesys.training.saliency import check_maps

    chosen = chosen_of(run)
    job = chosen.job()
    changed(job.inference, settings.inference)
    maps = maps_to_evaluate_with(job, registry.load(job.family), settings)
    trained = job.data
    store = Store.open(store_url or trained.store)
    categories = settings.categories or trained.categories
    ids = store.shape_ids(settings.split, categories)
    if maps:
        check_maps(maps, store, ids)
    data = {
        "checkpoint": chosen.path,
        "store": store.url,
        "split": settings.split,
        "categories": list(categories) or store.categories(),
        "shapes": len(ids),
    }
    return Answer(data, [table("dry run: nothing was evaluated", ("what", "found"), list(data.items()))])
