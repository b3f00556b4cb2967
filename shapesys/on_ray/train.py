"""Training on Ray: the same loop in a worker group, fed by Ray Data.

Checkpoints and history live in the run directory on storage that all nodes share, not in Ray's own store: a run is
one folder, whoever wrote it, and a restarted worker group (a worker died) or a restarted driver (the same command
again) both continue from its newest checkpoint.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import ray
import torch
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer, get_device

from shapesys.errors import ShapesysError
from shapesys.on_ray.runtime import runtime
from shapesys.training import loop
from shapesys.training.config import ScaleConfig, TrainJob
from shapesys.training.context import ProcessGroupContext
from shapesys.training.feed import Columns, Reader
from shapesys.training.history import Follower, Record
from shapesys.training.plan import StepPlan
from shapesys.training.run_dir import RunDirectory

POLL_SECONDS = 0.5
STEPS_PER_BLOCK = 4
"""Steps read by one Ray Data task: enough to hide a task's overhead, few enough to start quickly."""
READERS_PER_RANK = 1
"""Reading tasks at a time: decoding a step's bytes takes a few per cent of its training time."""


class RayFeed:
    """Reads a rank's plan with Ray Data: plan rows stream through reading tasks, in order, ahead of the loop."""

    def __init__(self, reader: Reader, ahead: int) -> None:
        self._reader = reader
        self._ahead = ahead

    def batches(self, plans: Sequence[StepPlan] | Iterator[StepPlan]) -> Iterator[Columns]:
        rows = list(plans)
        if not rows:
            return
        dataset = self._dataset(rows)
        for row in dataset.iter_batches(batch_size=1, prefetch_batches=self._ahead, batch_format="numpy"):
            yield {name: value[0] for name, value in row.items()}

    def _dataset(self, rows: list[StepPlan]) -> Any:
        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        plans = ray.put(rows)
        reader = self._reader

        def read(batch: dict[str, np.ndarray]) -> Iterator[dict[str, Any]]:
            known = ray.get(plans)
            for index in batch["id"]:
                columns = reader.read(known[int(index)])
                yield {name: value[None] for name, value in columns.items()}

        blocks = max(1, -(-len(rows) // STEPS_PER_BLOCK))
        numbers = ray.data.range(len(rows), override_num_blocks=blocks)
        return numbers.map_batches(
            read,
            batch_size=STEPS_PER_BLOCK,
            compute=ray.data.TaskPoolStrategy(size=READERS_PER_RANK),
            num_cpus=0.25,
            zero_copy_batch=True,
        )


def train(
    job: TrainJob,
    run: RunDirectory,
    address: str | None = None,
    on_log: Callable[[Record], None] | None = None,
) -> dict[str, Any]:
    """Train a claimed run to its end on Ray and return the result as plain data.

    Args:
        address: an existing cluster; a private local instance where None.
        on_log: called in this process with every history record, as it appears.

    Raises:
        ShapesysError: the loop's own errors, or no worker could be placed; names the first cause.
    """
    with runtime(address, num_cpus=_cpus_wanted(job.scale)):
        scaling = _scaling(job.scale)
        with _following(run, on_log):
            return _fit(job, run, scaling)


def _fit(job: TrainJob, run: RunDirectory, scaling: ScalingConfig) -> dict[str, Any]:
    trainer = TorchTrainer(
        _worker,
        train_loop_config={"job": job.model_dump(mode="json"), "run": str(run.path)},
        scaling_config=scaling,
        torch_config=TorchConfig(timeout_s=600),
        run_config=RunConfig(
            name=f"{run.name}-{uuid.uuid4().hex[:8]}",
            storage_path=str(run.path / ".ray"),
            failure_config=FailureConfig(max_failures=job.scale.max_failures),
        ),
    )
    try:
        outcome = trainer.fit().return_value
    except Exception as error:
        raise ShapesysError(_first_cause(error, run)) from error
    if outcome is None:
        raise ShapesysError(f"training of '{run.name}' ended without a result; see {run.path / '.ray'}")
    if "error" in outcome:
        raise ShapesysError(outcome["error"])
    return dict(outcome)


def _worker(settings: dict[str, Any]) -> dict[str, Any]:
    """What every worker runs. Errors that a retry cannot mend are returned, not raised, so that Ray does not retry."""
    from shapesys.config.base import parse
    from shapesys.families import registry
    from shapesys.training.config import job_type

    torch.set_num_threads(1)
    data = settings["job"]
    job = parse(job_type(registry.load(data["family"])), data)
    from pathlib import Path

    run = RunDirectory(Path(settings["run"]))
    try:
        return asdict(loop.train(job, run, ProcessGroupContext(get_device()), RayFeed))
    except ShapesysError as error:
        return {"error": str(error)}


def _scaling(scale: ScaleConfig) -> ScalingConfig:
    """Workers and what each reserves.

    Raises:
        ShapesysError: the cluster can never hold them; says what it has.
    """
    has = ray.cluster_resources()
    gpus, cpus = has.get("GPU", 0.0), has.get("CPU", 0.0)
    use_gpu = scale.device == "cuda" or (scale.device == "auto" and gpus >= scale.num_workers)
    if use_gpu and gpus < scale.num_workers:
        raise ShapesysError(
            f"{scale.num_workers} workers need a GPU each, but the cluster has {gpus:g}; lower "
            "--scale.num-workers or pass --scale.device cpu"
        )
    wanted = scale.num_workers * scale.cpus_per_worker
    if wanted + 1 > cpus:
        raise ShapesysError(
            f"{scale.num_workers} workers x {scale.cpus_per_worker:g} CPUs plus 1 for reading data exceed the "
            f"cluster's {cpus:g} CPUs; lower --scale.num-workers or --scale.cpus-per-worker"
        )
    return ScalingConfig(
        num_workers=scale.num_workers,
        use_gpu=use_gpu,
        resources_per_worker={"CPU": scale.cpus_per_worker} | ({"GPU": 1} if use_gpu else {}),
    )


def _cpus_wanted(scale: ScaleConfig) -> int:
    """Logical CPUs of a private instance: workers, and room for reading data."""
    return int(np.ceil(scale.num_workers * scale.cpus_per_worker)) + 2


@contextlib.contextmanager
def _following(run: RunDirectory, on_log: Callable[[Record], None] | None) -> Iterator[None]:
    """Pass on history records from the workers while the body runs."""
    if on_log is None:
        yield
        return
    follower = Follower(run.history, after_step=_last_step(run))
    done = threading.Event()

    def follow() -> None:
        while not done.wait(POLL_SECONDS):
            for record in follower.fresh():
                on_log(record)

    thread = threading.Thread(target=follow, name="history", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        time.sleep(0)
        for record in follower.fresh():
            on_log(record)


def _last_step(run: RunDirectory) -> int:
    from shapesys.training import checkpoint

    newest = checkpoint.latest(run.checkpoints)
    return newest.step if newest else 0


def _first_cause(error: BaseException, run: RunDirectory) -> str:
    """The deepest cause's own words, since Ray wraps them several times."""
    failures = getattr(error, "worker_failures", None)
    first = next(iter(failures.values())) if failures else error
    while first.__cause__ is not None:
        first = first.__cause__
    lines = [line for line in str(first).strip().splitlines() if line.strip()]
    return f"training of '{run.name}' failed: {lines[-1] if lines else type(first).__name__}"
