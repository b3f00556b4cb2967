"""Evaluates until two shapes are done, then dies as if the machine had: ``killed_driver.py RUN ADDRESS SETTINGS``."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.on_ray.evaluate import evaluate
from shapesys.training.run_dir import RunDirectory


def die(done: int, total: int, failed: int) -> None:
    if done >= 2:
        os.kill(os.getpid(), signal.SIGKILL)


run, address, settings = sys.argv[1:]
evaluate(
    RunDirectory(Path(run)),
    EvaluateConfig.model_validate_json(settings),
    EvaluateScale(num_actors=1, cpus_per_actor=0.5, batch_shapes=1, save_meshes=False),
    address=address,
    progress=die,
)
