"""Two processes train as one does: same losses, same validation, same weights, batch norm included."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp

from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import PRESETS
from shapesys.sources.registry import build_source
from shapesys.training import checkpoint, history, run_dir
from shapesys.training.config import TrainJob, claim, resolve
from shapesys.training.context import LocalContext, ProcessGroupContext
from shapesys.training.loop import train

EPOCHS = 1
"""Rounding decides which point is the largest sooner or later; from then on two runs part."""


def job_of(store: str) -> TrainJob:
    return resolve(
        "pointnet",
        "tiny",
        {
            "data.store": store,
            "model.width": 0.1,
            "model.dropout": 0.3,
            "train.epochs": EPOCHS,
            "train.shapes_per_step": 5,
            "train.points_per_shape": 64,
            "train.log_steps": 1,
            "train.select": "best",
            "train.validate_epochs": 1,
            # Adam would blow rounding up where a gradient is almost zero.
            "train.optimiser": "sgd",
            "train.learning_rate": 0.01,
        },
    )


def work(rank: int, store: str, root: str, port: int) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    train(job_of(store), run_dir.create(root, "two"), ProcessGroupContext(torch.device("cpu")))
    torch.distributed.destroy_process_group()


def test_two_workers_train_as_one(tmp_path: Path, free_port: int) -> None:
    store = str(tmp_path / "store")
    asked = {"categories": ("mug", "bottle"), "count": 7, "val_fraction": 0.3, "test_fraction": 0.0}
    settings = PRESETS["tiny"].override({"views": ("cloud",), "cloud.points": 64})
    prepare_locally(build_source("procedural", asked), store, settings, isolate=False)
    one, two = (run_dir.create(tmp_path, name) for name in ("one", "two"))
    for run in (one, two):
        claim(run, job_of(store))
    train(job_of(store), one, LocalContext(torch.device("cpu")))
    # Shares of three and two shapes.
    mp.spawn(work, args=(store, str(tmp_path), free_port), nprocs=2)
    for alone, shared in zip(history.read(one.history), history.read(two.history), strict=True):
        assert shared["loss"]["total"] == pytest.approx(alone["loss"]["total"], rel=1e-3)
        for name, value in alone.get("validation", {}).items():
            assert shared["validation"][name] == pytest.approx(value, rel=1e-3), name
    weights = [checkpoint.restore(checkpoint.newest_of(run))[0].state_dict() for run in (one, two)]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-3, atol=1e-4, msg=name)
