"""Evaluation on a pool of Ray actors: shapes in parallel, rows as they come, nothing lost with an actor."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import ray
import torch

from shapesys.errors import ShapesysError
from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.evaluation.evaluator import BatchResult, Evaluator
from shapesys.evaluation.plan import EvaluationPlan, Progress, exclusive
from shapesys.on_ray.pool import ActorPool, Outcome
from shapesys.on_ray.runtime import runtime
from shapesys.training.checkpoint import Checkpoint
from shapesys.training.run_dir import RunDirectory

Batch = tuple[str, ...]


class EvaluationActor:
    """Holds one restored checkpoint."""

    def __init__(self, checkpoint: Checkpoint, store_url: str, settings: EvaluateConfig, keep: Any) -> None:
        torch.set_num_threads(1)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._evaluator = Evaluator.open(checkpoint, store_url, settings, keep, device)

    def ping(self) -> bool:
        return True

    def run(self, shape_ids: Batch) -> BatchResult:
        return self._evaluator.evaluate(shape_ids)


def evaluate(
    run: RunDirectory,
    settings: EvaluateConfig,
    scale: EvaluateScale,
    store_url: str | None = None,
    address: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Evaluate a run's newest checkpoint and return the summary; the same call again does only the rest.

    Raises:
        ShapesysError: no checkpoint, store or shapes.
    """
    started = time.perf_counter()
    with exclusive(run):
        plan = EvaluationPlan.open(run, settings, store_url)
        if plan.waiting:
            with runtime(address, num_cpus=int(scale.num_actors * scale.cpus_per_actor) + 1):
                _run_pool(plan, scale, progress)
        return plan.finish(time.perf_counter() - started)


def _run_pool(plan: EvaluationPlan, scale: EvaluateScale, progress: Progress | None) -> None:
    keep = plan.directory if scale.save_meshes else None
    remote = ray.remote(num_cpus=scale.cpus_per_actor, num_gpus=_gpus_per_actor(scale))(EvaluationActor)

    def make_actor() -> Any:
        return remote.remote(plan.checkpoint, plan.store.url, plan.settings, keep)

    pool: ActorPool[Batch] = ActorPool(make_actor, scale.num_actors, lambda batch: scale.shape_limit_s * len(batch))
    tally = _Tally(plan, progress)
    # A batch that broke its actor is tried shape by shape, so that one bad shape takes no other with it.
    broken = [outcome.item for outcome in pool.map(plan.batches(scale.batch_shapes)) if not tally.take(outcome)]
    singles = [(shape_id,) for batch in broken for shape_id in batch]
    for outcome in pool.map(singles):
        if not tally.take(outcome):
            tally.fail(outcome)


def _gpus_per_actor(scale: EvaluateScale) -> float:
    """As asked, or an even share of the cluster's GPUs, at most one.

    Raises:
        ShapesysError: the cluster can never hold one such actor.
    """
    has = ray.cluster_resources()
    gpus = has.get("GPU", 0.0)
    share = min(1.0, gpus / scale.num_actors) if scale.gpus_per_actor is None else scale.gpus_per_actor
    if share > gpus or scale.cpus_per_actor > has.get("CPU", 0.0):
        raise ShapesysError(
            f"an actor needs {scale.cpus_per_actor:g} CPUs and {share:g} GPUs, but the cluster has "
            f"{has.get('CPU', 0.0):g} and {gpus:g}; lower --scale.cpus-per-actor or --scale.gpus-per-actor"
        )
    # Ray takes whole GPUs, or shares of one in steps of a ten-thousandth.
    return math.floor(share * 10_000) / 10_000


class _Tally:
    """Writes outcomes and counts them."""

    def __init__(self, plan: EvaluationPlan, progress: Callable[[int, int, int], None] | None) -> None:
        self._plan = plan
        self._progress = progress
        self._done = len(plan.shapes) - len(plan.waiting)
        self._failed = 0

    def take(self, outcome: Outcome[Batch]) -> bool:
        """Record a finished batch; False for one that did not finish."""
        if not outcome.ok:
            return False
        self._add(outcome.value.rows, outcome.value.records)
        return True

    def fail(self, outcome: Outcome[Batch]) -> None:
        """Record a shape that could not be finished."""
        reason = f"{outcome.stage}: {outcome.failure}"
        self._add([self._plan.failed(shape_id, reason) for shape_id in outcome.item], ())

    def _add(self, rows: list[dict[str, Any]], records: Any) -> None:
        self._plan.results.add(rows, records)
        self._done += len(rows)
        self._failed += sum(row["status"] == "failed" for row in rows)
        if self._progress:
            self._progress(self._done, len(self._plan.shapes), self._failed)
