"""Two processes train as one does: same losses, same validation, same weights, batch norm included."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import PRESETS
from shapesys.sources.registry import build_source
from shapesys.training import checkpoint, history, run_dir
from shapesys.training.config import TrainJob, claim, resolve
from shapesys.training.context import LocalContext, ProcessGroupContext, leave_process_group
from shapesys.training.loop import train

EPOCHS = 1
"""Rounding decides which point is the largest sooner or later; from then on two runs part."""


def classifying(store: str) -> TrainJob:
    return resolve(
        "pointnet",
        "tiny",
        {
            "data.store": store,
            "model.width": 0.1,
            "model.dropout": 0.3,
            "train.shapes_per_step": 5,
            "train.points_per_shape": 64,
            "train.select": "best",
            "train.validate_epochs": 1,
            **ALIKE,
        },
    )


def contrasting(store: str) -> TrainJob:
    return resolve(
        "issn_csl",
        "tiny",
        {
            "data.store": store,
            "data.interest": "mug",
            "model.latent_dim": 4,
            "model.hidden": 32,
            "model.layers": 3,
            "model.skip_at": 2,
            "model.dropout": 0.2,
            "model.contrast_width": 0.1,
            "train.shapes_per_step": 6,
            "train.points_per_shape": 64,
            **ALIKE,
        },
    )


ALIKE = {
    "train.epochs": EPOCHS,
    "train.log_steps": 1,
    # Adam would blow rounding up where a gradient is almost zero.
    "train.optimiser": "sgd",
    "train.learning_rate": 0.01,
}
JOBS = {"pointnet": classifying, "issn_csl": contrasting}


def work(rank: int, family: str, store: str, root: str, port: int) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    train(JOBS[family](store), run_dir.create(root, "two"), ProcessGroupContext(torch.device("cpu")))
    leave_process_group()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = str(tmp_path_factory.mktemp("two") / "store")
    asked = {"categories": ("mug", "bottle"), "count": 7, "val_fraction": 0.3, "test_fraction": 0.0}
    views = {"views": ("cloud", "sdf"), "cloud.points": 64, "sdf.count": 256, "sdf.chunk": 128}
    prepare_locally(build_source("procedural", asked), made, PRESETS["tiny"].override(views), isolate=False)
    return made


@pytest.mark.parametrize("family", JOBS)
def test_two_workers_train_as_one(
    family: str, store: str, tmp_path: Path, free_port: int, in_two_ranks: Callable[..., None]
) -> None:
    """Shares are of three and two shapes, or of halves of three that two workers cannot share evenly."""
    job = JOBS[family](store)
    one, two = (run_dir.create(tmp_path, name) for name in ("one", "two"))
    for run in (one, two):
        claim(run, job)
    train(job, one, LocalContext(torch.device("cpu")))
    in_two_ranks(work, family, store, str(tmp_path), free_port)
    for alone, shared in zip(history.read(one.history), history.read(two.history), strict=True):
        assert shared["loss"]["total"] == pytest.approx(alone["loss"]["total"], rel=1e-3)
        for name, value in alone["statistics"].items():
            assert shared["statistics"][name] == pytest.approx(value, rel=1e-3), name
        for name, value in alone.get("validation", {}).items():
            assert shared["validation"][name] == pytest.approx(value, rel=1e-3), name
    weights = [checkpoint.restore(checkpoint.newest_of(run))[0].state_dict() for run in (one, two)]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-3, atol=1e-4, msg=name)
