"""A tiny training job on analytic shapes, for every test of the loop."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from support import AnalyticStore, MakeRun

from shapesys.samples.store import Store
from shapesys.training import run_dir
from shapesys.training.config import TrainJob, claim, resolve

SETTINGS: dict[str, Any] = {
    "data.store": "analytic",
    "model.hidden": 32,
    "model.latent_dim": 4,
    "model.dropout": 0.2,
    "train.epochs": 6,
    "train.shapes_per_step": 3,
    "train.points_per_shape": 48,
    "train.log_steps": 1,
    "train.checkpoint_epochs": 2,
    "train.lr_step_epochs": 4,
}


@pytest.fixture
def make_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeRun:
    monkeypatch.setattr(Store, "open", classmethod(lambda cls, url: AnalyticStore()))

    def make(name: str = "run", **changes: Any) -> tuple[TrainJob, run_dir.RunDirectory]:
        job = resolve("issn", "tiny", SETTINGS | {key.replace("__", "."): value for key, value in changes.items()})
        run = run_dir.create(tmp_path, name)
        claim(run, job)
        return job, run

    return make
