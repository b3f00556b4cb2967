"""Evaluation on a pool of Ray actors: shapes in parallel, rows as they come, nothing lost with an actor."""

from __future__ import annotations

import math
from typing import Any

import ray
import torch

from shapesys.errors import ShapesysError
from shapesys.evaluation.apart import DEVICE_BROKEN
from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.evaluation.evaluator import BatchResult, Evaluator
from shapesys.evaluation.plan import EvaluationPlan, Progress, Tally, exclusive
from shapesys.on_ray.pool import ActorPool, BrokenWorker
from shapesys.on_ray.reach import check_reachable
from shapesys.on_ray.runtime import cluster_address, require_room, runtime
from shapesys.on_ray.storage import Witness, require_on_all_nodes, run_and_store, unseen
from shapesys.training.checkpoint import Checkpoint
from shapesys.training.run_dir import RunDirectory

Batch = tuple[str, ...]
ASK_LESS = "lower --scale.cpus-per-actor or --scale.gpus-per-actor"


class EvaluationActor:
    """Holds one restored checkpoint."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        store_url: str,
        settings: EvaluateConfig,
        keep: Any,
        witnesses: tuple[Witness, ...],
    ) -> None:
        if complaint := unseen(witnesses):
            raise ShapesysError(complaint)
        torch.set_num_threads(1)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._evaluator = Evaluator.open(checkpoint, store_url, settings, keep, device)

    def ping(self) -> bool:
        return True

    def run(self, shape_ids: Batch) -> BatchResult:
        try:
            return self._evaluator.evaluate(shape_ids)
        except DEVICE_BROKEN as error:
            raise BrokenWorker(str(error)) from error


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
        ShapesysError: no checkpoint, store or shapes, or no actor can be started.
    """
    named = cluster_address(address)
    if named and not ray.is_initialized():
        # Before the plan, which puts results of other settings aside.
        check_reachable(named)
    with exclusive(run):
        plan = EvaluationPlan.open(run, settings, store_url, scale.retry_failed)
        if plan.waiting:
            actors = min(scale.num_actors, len(plan.waiting))
            with (
                runtime(address, num_cpus=int(actors * scale.cpus_per_actor) + 1),
                run_and_store(run, plan.store.url) as witnesses,
            ):
                require_on_all_nodes(unseen, witnesses)
                # A cluster may start machines when actors ask for them; what was started here may not.
                _run_pool(plan, scale, actors, bool(named), witnesses, progress)
        return plan.finish()


def _run_pool(
    plan: EvaluationPlan,
    scale: EvaluateScale,
    actors: int,
    may_grow: bool,
    witnesses: tuple[Witness, ...],
    progress: Progress | None,
) -> None:
    keep = plan.directory if scale.save_meshes else None
    gpus = _gpus_per_actor(scale, actors, may_grow)
    # Inside a trial of a sweep, Ray would otherwise look for room in what the trial's own process reserved.
    placed = ray.remote(num_cpus=scale.cpus_per_actor, num_gpus=gpus, scheduling_strategy="DEFAULT")
    remote = placed(EvaluationActor)

    def make_actor() -> Any:
        return remote.remote(plan.checkpoint, plan.store.url, plan.settings, keep, witnesses)

    pool: ActorPool[Batch] = ActorPool(
        make_actor,
        actors,
        deadline=lambda batch: scale.shape_limit_s * len(batch),
        attempts=scale.attempts,
        start_limit=scale.start_limit_s,
        parts=_single_shapes,
        way_out=f"{ASK_LESS}, or raise --scale.start-limit-s",
    )
    tally = Tally(plan, progress)
    for outcome in pool.map(plan.batches(scale.batch_shapes, lambda: pool.workers)):
        if outcome.ok:
            tally.add(outcome.value.rows, outcome.value.records)
        else:
            reason = f"{outcome.stage}: {outcome.failure}"
            tally.add([plan.failed_row(shape_id, reason) for shape_id in outcome.item])


def _single_shapes(batch: Batch) -> list[Batch]:
    """A batch that broke is tried shape by shape, so that one bad shape takes no other with it."""
    return [(shape_id,) for shape_id in batch] if len(batch) > 1 else []


def _gpus_per_actor(scale: EvaluateScale, actors: int, may_grow: bool) -> float:
    """As asked, or an even share of the cluster's GPUs, at most one.

    Raises:
        ShapesysError: an instance that stays as it is cannot hold one such actor.
    """
    has = ray.cluster_resources()
    gpus = has.get("GPU", 0.0)
    share = min(1.0, gpus / actors) if scale.gpus_per_actor is None else scale.gpus_per_actor
    if share > gpus or scale.cpus_per_actor > has.get("CPU", 0.0):
        lack = (
            f"an actor needs {scale.cpus_per_actor:g} CPUs and {share:g} GPUs, but the cluster has "
            f"{has.get('CPU', 0.0):g} and {gpus:g}"
        )
        require_room(lack, ASK_LESS, may_grow, scale.start_limit_s)
    # Ray takes whole GPUs, or shares of one in steps of a ten-thousandth.
    return math.floor(share * 10_000) / 10_000
