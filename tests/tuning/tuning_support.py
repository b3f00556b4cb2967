"""Sweeps that train nothing: an engine whose objective is a formula of the point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shapesys.config.base import parse
from shapesys.evaluation.config import EvaluateConfig
from shapesys.families import registry
from shapesys.training.config import TrainJob, resolve
from shapesys.training.run_dir import RunDirectory
from shapesys.tuning.config import Sweep, sweep_type

METRIC = "chamfer/onet.chamfer_l1"
KNOB = "model.saliency_weight"


def make_sweep(knobs: Mapping[str, Any] | None = None, strategy: str = "grid", epochs: int = 9, **tune: Any) -> Sweep:
    """A sweep of ISSN over three values of lambda, unless told otherwise."""
    space = {
        "name": "three",
        "family": "issn",
        "strategy": strategy,
        "knobs": knobs or {KNOB: {"choices": [0.1, 0.2, 0.3]}},
    }
    base = resolve("issn", "tiny", {"data.store": "analytic", "train.epochs": epochs})
    data = {"space": space, "base": base.model_dump(mode="json"), "tune": tune, "evaluate": {"split": "val"}}
    sweep: Sweep = parse(sweep_type(registry.load("issn")), data)
    return sweep


class FormulaEngine:
    """An objective of 1000 lambda + seed + 1 / epochs; notes what it was asked to do."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.asked: list[tuple[str, int]] = []
        self.fail_at = fail_at
        self._job: TrainJob | None = None
        self._epoch = 0

    def train(self, job: TrainJob, run: RunDirectory, until_epoch: int) -> None:
        self.asked.append((run.name, until_epoch))
        if until_epoch == self.fail_at:
            raise ZeroDivisionError("a trial of bad luck")
        self._job, self._epoch = job, until_epoch

    def evaluate(self, run: RunDirectory, settings: EvaluateConfig) -> dict[str, Any]:
        assert self._job is not None
        weight: float = self._job.model.saliency_weight  # type: ignore[attr-defined]
        value = 1000 * weight + self._job.train.seed + 1 / self._epoch
        metrics = {METRIC: {"mean": value, "median": value, "count": 4}}
        return {"overall": {"counts": {"ok": 4, "failed": 0, "missing": 0, "empty": 0}, "metrics": metrics}}
