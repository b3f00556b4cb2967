"""Runs that have learnt nothing."""

from __future__ import annotations

from pathlib import Path

import torch

from shapesys.families import registry
from shapesys.families.base import TrainingData
from shapesys.geometry.normalise import FrameName, Framing
from shapesys.samples.vocabulary import Vocabulary
from shapesys.training import run_dir
from shapesys.training.checkpoint import save
from shapesys.training.config import claim, resolve
from shapesys.training.loop import make_optimiser
from shapesys.training.run_dir import RunDirectory


def run_of_a_ball(
    root: Path, radius: float, store: str = "unused", frame: FrameName = "unit_sphere", family: str = "sal"
) -> RunDirectory:
    """A run of a family that knows the ball that it starts as, under the one shape ``ball/unseen``."""
    model = {"model.hidden": 64, "model.latent_dim": 4, "model.layers": 3, "model.skip_at": 2, "model.radius": radius}
    job = resolve(family, "tiny", {"data.store": store, **model})
    torch.manual_seed(0)
    objective = registry.load(family).build(job.model, TrainingData(1))
    run = run_dir.create(root, "ball")
    claim(run, job)
    optimiser, where = make_optimiser(objective, job.train), Framing(frame)
    save(run.checkpoints, 1, job, objective, ["ball/unseen"], optimiser, Vocabulary(), framing=where)
    return run
