"""What runs in the process of one trial."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune as ray_tune

from shapesys.errors import ShapesysError
from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.on_ray import evaluate, train
from shapesys.on_ray.tune_slots import gpus_per_process, is_nested
from shapesys.training.config import TrainJob
from shapesys.training.run_dir import RunDirectory, read_json
from shapesys.tuning.config import Sweep, load_sweep
from shapesys.tuning.ledger import Trial
from shapesys.tuning.sweep_dir import SweepDirectory
from shapesys.tuning.trial import Engine, LocalEngine, run_trial

_log = logging.getLogger(__name__)


def run_in_tune(config: dict[str, Any], directory: str) -> None:
    """Run one trial and report its rungs to Ray Tune.

    A trial's own error is written to its status and ends it without a retry, which could not help. What is raised is
    worth one: its process died, or its node does not see the shared folder.
    """
    torch.set_num_threads(1)
    place = SweepDirectory(Path(directory))
    if not place.definition.is_file():
        node = ray.util.get_node_ip_address()
        raise ShapesysError(
            f"node {node} does not see {place.path}; put --runs-root on storage that all nodes share, at the same path"
        )
    sweep, trial = load_sweep(place), Trial(**config["trial"])
    engine: Engine = GroupEngine(_gpus(sweep)) if is_nested(sweep) else LocalEngine()
    try:
        for report in run_trial(place, sweep, trial, engine):
            ray_tune.report({"objective": report.value, **asdict(report)})
    except Exception:
        if read_json(place.trial(trial.id).status)["state"] != "failed":
            # It never got hold of its directory, where an earlier process of it lives on.
            raise
        _log.exception("trial %s failed", trial.id)


def _gpus(sweep: Sweep) -> float:
    return gpus_per_process(sweep, ray.cluster_resources().get("GPU", 0.0))


class GroupEngine:
    """Trains with a worker group and measures with a pool of actors, one after the other on the same CPUs and GPUs.

    Args:
        gpus: of each worker, and of each actor.
    """

    def __init__(self, gpus: float) -> None:
        self._gpus = gpus

    def train(self, job: TrainJob, run: RunDirectory, until_epoch: int) -> None:
        train.train(job, run, until_epoch=until_epoch)

    def evaluate(self, run: RunDirectory, settings: EvaluateConfig) -> dict[str, Any]:
        from shapesys.training.config import load_job

        scale = load_job(run.config).scale
        actors = EvaluateScale(
            num_actors=scale.num_workers,
            cpus_per_actor=scale.cpus_per_worker,
            gpus_per_actor=self._gpus,
            batch_shapes=4,
            save_meshes=False,
        )
        return evaluate.evaluate(run, settings, actors)
