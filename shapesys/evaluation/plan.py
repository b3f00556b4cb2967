"""What an evaluation has to do, and the whole of it in one process."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shapesys.errors import ShapesysError
from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.evaluation.evaluator import Evaluator, failed_row
from shapesys.evaluation.results import Results, Row
from shapesys.metrics.conventions import convention
from shapesys.samples.filesystem import Folder
from shapesys.samples.store import Store
from shapesys.training.checkpoint import Checkpoint, newest_of
from shapesys.training.context import pick_device
from shapesys.training.run_dir import EvaluationDirectory, RunDirectory

Progress = Callable[[int, int, int], None]
"""Called with (shapes done, shapes in all, shapes failed)."""


@dataclass(frozen=True)
class EvaluationPlan:
    """An opened evaluation.

    Attributes:
        checkpoint: what is evaluated.
        store: where the ground truth is.
        settings: what is measured.
        results: where rows go.
        shapes: rows of the `shapes` view to evaluate, by id.
        waiting: ids without a row yet.
    """

    checkpoint: Checkpoint
    store: Store
    settings: EvaluateConfig
    results: Results
    shapes: dict[str, Row]
    waiting: list[str]

    @classmethod
    def open(cls, run: RunDirectory, settings: EvaluateConfig, store_url: str | None = None) -> EvaluationPlan:
        """Find the newest checkpoint, the shapes and what is already done.

        Raises:
            ShapesysError: no checkpoint, no store, or no shape in the split.
            UsageError: an unknown category or Chamfer convention.
        """
        for name in settings.chamfer:
            convention(name)
        newest = newest_of(run)
        job = newest.job()
        store = Store.open(store_url or job.data.store)
        categories = settings.categories or job.data.categories
        needed = _needed_views(settings, store, job.family)
        complete = set.intersection(*(set(store.shape_ids(settings.split, categories, view)) for view in needed))
        found = [row for row in store.shapes(settings.split, categories).to_pylist() if row["shape_id"] in complete]
        if not found:
            raise ShapesysError(
                f"store '{store.url}' has no shape of split '{settings.split}' and categories "
                f"{', '.join(categories) or 'any'}; choose another --split"
            )
        results = Results(run.evaluation(settings.split))
        done = results.begin(newest, store.digest(), settings)
        shapes = {row["shape_id"]: row for row in found}
        return cls(newest, store, settings, results, shapes, [key for key in shapes if key not in done])

    @property
    def directory(self) -> EvaluationDirectory:
        return self.results.directory

    def batches(self, size: int) -> list[tuple[str, ...]]:
        """The waiting ids in batches."""
        return [tuple(self.waiting[start : start + size]) for start in range(0, len(self.waiting), size)]

    def failed(self, shape_id: str, reason: str) -> Row:
        return failed_row(self.shapes[shape_id], reason)

    def finish(self, seconds: float) -> dict[str, Any]:
        """Table and summary of everything there is."""
        expected = [{name: row[name] for name in ("shape_id", "category", "split")} for row in self.shapes.values()]
        facts = {"checkpoint_step": self.checkpoint.step, "store": self.store.url, "seconds": seconds}
        return self.results.finish(expected, facts)


def evaluate_locally(
    run: RunDirectory,
    settings: EvaluateConfig,
    scale: EvaluateScale,
    store_url: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Evaluate in this process; finished shapes are not done again."""
    started = time.perf_counter()
    with exclusive(run):
        plan = EvaluationPlan.open(run, settings, store_url)
        _run_here(plan, scale, progress)
        return plan.finish(time.perf_counter() - started)


def _run_here(plan: EvaluationPlan, scale: EvaluateScale, progress: Progress | None) -> None:
    keep = plan.directory if scale.save_meshes else None
    failed, done = 0, len(plan.shapes) - len(plan.waiting)
    if not plan.waiting:
        return
    evaluator = Evaluator.open(plan.checkpoint, plan.store.url, plan.settings, keep, pick_device("auto"))
    for batch in plan.batches(scale.batch_shapes):
        result = evaluator.evaluate(batch)
        plan.results.add(result.rows, result.records)
        done += len(batch)
        failed += sum(row["status"] == "failed" for row in result.rows)
        if progress:
            progress(done, len(plan.shapes), failed)


def exclusive(run: RunDirectory) -> contextlib.AbstractContextManager[None]:
    """Keeps a second evaluation of the same run out."""
    folder = run.path / "evaluation"
    folder.mkdir(exist_ok=True)
    return Folder(str(folder)).exclusive()


def _needed_views(settings: EvaluateConfig, store: Store, family: str) -> tuple[str, ...]:
    """Views a shape must have to be evaluated; shapes without are rejected ones, listed in the store."""
    from shapesys.families import registry

    observed = [need.view for need in registry.load(family).needs]
    missing = [view for view in ("meshes", "cloud", *observed) if view not in store.views]
    if missing:
        raise ShapesysError(
            f"evaluation needs view '{missing[0]}', which store '{store.url}' does not hold; "
            "prepare another store with it among --views"
        )
    return ("meshes", "cloud", *observed)
