"""The jobs that Ray's tax and the scaling over cores are measured with: a minute or more of work, or next to none."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import plain_jobs
import pyarrow.parquet as pq
from safetensors.numpy import load_file

from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.samples.settings import PRESETS, CloudConfig, OccupancyConfig, PrepareConfig, QueryConfig
from shapesys.samples.store import Store
from shapesys.sources.procedural import CATEGORIES, ProceduralSource
from shapesys.training import checkpoint, run_dir
from shapesys.training.config import TrainJob, claim, resolve
from shapesys.training.run_dir import RunDirectory

SPLIT = "train"

_FEW = PrepareConfig(
    sdf=QueryConfig(count=2048, chunk=512), cloud=CloudConfig(points=256), occupancy=OccupancyConfig(points=300)
)
_PAPER_NETWORK = {
    "model.hidden": 512,
    "model.latent_dim": 256,
    "model.layers": 8,
    "model.skip_at": 4,
    "model.dropout": 0.2,
    "train.shapes_per_step": 8,
    "train.points_per_shape": 1024,
}


@dataclass(frozen=True)
class Size:
    """How large the jobs are.

    Attributes:
        count: shapes of each of the categories.
        settings: of the preparation.
        epochs: of the training that is measured, of the paper's network on few points per step.
        learnt_epochs: of the training of what is evaluated, the tiny preset on `evaluated` categories.
        resolution, samples: of the evaluation, with trained codes.
    """

    count: int
    categories: tuple[str, ...]
    settings: PrepareConfig
    epochs: int
    evaluated: tuple[str, ...]
    learnt_epochs: int
    resolution: int
    samples: int


FULL = Size(32, CATEGORIES, PRESETS["paper"], 4, ("chair", "mug", "table"), 120, 256, 100_000)
QUICK = Size(3, ("mug", "table"), _FEW, 2, ("mug", "table"), 100, 32, 500)
LEAST = Size(2, ("mug", "table"), _FEW, 1, ("mug", "table"), 1, 16, 100)
"""A job that is all start-up: a category of fewer shapes has nothing in common."""


def size_of(quick: bool) -> Size:
    """QUICK, or FULL with SHAPESYS_BENCH_SHAPES shapes of each category."""
    count = os.environ.get("SHAPESYS_BENCH_SHAPES")
    return QUICK if quick else replace(FULL, count=int(count)) if count else FULL


@dataclass(frozen=True)
class Workplace:
    """Stores and runs of jobs of one size, by names, in one folder."""

    folder: Path
    size: Size

    @property
    def source(self) -> ProceduralSource:
        held_out = {"val_fraction": 0.0, "test_fraction": 0.0}
        categories, count = self.size.categories, self.size.count
        return ProceduralSource(ProceduralSource.Settings(categories=categories, count=count, **held_out))

    def store(self, name: str) -> str:
        """A place for a store."""
        return str(self.folder / "stores" / name)

    @cached_property
    def data(self) -> str:
        """The store that is trained on and evaluated: any that is here, since they are the same."""
        if made := sorted(Path(self.store("")).glob("*")):
            return str(made[0])
        store = self.store("data")
        plain_jobs.prepare(self.source, store, self.size.settings, workers=2)
        return store

    def training(self, name: str, workers: int) -> tuple[TrainJob, RunDirectory]:
        """A new run of the training that is measured."""
        changes = _PAPER_NETWORK | {"train.epochs": self.size.epochs, "scale.num_workers": workers}
        return self._claimed(name, changes)

    @cached_property
    def learnt(self) -> RunDirectory:
        """A trained run whose shapes have surfaces."""
        changes = {"train.epochs": self.size.learnt_epochs, "train.checkpoint_epochs": self.size.learnt_epochs}
        job, run = self._claimed("learnt", changes | {"data.categories": self.size.evaluated})
        plain_jobs.train(job, run)
        return run

    def _claimed(self, name: str, changes: dict[str, Any]) -> tuple[TrainJob, RunDirectory]:
        places = {"data.store": self.data, "data.split": SPLIT, "scale.device": "cpu"}
        job = resolve("issn", "tiny", places | changes)
        run = run_dir.create(self.folder / "runs", name)
        claim(run, job)
        return job, run

    def evaluation(self, name: str) -> RunDirectory:
        """A copy of the trained run, not evaluated yet."""
        target = self.folder / "runs" / name
        shutil.copytree(self.learnt.path, target)
        return RunDirectory(target)

    @property
    def evaluate_settings(self) -> EvaluateConfig:
        size, stored = self.size, self.size.settings.cloud.points
        return EvaluateConfig(
            split=SPLIT,
            codes="trained",
            resolution=size.resolution,
            samples=size.samples,
            saliency_points=min(EvaluateConfig().saliency_points, stored),
        )

    def evaluate_scale(self, workers: int, batch: int = 8) -> EvaluateScale:
        return EvaluateScale(num_actors=workers, batch_shapes=batch)


def seconds_of(job: Callable[[], Any]) -> float:
    """Wall-clock seconds of a call."""
    started = time.perf_counter()
    job()
    return time.perf_counter() - started


def require_same_stores(*urls: str) -> None:
    """Raise ValueError unless the stores hold the same, bit by bit."""
    digests = {Store.open(url).digest() for url in urls}
    if len(digests) != 1:
        raise ValueError(f"the stores differ: {', '.join(urls)}")


def require_same_weights(*runs: RunDirectory) -> None:
    """Raise ValueError unless the last checkpoints hold the same weights and codes, bit by bit."""
    held = [checkpoint.newest_of(run).path for run in runs]
    for file in ("model.safetensors", "codes.safetensors"):
        first, *others = [load_file(path / file) for path in held]
        for other in others:
            if not all(np.array_equal(values, other[name]) for name, values in first.items()):
                raise ValueError(f"{file} differs between {', '.join(run.name for run in runs)}")


def require_same_rows(*runs: RunDirectory) -> None:
    """Raise ValueError unless the evaluations hold the same rows, none failed; what they cost may differ."""
    tables = [pq.read_table(run.evaluation(SPLIT).rows) for run in runs]
    if failed := [row["reason"] for row in tables[0].to_pylist() if row["status"] == "failed"]:
        raise ValueError(f"{len(failed)} shapes failed: {failed[0]}")
    compared = [table.select([name for name in table.column_names if not name.startswith("cost/")]) for table in tables]
    # As text, since a score that is not a number equals no other.
    if len({str(table.to_pylist()) for table in compared}) != 1:
        raise ValueError(f"the rows differ between {', '.join(run.name for run in runs)}")
