"""One worker against two on two cores, beside the same question put to numpy alone: what the machine can give."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scale_jobs import LEAST, Workplace, require_same_rows, require_same_stores, seconds_of, size_of

from shapesys.on_ray.evaluate import evaluate as ray_evaluate
from shapesys.on_ray.prepare import prepare as ray_prepare

CORES = (1, 2)

Seconds = dict[int, float]


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Rows whose ratio is the efficiency: t1 / (2 t2), for whole calls and for calls less their start-up."""
    full = size_of(quick)
    half = full if quick else replace(full, count=max(1, full.count // 2))
    with tempfile.TemporaryDirectory() as folder:
        least, job = Workplace(Path(folder, "least"), LEAST), Workplace(Path(folder, "job"), half)
        rows = []
        for name, stage in (("prepare", prepare), ("evaluate", evaluate)):
            start, whole = stage(least), stage(job)
            started = {workers: whole[workers] - start[workers] for workers in CORES}
            rows.append(_row(f"2 cores, {name}", whole, f"start-up: {start[1]:.1f} and {start[2]:.1f} s"))
            # A quick job is all start-up.
            if min(started.values()) > 0:
                rows.append(_row(f"2 cores, {name} once started", started, "less the same call for next to no work"))
    return [*rows, _row("2 cores, numpy alone", control(10 if quick else 400), "matrix products, sorting and copies")]


def prepare(place: Workplace) -> Seconds:
    """Seconds of the same preparation with one worker and with two."""
    found = {
        workers: seconds_of(
            lambda workers=workers: ray_prepare(
                place.source, place.store(str(workers)), place.size.settings, workers=workers
            )
        )
        for workers in CORES
    }
    require_same_stores(*(place.store(str(workers)) for workers in CORES))
    return found


def evaluate(place: Workplace) -> Seconds:
    """Seconds of the same evaluation with one actor and with two.

    Shape by shape, since how many share a batch shows in the last digits, and how many do depends on the actors.
    """
    settings, runs = place.evaluate_settings, {workers: place.evaluation(f"on-{workers}") for workers in CORES}
    found = {
        workers: seconds_of(
            lambda workers=workers: ray_evaluate(runs[workers], settings, place.evaluate_scale(workers, batch=1))
        )
        for workers in CORES
    }
    require_same_rows(*runs.values())
    return found


def control(rounds: int) -> Seconds:
    """Seconds of numpy's work in one process, and shared by two that know nothing of each other."""
    return {1: _together([rounds]), 2: _together([rounds // 2, rounds // 2])}


def _together(shares: list[int]) -> float:
    """From the moment that all processes are ready to the end of the last."""
    context = multiprocessing.get_context("spawn")
    barrier, ends = context.Barrier(len(shares) + 1), context.Queue()
    processes = [context.Process(target=_numpy_work, args=(share, barrier, ends)) for share in shares]
    for process in processes:
        process.start()
    barrier.wait()
    started = time.monotonic()
    found = max(ends.get() for _ in processes) - started
    for process in processes:
        process.join()
    return found


def _numpy_work(rounds: int, barrier: Any, ends: Any) -> None:
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((768, 768), dtype=np.float32)
    values = rng.standard_normal(500_000, dtype=np.float32)
    barrier.wait()
    for _ in range(rounds):
        (matrix @ matrix).sum()
        np.sort(values)
        np.concatenate([values] * 4).sum()
    ends.put(time.monotonic())


def _row(name: str, seconds: Seconds, note: str) -> dict[str, Any]:
    return {
        "name": name,
        "ours_s": 2 * seconds[2],
        "peers": {"1 core": seconds[1]},
        "unit": "s of a core",
        "note": f"{seconds[1]:.1f} s on one core, {seconds[2]:.1f} s on two; the ratio is the efficiency; {note}",
    }
