"""Training on Ray: the same loop in a worker group, each worker fed by a thread of its own or by Ray Data.

Checkpoints and history live in the run directory on storage that all nodes share, not in Ray's own store: a run is
one folder, whoever wrote it, and a restarted worker group (a worker died) or a restarted driver (the same command
again) both continue from its newest checkpoint.
"""

from __future__ import annotations

import logging
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer, get_device

from shapesys.errors import ShapesysError
from shapesys.on_ray.failure import first_cause
from shapesys.on_ray.process_group import OwnNetworkConfig
from shapesys.on_ray.runtime import alive_nodes, cluster_address, physical_cpus, require_room, runtime
from shapesys.on_ray.storage import Witness, require_on_all_nodes, run_and_store, unseen
from shapesys.training import checkpoint, loop
from shapesys.training.config import ScaleConfig, TrainJob
from shapesys.training.context import LocalContext, ProcessGroupContext, forget_modules
from shapesys.training.feed import LocalFeed, MakeFeed, open_data
from shapesys.training.history import Follower, Record
from shapesys.training.plan import RankPlan
from shapesys.training.reader import Columns, Reader
from shapesys.training.run_dir import RunDirectory

_log = logging.getLogger(__name__)

OnLog = Callable[[Record], None]

POLL_SECONDS = 0.5
MOST_BLOCKS = 1000
LEAST_BATCHES_PER_BLOCK = 4
"""A reading task reads one block of the plan: few enough tasks that a long run plans quickly, and enough work in each
to hide a task's overhead."""
BYTES_TO_SEND = 2**20
"""A reading task hands on what it has read once it is this much, however much its block still holds."""
CPUS_PER_READER = 0.25
"""One reading task per worker at a time: decoding a step's bytes takes a few per cent of its training time."""


class ThreadFeed(LocalFeed):
    """Reads a rank's plan in a thread of the worker."""

    def batches(self, plans: RankPlan) -> Iterator[Columns]:
        """Batches in plan order.

        Raises:
            RuntimeError: reading failed; says why. Storage may recover, so this is worth a restart of all workers.
        """
        try:
            yield from super().batches(plans)
        except (ShapesysError, OSError) as error:
            raise RuntimeError(f"reading data failed: {error}") from None


