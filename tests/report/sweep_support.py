"""Sweeps whose ledgers are written by hand, so that every answer is known: empty, a grid with seeds, a search."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from shapesys.families import registry
from shapesys.training.config import resolve
from shapesys.training.run_dir import write_json
from shapesys.tuning.config import Sweep, claim_sweep, sweep_type
from shapesys.tuning.ledger import Ledger, Report, Trial, TrialRecord
from shapesys.tuning.sweep_dir import SweepDirectory, create_sweep

CHAMFER, FSCORE = "chamfer/onet.chamfer_l1", "fscore/0.01"
GRID_PATH = "model.saliency_weight"
GRID = {GRID_PATH: {"choices": [1e-4, 3e-4, 1e-3, 3e-3, 1e-2]}}
MIXED = {
    "train.learning_rate": {"low": 1e-5, "high": 1e-2, "log": True},
    "model.dropout": {"low": 0.0, "high": 0.3},
    "model.latent_dim": {"low": 16, "high": 512, "log": True},
    "model.hidden": {"choices": [128, 256, 512]},
}
BEGUN = 1_700_000_000.0


def make_sweep(knobs: Mapping[str, Any] = GRID, **tune: Any) -> Sweep:
    """A sweep of ISSN whose trials take 27 epochs."""
    base = resolve("issn", "tiny", {"data.store": "/stores/demo", "train.epochs": 27, "scale.num_workers": 2})
    space = {"name": "demo", "family": "issn", "summary": "Weights of the saliency.", "knobs": knobs}
    data = {"space": space, "base": base.model_dump(), "tune": {"metric": CHAMFER} | tune}
    sweep: Sweep = sweep_type(registry.load("issn")).model_validate(data)
    return sweep


def make_record(
    number: int,
    values: Sequence[float],
    ending: str | None = "finished",
    seed: int = 0,
    point: Mapping[str, Any] | None = None,
    **known: Any,
) -> TrialRecord:
    """A trial that measured `values` at epochs 3, 9 and 27, as far as they go."""
    trial = Trial(f"{number:03d}-s{seed}", number, seed, point or {"model.saliency_weight": 1e-3})
    reports = tuple(
        Report(epoch, value, {CHAMFER: value}, 60.0) for epoch, value in zip((3, 9, 27), values, strict=False)
    )
    begun = BEGUN + 100.0 * number
    ended = begun + 60.0 * len(values) if ending else 0.0
    return TrialRecord(trial, reports, ending, **{"begun": begun, "ended": ended} | known)  # type: ignore[arg-type]


def by_id(*records: TrialRecord) -> dict[str, TrialRecord]:
    return {record.trial.id: record for record in records}


def grid_records(seeds: int = 3) -> dict[str, TrialRecord]:
    """Five points: 003 is the best by 0.002 where seeds differ by about 0.001; every value is above 0.01."""
    rng, weights = np.random.default_rng(0), GRID[GRID_PATH]["choices"]
    found = []
    for (number, weight), seed in itertools.product(enumerate(weights), range(seeds)):
        value = 0.012 + 0.002 * abs(number - 3) + 0.001 * (seed - 1) + 1e-5 * rng.random()
        found.append(make_record(number, [3 * value, 2 * value, value], "finished", seed, {GRID_PATH: weight}))
    return by_id(*found)


def mixed_records(count: int = 60) -> dict[str, TrialRecord]:
    """A search over four knobs: the learning rate decides, latent size does nothing; every ending occurs."""
    rng = np.random.default_rng(1)
    return by_id(*(_mixed_record(number, rng) for number in range(count)))


def _mixed_record(number: int, rng: np.random.Generator) -> TrialRecord:
    point = {
        "train.learning_rate": float(10 ** rng.uniform(-5, -2)),
        "model.dropout": float(rng.uniform(0, 0.3)),
        "model.latent_dim": int(2 ** rng.uniform(4, 9)),
        "model.hidden": int(rng.choice([128, 256, 512])),
    }
    miss = (np.log10(point["train.learning_rate"]) + 3.3) ** 2 + 0.3 * (point["model.hidden"] == 128)
    value = float(0.01 * np.exp(0.6 * miss + 0.05 * rng.normal()))
    if number % 20 == 7:
        error = f"CUDA out of memory on point {number}\nTried to allocate 2.00 GiB"
        return make_record(number, [3 * value][: number % 2], "errored", 0, point, error=error)
    if number % 20 == 9:
        return make_record(number, [3 * value], None, 0, point)
    if miss > 0.8:
        return make_record(number, [3 * value, 2 * value][: 1 + number % 2], "stopped", 0, point)
    return make_record(number, [3 * value, 2 * value, value], "finished", 0, point)


def write_sweep(
    root: Path, sweep: Sweep, records: Mapping[str, TrialRecord], name: str = "demo", state: str = "finished"
) -> SweepDirectory:
    """A sweep's directory with a ledger that gives `records` back, times included."""
    directory = create_sweep(root, name)
    claim_sweep(directory, sweep)
    write_json(directory.status, {"state": state, "error": None})
    events = [event for record in records.values() for event in _events(record)]
    directory.ledger.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    assert Ledger(directory.ledger).records() == dict(records)
    return directory


def _events(record: TrialRecord) -> Iterable[dict[str, Any]]:
    trial = record.trial
    yield {"event": "begin", "time": record.begun, "id": trial.id, "number": trial.number, "seed": trial.seed,
           "point": dict(trial.point)}  # fmt: skip
    for report in record.reports:
        yield {"event": "report", "time": record.begun, "id": trial.id, **asdict(report)}
    if record.ending:
        yield {"event": "end", "time": record.ended, "id": trial.id, "ending": record.ending, "error": record.error}
