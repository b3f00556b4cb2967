"""A sweep on Ray Tune: trials are real training runs, each measured at its rungs by a real evaluation.

What a sweep knows lies in its ledger and in its trials' run directories, not in Ray's experiment state: a restarted
driver begins a new Ray experiment, tells its search and its scheduler what is known, and goes on.
"""

from __future__ import annotations

import os
import queue
import shutil
import threading
import time
import uuid
from functools import partial
from pathlib import Path
from typing import Any

from ray import tune as ray_tune

from shapesys.errors import ShapesysError
from shapesys.on_ray.failure import first_cause
from shapesys.on_ray.quiet import silence_of_tune
from shapesys.on_ray.runtime import cluster_address, runtime
from shapesys.on_ray.storage import require_on_all_nodes, run_and_store, unseen
from shapesys.on_ray.tune_callbacks import Observer, Said, Search, Watch, scheduler, trial_id
from shapesys.on_ray.tune_slots import Slots, is_nested, private_cpus, slots_of
from shapesys.on_ray.tune_trial import run_in_tune
from shapesys.tuning.config import Sweep
from shapesys.tuning.sweep_dir import SweepDirectory
from shapesys.tuning.trial_queue import TrialQueue

POLL_SECONDS = 0.5


def tune(
    directory: SweepDirectory,
    sweep: Sweep,
    trials: TrialQueue,
    observer: Observer,
    *,
    address: str | None = None,
    seconds: float | None = None,
) -> None:
    """Run what is left of a claimed sweep.

    Args:
        trials: what to run; knows what earlier calls did.
        observer: hears of every event, in this thread.
        seconds: end after this time; what runs then goes on with the next call. None for no limit.

    Raises:
        ShapesysError: the cluster cannot be reached, or can never hold a trial.
    """
    entered = time.monotonic()
    may_grow = cluster_address(address) is not None
    # Without Ray's state service, a trial that ends early would keep the CPUs of its workers.
    with (
        runtime(address, num_cpus=private_cpus(sweep), dashboard=is_nested(sweep)),
        run_and_store(directory, sweep.base.data.store) as witnesses,
    ):
        require_on_all_nodes(unseen, witnesses)
        slots = slots_of(sweep, may_grow)
        said: queue.SimpleQueue[Said] = queue.SimpleQueue()
        left = None if seconds is None else max(seconds - (time.monotonic() - entered), 1.0)
        tuner = _tuner(directory, sweep, slots, trials, Watch(directory, trials, said.put), left)
        ended = _follow(tuner, said, observer)
    shutil.rmtree(_scratch(directory), ignore_errors=True)
    if ended is not None:
        raise ShapesysError(f"sweep '{directory.name}' stopped: {first_cause(ended)}") from ended


def _follow(tuner: Any, said: queue.SimpleQueue[Said], observer: Observer) -> BaseException | None:
    """Run the tuner in a thread and pass on what is said; in the main thread, Ray would replace Ctrl-C's handler."""
    ended: list[BaseException] = []

    def fit() -> None:
        try:
            tuner.fit()
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=fit, name="tune", daemon=True)
    with silence_of_tune():
        thread.start()
        while thread.is_alive():
            thread.join(POLL_SECONDS)
            _pass_on(said, observer)
    _pass_on(said, observer)
    return ended[0] if ended else None


def _pass_on(said: queue.SimpleQueue[Said], observer: Observer) -> None:
    while not said.empty():
        said.get()(observer)
    observer.tick()


def _tuner(
    directory: SweepDirectory, sweep: Sweep, slots: Slots, trials: TrialQueue, watch: Watch, seconds: float | None
) -> ray_tune.Tuner:
    # No CSV, JSON and TensorBoard files of Ray's own beside the trials' histories.
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    # A trial that errs before its first rung reports nothing; that is its own affair, not the end of the sweep.
    os.environ.setdefault("TUNE_DISABLE_STRICT_METRIC_CHECKING", "1")
    return ray_tune.Tuner(
        ray_tune.with_resources(partial(run_in_tune, directory=str(directory.path)), slots.resources),
        tune_config=ray_tune.TuneConfig(
            num_samples=-1,
            search_alg=Search(trials),
            scheduler=scheduler(sweep, trials, watch),
            max_concurrent_trials=slots.concurrent,
            time_budget_s=seconds,
            trial_name_creator=trial_id,
            trial_dirname_creator=trial_id,
        ),
        run_config=ray_tune.RunConfig(
            name=uuid.uuid4().hex[:8],
            storage_path=str(_scratch(directory)),
            verbose=0,
            callbacks=[watch],
            failure_config=ray_tune.FailureConfig(max_failures=sweep.base.scale.max_failures),
        ),
    )


def _scratch(directory: SweepDirectory) -> Path:
    """Where Ray keeps its own notes on the sweep, which nothing reads."""
    return directory.path / ".ray"
