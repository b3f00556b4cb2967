"""The peers of Ray: preparation and evaluation in a spawned pool, training as torch launches it, with the same work."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed
import torch.multiprocessing

from shapesys.config.base import parse
from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.evaluation.evaluator import BatchResult, Evaluator
from shapesys.evaluation.plan import EvaluationPlan, Tally
from shapesys.families import registry
from shapesys.samples import prepare as preparation
from shapesys.samples.commit import sweep
from shapesys.samples.prepare import Bucket, BucketReport, PrepareReport, Work
from shapesys.samples.settings import PrepareConfig
from shapesys.samples.shape import prepare_shape
from shapesys.samples.store import Store
from shapesys.sources.base import Source
from shapesys.training import loop
from shapesys.training.config import TrainJob, job_type
from shapesys.training.context import ProcessGroupContext, leave_process_group
from shapesys.training.run_dir import RunDirectory

_HELD: dict[str, Any] = {}
"""What a pool's process was started with."""


def prepare(
    source: Source, store: str, settings: PrepareConfig, workers: int, *, isolate: bool = True
) -> PrepareReport:
    """The buckets of a preparation in a pool; `isolate` as on Ray, where shapes are made in a child of each worker."""
    work, buckets, notes = preparation.plan(source, store, settings, retry=False)
    tally = preparation.Tally(sum(len(bucket.entries) for bucket in buckets))
    with work.folder.exclusive(), _pool(workers, _hold_preparation, work, isolate) as pool:
        for report in pool.imap_unordered(_prepare, preparation.with_parts(work, buckets)):
            tally.add(report)
        sweep(Store.open(work.folder.url))
    return tally.report(work.folder.url, notes)


def _hold_preparation(work: Work, isolate: bool) -> None:
    plain = partial(prepare_shape, work.source, settings=work.settings)
    _HELD.update(work=work, prepare=work.prepare_isolated() if isolate else plain)


def _prepare(bucket: Bucket) -> BucketReport:
    return preparation.prepare_bucket(_HELD["work"], bucket, _HELD["prepare"])


def evaluate(run: RunDirectory, settings: EvaluateConfig, scale: EvaluateScale) -> dict[str, Any]:
    """The batches of an evaluation in a pool."""
    plan = EvaluationPlan.open(run, settings)
    tally = Tally(plan, None)
    opened = plan.checkpoint, plan.store.url, settings, plan.directory if scale.save_meshes else None
    with _pool(scale.num_actors, _hold_evaluator, *opened) as pool:
        for result in pool.imap_unordered(_evaluate, plan.batches(scale.batch_shapes, lambda: scale.num_actors)):
            tally.add(result.rows, result.records)
    return plan.finish()


def _hold_evaluator(*opened: Any) -> None:
    torch.set_num_threads(1)
    _HELD["evaluator"] = Evaluator.open(*opened, torch.device("cpu"))


def _evaluate(batch: tuple[str, ...]) -> BatchResult:
    result: BatchResult = _HELD["evaluator"].evaluate(batch)
    return result


def _pool(workers: int, initialise: Callable[..., None], *arguments: Any) -> Any:
    return multiprocessing.get_context("spawn").Pool(workers, initialise, arguments)


def train(job: TrainJob, run: RunDirectory) -> None:
    """DistributedDataParallel over gloo in processes that torch spawns, each reading ahead in a thread."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = (str(Path(folder, "rendezvous")), job.model_dump(mode="json"), str(run.path))
        torch.multiprocessing.start_processes(
            _train, arguments, nprocs=job.scale.num_workers, start_method="spawn"
        )  # fmt: skip


def _train(rank: int, rendezvous: str, data: dict[str, Any], path: str) -> None:
    torch.set_num_threads(1)
    job = parse(job_type(registry.load(data["family"])), data)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=job.scale.num_workers
    )
    loop.train(job, RunDirectory(Path(path)), ProcessGroupContext(torch.device("cpu")))
    leave_process_group()
