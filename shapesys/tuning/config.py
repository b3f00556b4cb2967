"""The configuration of a sweep: what is searched, by which measure, and when it ends."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from pydantic import SerializeAsAny, create_model, field_validator, model_validator

from shapesys.config.base import Config, diff, parse, setting
from shapesys.errors import ShapesysError
from shapesys.evaluation.config import EvaluateConfig
from shapesys.families import registry
from shapesys.training.config import TrainJob, job_type
from shapesys.training.run_dir import read_json, write_json
from shapesys.tuning.ledger import Ledger
from shapesys.tuning.space import Space
from shapesys.tuning.sweep_dir import SweepDirectory

if TYPE_CHECKING:
    from shapesys.families.base import Family

SCHEMA = 1

AUTO = "auto"

Strategy = Literal["auto", "grid", "random", "optuna"]
EarlyStopping = Literal["asha", "none"]
Statistic = Literal["mean", "median"]


class TuneConfig(Config):
    """The search."""

    metric: str = setting(
        AUTO,
        help="what to optimise: a metric of the evaluation, by its name; auto: the first of them, such as "
        "chamfer/onet.chamfer_l1, accuracy/top1, iou/part.restricted or asa/mean.k100",
    )
    statistic: Statistic = setting("mean", help="over the shapes of the split, where the metric is one of shapes")
    strategy: Strategy = setting(
        "auto", help="how points are chosen: grid, random, optuna, or auto: what the space recommends"
    )
    trials: int = setting(20, help="points of the space to try; a grid tries at most all of its points", ge=1)
    seeds: int = setting(1, help="trials of each point, with the seed train.seed and those that follow it", ge=1)
    early_stopping: EarlyStopping = setting(
        "asha", help="asha ends trials that fall behind at a rung (asynchronous successive halving); none ends none"
    )
    rungs: int = setting(3, help="evaluations of a trial, the last one at its end, where trials may end early", ge=1)
    reduction: int = setting(3, help="one in this many trials goes on past a rung; rungs are this factor apart", ge=2)
    hours: float = setting(0.0, help="end the sweep after this time, calls before this one included; 0 = never", ge=0)
    concurrent: int = setting(0, help="trials at a time; 0 = as many as the cluster holds", ge=0)
    gpus_per_trial: float | None = setting(
        None, help="GPUs, or a share of one, of a trial with one worker; by default 1 where the cluster has any", ge=0
    )
    search_seed: int = setting(0, help="seed of the choice of points", ge=0, lt=2**31)

    @field_validator("gpus_per_trial")
    @classmethod
    def _of_one_gpu_or_whole(cls, gpus: float | None) -> float | None:
        if gpus is not None and gpus > 1 and not gpus.is_integer():
            raise ValueError(f"{gpus:g} is neither a share of one GPU nor a whole number of them")
        return gpus


class TrialEvaluation(EvaluateConfig):
    """How trials are measured: on held-out shapes that no table reports, at a fraction of an evaluation's cost."""

    split: str = setting("val", help="split to measure trials on; keep the test split for the winner")
    resolution: int = setting(128, help="cells along the box of the extracted surface", ge=8)
    samples: int = setting(30_000, help="surface samples per mesh for every surface metric", ge=100)


MAY_CHANGE = (
    *("tune.trials", "tune.hours", "tune.concurrent", "tune.gpus_per_trial", "base.scale."),
    *("space.summary", "space.source"),
)
"""What a sweep may change between two calls: how far it goes, where it runs and its words, never what it compares."""


class Sweep(Config):
    """Everything `tune` needs; the class for a concrete family comes from `sweep_type`."""

    schema_version: int = setting(SCHEMA, help="layout version of this file", ge=1, le=SCHEMA)
    space: Space = setting(..., help="the knobs and what they may be")
    base: SerializeAsAny[TrainJob] = setting(..., help="the training job that a point of the space changes")
    tune: TuneConfig = TuneConfig()
    evaluate: TrialEvaluation = TrialEvaluation()

    @model_validator(mode="after")
    def _metric_is_named(self) -> Sweep:
        """What the family predicts decides the metric where nobody does."""
        if self.tune.metric != AUTO:
            return self
        # Here, since help texts need the settings and no torch.
        from shapesys.tuning.objective import default_metric

        metric = default_metric(registry.load(self.base.family), self.evaluate, self.base)
        return self.model_copy(update={"tune": self.tune.model_copy(update={"metric": metric})})


@cache
def sweep_type(family: Family) -> type[Sweep]:
    """`Sweep` whose ``base`` is typed for `family`."""
    base: Any = (job_type(family), setting(..., help="the training job that a point of the space changes"))
    return create_model(f"Sweep_{family.name}", __base__=Sweep, base=base)


def load_sweep(directory: SweepDirectory) -> Sweep:
    """Read a sweep.json.

    Raises:
        ShapesysError: missing or broken file; UsageError for values this version does not know.
    """
    data = read_json(directory.definition)
    try:
        family = data["base"]["family"]
    except (TypeError, KeyError):
        raise ShapesysError(f"{directory.definition} is not a sweep: no 'base.family' in it") from None
    sweep: Sweep = parse(sweep_type(registry.load(family)), data)
    return sweep


def claim_sweep(directory: SweepDirectory, sweep: Sweep) -> bool:
    """Write the sweep into its directory, or accept the same sweep again. Returns True where it resumes.

    Settings may change until the first trial begins: what could not start is mended under the same name.

    Raises:
        ShapesysError: the directory holds trials of a sweep that compares something else; shows the difference.
    """
    resumes = directory.definition.exists() and bool(Ledger(directory.ledger).records())
    if directory.definition.exists() and not resumes and load_sweep(directory) != sweep:
        # The tracked run holds the other settings as its parameters.
        directory.tracking.unlink(missing_ok=True)
    if resumes:
        changed = diff(load_sweep(directory), sweep)
        other = [entry for entry in changed if not entry[0].startswith(MAY_CHANGE)]
        if other:
            lines = "\n".join(f"  {path}: {old!r} there, {new!r} now" for path, old, new in other)
            raise ShapesysError(f"sweep '{directory.name}' exists with other settings:\n{lines}\nchoose another --run")
    write_json(directory.definition, sweep.model_dump(mode="json"))
    return resumes
