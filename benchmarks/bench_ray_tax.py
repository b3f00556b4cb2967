"""What Ray costs: the same work in a plain process pool, or under torch's own launcher, with as many processes."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import plain_jobs
from scale_jobs import (
    LEAST,
    Workplace,
    require_same_rows,
    require_same_stores,
    require_same_weights,
    seconds_of,
    size_of,
)

from shapesys.on_ray import evaluate as ray_evaluate
from shapesys.on_ray import prepare as ray_prepare
from shapesys.on_ray import train as ray_train
from shapesys.on_ray.runtime import runtime

WORKERS = 2
OURS = "Ray"
POOL, BARE, DDP = "multiprocessing", "multiprocessing, shapes not isolated", "torch DDP"

Seconds = dict[str, float]
Stage = Callable[[Workplace], Seconds]


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Rows for each stage: the whole call, and the call less the same call with next to no work.

    `quick` calls share an instance, and nothing is taken off: they are all start-up.
    """
    ray_seconds = 0.0 if quick else seconds_of(_start_and_end_ray)
    shared = runtime(num_cpus=WORKERS) if quick else contextlib.nullcontext()
    with tempfile.TemporaryDirectory() as folder, shared:
        least, job = Workplace(Path(folder, "least"), LEAST), Workplace(Path(folder, "job"), size_of(quick))
        stages: dict[str, Stage] = {"prepare": prepare, "train": train, "evaluate": evaluate}
        rows = []
        for name, stage in stages.items():
            whole = stage(job)
            rows += _rows(name, start=whole if quick else stage(least), whole=whole, ray_seconds=ray_seconds)
        return rows


def prepare(place: Workplace) -> Seconds:
    """Seconds of each way to prepare the same shapes."""
    source, settings = place.source, place.size.settings
    ways = {
        OURS: lambda store: ray_prepare.prepare(source, store, settings, workers=WORKERS),
        POOL: lambda store: plain_jobs.prepare(source, store, settings, WORKERS),
        BARE: lambda store: plain_jobs.prepare(source, store, settings, WORKERS, isolate=False),
    }
    found = {name: seconds_of(lambda name=name, way=way: way(place.store(name))) for name, way in ways.items()}
    require_same_stores(*(place.store(name) for name in ways))
    return found


def train(place: Workplace) -> Seconds:
    """Seconds of each way to train the same network."""
    runs = {name: place.training(name.replace(" ", "-"), WORKERS) for name in (OURS, DDP)}
    found = {
        OURS: seconds_of(lambda: ray_train.train(*runs[OURS])),
        DDP: seconds_of(lambda: plain_jobs.train(*runs[DDP])),
    }
    require_same_weights(*(run for _, run in runs.values()))
    return found


def evaluate(place: Workplace) -> Seconds:
    """Seconds of each way to evaluate the same shapes."""
    settings, scale = place.evaluate_settings, place.evaluate_scale(WORKERS)
    runs = {name: place.evaluation(f"evaluated-{name}") for name in (OURS, POOL)}
    found = {
        OURS: seconds_of(lambda: ray_evaluate.evaluate(runs[OURS], settings, scale)),
        POOL: seconds_of(lambda: plain_jobs.evaluate(runs[POOL], settings, scale)),
    }
    require_same_rows(*runs.values())
    return found


def _start_and_end_ray() -> None:
    with runtime(num_cpus=WORKERS):
        pass


def _rows(stage: str, start: Seconds, whole: Seconds, ray_seconds: float) -> list[dict[str, Any]]:
    spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in start.items())
    less = {name: whole[name] - start[name] for name in whole}
    instance = f"; of Ray's, the instance itself {ray_seconds:.1f} s" if ray_seconds else ""
    rows = [_row(f"Ray's tax, {stage}", whole, f"start-up: {spent}{instance}")]
    if min(less.values()) > 0:
        rows.append(_row(f"Ray's tax, {stage} once started", less, "the call less the same call for next to no work"))
    return rows


def _row(name: str, seconds: Seconds, note: str) -> dict[str, Any]:
    peers = {peer: found for peer, found in seconds.items() if peer != OURS}
    return {"name": name, "ours_s": seconds[OURS], "peers": peers, "unit": "s", "note": f"{WORKERS} processes; {note}"}
