"""A small store and a trained run, made once, without Ray."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import CloudConfig, OccupancyConfig, PrepareConfig, QueryConfig
from shapesys.sources.registry import build_source
from shapesys.training import run_dir
from shapesys.training.config import claim, resolve
from shapesys.training.context import LocalContext
from shapesys.training.loop import train
from shapesys.training.run_dir import RunDirectory

# For the modules that several of these tests share.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten mugs: six to train on, three to test."""
    source = build_source("procedural", {"categories": ("mug",), "count": 10, "test_fraction": 0.3})
    few = PrepareConfig(
        sdf=QueryConfig(count=2048, chunk=512), cloud=CloudConfig(points=256), occupancy=OccupancyConfig(points=300)
    )
    folder = tmp_path_factory.mktemp("mugs") / "store"
    prepare_locally(source, str(folder), few, isolate=False)
    return folder


@pytest.fixture(scope="session")
def trained(store: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run that has learnt the mugs' common shape."""
    small = {"model.hidden": 32, "model.latent_dim": 8, "model.layers": 4, "model.skip_at": 2, "model.dropout": 0.0}
    steps = {"train.epochs": 200, "train.points_per_shape": 1024, "train.learning_rate": 5e-3}
    job = resolve("issn", "tiny", {"data.store": str(store)} | small | steps)
    run = run_dir.create(tmp_path_factory.mktemp("runs"), "mugs")
    claim(run, job)
    train(job, run, LocalContext(torch.device("cpu")))
    return run