class RayFeed:
    """Reads a rank's plan with Ray Data: stretches of the plan stream through a reading task ahead of the loop."""

    def __init__(self, reader: Reader, ahead: int) -> None:
        self._reader = reader
        self._ahead = ahead

    def batches(self, plans: RankPlan) -> Iterator[Columns]:
        """Batches in plan order.

        Raises:
            RuntimeError: a reading task failed; says why. Storage may recover, so this is worth a restart.
        """
        if not len(plans):
            return
        rows = self._dataset(plans).iter_batches(batch_size=1, prefetch_batches=self._ahead, batch_format="numpy")
        try:
            for row in rows:
                yield {name: value[0] for name, value in row.items()}
        except ray.exceptions.RayTaskError as error:
            raise RuntimeError(f"reading data failed: {first_cause(error)}") from None

    def _dataset(self, plans: RankPlan) -> Any:
        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.target_max_block_size = BYTES_TO_SEND
        reader = self._reader

        def read(block: dict[str, np.ndarray]) -> Iterator[dict[str, Any]]:
            for plan in plans.part(int(block["first"][0]), int(block["last"][0])):
                yield {name: value[None] for name, value in reader.read(plan).items()}

        length = max(LEAST_BATCHES_PER_BLOCK, -(-len(plans) // MOST_BLOCKS))
        blocks = [{"first": first, "last": min(first + length, len(plans))} for first in range(0, len(plans), length)]
        return ray.data.from_items(blocks, override_num_blocks=len(blocks)).map_batches(
            read, batch_size=1, compute=ray.data.TaskPoolStrategy(size=1), num_cpus=CPUS_PER_READER
        )


FEEDS: dict[str, MakeFeed] = {"thread": ThreadFeed, "ray_data": RayFeed}
"""By the setting ``scale.reader``."""


def train(
    job: TrainJob,
    run: RunDirectory,
    address: str | None = None,
    on_log: OnLog | None = None,
    until_epoch: int | None = None,
) -> dict[str, Any]:
    """Train a claimed run to its end on Ray and return the result as plain data.

    Args:
        address: an existing cluster; a private local instance where None.
        on_log: called in this thread with every history record, as it appears.
        until_epoch: pause after this epoch; None for the last.

    Raises:
        ShapesysError: the loop's own errors, a node does not see the run or the store, or the cluster cannot hold the
            workers; names the first cause.
    """
    if not _is_trained(job):
        return asdict(loop.train(job, run, LocalContext(torch.device("cpu"))))
    _check_data(job)
    _check_machine(job.scale, address)
    may_grow = cluster_address(address) is not None
    with runtime(address, num_cpus=reserved_cpus(job.scale)), run_and_store(run, job.data.store) as witnesses:
        require_on_all_nodes(unseen, witnesses)
        trainer = _trainer(job, run, _scaling(job.scale, may_grow), until_epoch, witnesses)
        outcome = _fit(trainer, run, on_log)
    if "error" in outcome:
        raise ShapesysError(outcome["error"])
    return outcome


def _is_trained(job: TrainJob) -> bool:
    """Whether there is anything to start workers for."""
    from shapesys.families import registry

    return registry.load(job.family).traits.trained


def _check_data(job: TrainJob) -> None:
    """Fail before anything is started where the store cannot feed the job."""
    from shapesys.families import registry

    _, plan = open_data(job, registry.load(job.family))
    RankPlan(plan, 0, 1, 0, job.scale.num_workers, job.train.accumulate)


def _trainer(
    job: TrainJob,
    run: RunDirectory,
    scaling: ScalingConfig,
    until_epoch: int | None,
    witnesses: tuple[Witness, ...],
) -> TorchTrainer:
    os.environ["RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"] = str(job.scale.timeout_s)
    if len(alive_nodes()) == 1:
        # One process less to start: there is no second node to move to before this one is taken away.
        os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
    return TorchTrainer(
        _worker,
        train_loop_config={
            "job": job.model_dump(mode="json"),
            "run": str(run.path),
            "until_epoch": until_epoch,
            "witnesses": witnesses,
        },
        scaling_config=scaling,
        torch_config=OwnNetworkConfig(timeout_s=600),
        run_config=RunConfig(
            name=f"{run.name}-{uuid.uuid4().hex[:8]}",
            storage_path=str(run.path / ".ray"),
            failure_config=FailureConfig(max_failures=job.scale.max_failures, controller_failure_limit=0),
        ),
    )


def _fit(trainer: TorchTrainer, run: RunDirectory, on_log: OnLog | None) -> dict[str, Any]:
    """Run the trainer in a thread and follow the workers' history in this one.

    In the main thread, Ray Train would replace the handler of Ctrl-C for the rest of the process.
    """
    ended: dict[str, Any] = {}

    def fit() -> None:
        try:
            ended["result"] = trainer.fit()
        except BaseException as error:
            ended["error"] = error

    follower = Follower(run.history, after_step=_last_step(run))
    thread = threading.Thread(target=fit, name="fit", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(POLL_SECONDS)
        _pass_on(follower, on_log)
    _pass_on(follower, on_log)
    if "error" in ended:
        raise ShapesysError(f"training of '{run.name}' failed: {first_cause(ended['error'])}") from ended["error"]
    return dict(ended["result"].return_value)


def _pass_on(follower: Follower, on_log: OnLog | None) -> None:
    for record in follower.fresh():
        if on_log:
            on_log(record)


def _worker(settings: dict[str, Any]) -> dict[str, Any]:
    """What every worker runs. Errors that a retry cannot mend are returned, not raised, so that Ray does not retry."""
    from shapesys.config.base import parse
    from shapesys.families import registry
    from shapesys.training.config import job_type

    torch.set_num_threads(1)
    if complaint := unseen(settings["witnesses"]):
        # This node joined after the others were asked. Another may do better, so this is worth a restart.
        raise RuntimeError(complaint)
    data = settings["job"]
    job = parse(job_type(registry.load(data["family"])), data)
    run = RunDirectory(Path(settings["run"]))
    try:
        context = ProcessGroupContext(get_device())
        return asdict(loop.train(job, run, context, FEEDS[job.scale.reader], until_epoch=settings["until_epoch"]))
    except ShapesysError as error:
        return {"error": str(error)}
    finally:
        # Ray ends the process group next.
        forget_modules()


def _scaling(scale: ScaleConfig, may_grow: bool) -> ScalingConfig:
    """Workers and what each reserves.

    Raises:
        ShapesysError: an instance that stays as it is cannot hold them; says what it has.
    """
    has = ray.cluster_resources()
    gpus, cpus = has.get("GPU", 0.0), has.get("CPU", 0.0)
    use_gpu = scale.device == "cuda" or (scale.device == "auto" and gpus >= scale.num_workers)
    lack = way_out = ""
    if use_gpu and gpus < scale.num_workers:
        lack = f"{_workers(scale)} a GPU each, but the cluster has {gpus:g}"
        way_out = "lower --scale.num-workers or pass --scale.device cpu"
    elif reserved_cpus(scale) > cpus:
        reading = f" and {reading_cpus(scale):g} for reading" if reading_cpus(scale) else ""
        lack = (
            f"{_workers(scale)} {scale.cpus_per_worker:g} CPUs each{reading}, {reserved_cpus(scale):g} in all, but the "
            f"cluster has {cpus:g}"
        )
        way_out = "lower --scale.num-workers or --scale.cpus-per-worker"
    if lack:
        require_room(lack, way_out, may_grow, scale.timeout_s)
    return ScalingConfig(
        num_workers=scale.num_workers,
        use_gpu=use_gpu,
        resources_per_worker={"CPU": scale.cpus_per_worker} | ({"GPU": 1} if use_gpu else {}),
    )


def _check_machine(scale: ScaleConfig, address: str | None) -> None:
    """A private instance pretends to have as many CPUs as it is asked for; the machine behind it has not.

    Raises:
        ShapesysError: the workers would share fewer CPUs than they reserve.
    """
    if cluster_address(address) or ray.is_initialized():
        return
    wanted, has = scale.num_workers * scale.cpus_per_worker, physical_cpus()
    if wanted > has:
        raise ShapesysError(
            f"{_workers(scale)} {scale.cpus_per_worker:g} CPUs each, but this machine has {has}; lower "
            "--scale.num-workers or --scale.cpus-per-worker, or name a cluster with --address"
        )


def _workers(scale: ScaleConfig) -> str:
    return "1 worker needs" if scale.num_workers == 1 else f"{scale.num_workers} workers need"


def reserved_cpus(scale: ScaleConfig) -> float:
    """CPUs of the workers and of the tasks that read for them: one that waits for a CPU would stop all workers."""
    return scale.num_workers * (scale.cpus_per_worker + reading_cpus(scale))


def reading_cpus(scale: ScaleConfig) -> float:
    """CPUs beside each worker's own: a thread reads in the worker."""
    return CPUS_PER_READER if scale.reader == "ray_data" else 0.0


def _last_step(run: RunDirectory) -> int:
    newest = checkpoint.latest(run.checkpoints)
    return newest.step if newest else 0
