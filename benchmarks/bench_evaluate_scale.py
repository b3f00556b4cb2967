"""The driver of an evaluation alone: rows that cost nothing to compute, against keeping them as lists of dicts.

SHAPESYS_BENCH_ROWS=1000000 sets the number of rows.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rowwise_results import RowwiseResults

from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.results import Results
from shapesys.training.checkpoint import Checkpoint
from shapesys.training.run_dir import EvaluationDirectory

METRICS = [f"metric/{number:02d}" for number in range(24)]
CATEGORIES = 13
BATCH = 8
KEY = (Checkpoint(Path("step_00000001")), "digest", EvaluateConfig().applying_to("surfaces"))

Row = dict[str, Any]
Measured = dict[str, float]


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Seconds of one driver, each in a process of its own so that the memory each needs can be told."""
    count = int(os.environ.get("SHAPESYS_BENCH_ROWS") or (20_000 if quick else 100_000))
    with tempfile.TemporaryDirectory() as folder:
        ours = _alone(_ours, Path(folder, "ours"), count)
        peer = _alone(_rowwise, Path(folder, "peer"), count)
    if not np.isclose(ours["mean"], peer["mean"], rtol=1e-12):
        raise ValueError(f"the summaries differ: {ours['mean']} and {peer['mean']}")
    note = (
        f"{count} rows of {len(METRICS)} metrics; peak memory {ours['MiB']:.0f} MiB, row by row {peer['MiB']:.0f} MiB"
    )
    return [
        {
            "name": f"evaluation's driver, {stage}",
            "ours_s": ours[stage],
            "peers": {"row by row": peer[stage]},
            "unit": "s",
            "note": note,
        }
        for stage in ("adding rows", "opening again", "finishing")
    ]


def _ours(folder: Path, count: int) -> Measured:
    watch = _Watch()
    shapes = pa.table({name: [row[name] for row in _shapes(count)] for name in ("shape_id", "category", "split")})
    results = Results(EvaluationDirectory(folder))
    results.begin(*KEY)
    watch.lap("")
    for batch in _batches(count):
        results.add(batch)
    watch.lap("adding rows")
    results = Results(EvaluationDirectory(folder))
    assert len(results.begin(*KEY)) == count
    watch.lap("opening again")
    summary = results.finish(shapes, {})
    watch.lap("finishing")
    return watch.measured | {"mean": summary["overall"]["metrics"][METRICS[0]]["mean"]}


def _rowwise(folder: Path, count: int) -> Measured:
    watch = _Watch()
    shapes = list(_shapes(count))
    results = RowwiseResults(folder)
    watch.lap("")
    for batch in _batches(count):
        results.add(batch)
    watch.lap("adding rows")
    assert len(results.done()) == count
    watch.lap("opening again")
    summary = results.finish(METRICS, shapes)
    watch.lap("finishing")
    return watch.measured | {"mean": summary["overall"][METRICS[0]][0]}


class _Watch:
    """Seconds of each stage, and the most memory that the process ever held beyond what its imports took."""

    def __init__(self) -> None:
        self._before = _peak()
        self._start = time.perf_counter()
        self._seconds: Measured = {}

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self._seconds[stage], self._start = now - self._start, now

    @property
    def measured(self) -> Measured:
        return self._seconds | {"MiB": _peak() - self._before}


def _peak() -> float:
    """The process's largest resident memory so far in MiB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _shapes(count: int) -> Iterator[Row]:
    for number in range(count):
        yield {"shape_id": f"shape/{number:08d}", "category": f"category {number % CATEGORIES}", "split": "test"}


def _batches(count: int) -> Iterator[list[Row]]:
    """Rows as actors return them, batch by batch, in no order."""
    order = np.random.default_rng(0).permutation(count)
    values = np.random.default_rng(1).lognormal(size=(1024, len(METRICS))).tolist()
    batch: list[Row] = []
    for number in order.tolist():
        row = {"shape_id": f"shape/{number:08d}", "category": f"category {number % CATEGORIES}", "split": "test"}
        batch.append(row | {"status": "ok", "reason": ""} | dict(zip(METRICS, values[number % 1024], strict=True)))
        if len(batch) == BATCH:
            yield batch
            batch = []
    yield batch


def _alone(measure: Callable[[Path, int], Measured], folder: Path, count: int) -> Measured:
    """In a fresh process: memory that another one used, and kept, would hide what this one needs."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, (folder, count))
