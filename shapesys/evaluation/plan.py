"""What an evaluation has to do, and the whole of it in one process."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shapesys.config.base import changed
from shapesys.errors import ShapesysError, UsageError, first_line
from shapesys.evaluation.apart import DEVICE_BROKEN
from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.evaluation.evaluator import Evaluator, failed_row, shape_row
from shapesys.evaluation.results import Results
from shapesys.evaluation.row_log import Row
from shapesys.evaluation.saliency import facts_of, maps_to_evaluate_with
from shapesys.evaluation.suites import Suite, suite_of
from shapesys.families import registry
from shapesys.families.base import PICTURES, Family
from shapesys.metrics.aggregate import Summary
from shapesys.metrics.record import MetricRecord
from shapesys.samples.filesystem import Folder
from shapesys.samples.store import Store
from shapesys.training.checkpoint import Checkpoint, chosen_of
from shapesys.training.config import TrainJob
from shapesys.training.context import pick_device
from shapesys.training.run_dir import EvaluationDirectory, RunDirectory
from shapesys.training.saliency import check_maps

Progress = Callable[[int, int, int], None]
"""Called with (shapes done, shapes in all, shapes failed): before the first batch, and after each."""


@dataclass(frozen=True)
class EvaluationPlan:
    """An opened evaluation.

    Attributes:
        checkpoint: what is evaluated.
        store: where the ground truth is.
        settings: what is measured.
        results: where rows go.
        shapes: shape_id, category and split of every shape to evaluate, sorted by id.
        waiting: ids that are not done yet.
        failed: shapes that are done and failed.
        suite: what measures them; None where nothing is known of a whole set.
    """

    checkpoint: Checkpoint
    store: Store
    settings: EvaluateConfig
    results: Results
    shapes: pa.Table
    waiting: list[str]
    failed: int
    suite: Suite | None = None

    @classmethod
    def open(
        cls, run: RunDirectory, settings: EvaluateConfig, store_url: str | None = None, retry_failed: bool = False
    ) -> EvaluationPlan:
        """Find the run's checkpoint, the shapes and what is already done.

        Args:
            retry_failed: count shapes that failed as not done.

        Raises:
            ShapesysError: no checkpoint, no store, no shape in the split, or none of the saliency maps that inference
                needs.
            UsageError: an unknown category, Chamfer convention or inference setting, saliency maps of no use, or
                shapes in another frame than that of training.
        """
        results = Results(run.evaluation(settings.split))
        chosen = chosen_of(run)
        job = chosen.job()
        family = registry.load(job.family)
        suite = suite_of(family)
        suite.check(settings)
        # A misspelt one would fail every shape, and take the place of results that are there.
        inference = changed(job.inference, settings.inference)
        _refuse_unseen(family, job, settings)
        maps = maps_to_evaluate_with(job, family, settings)
        store = Store.open(store_url or job.data.store)
        chosen.check_framing(store.framing, store.url)
        _refuse_beyond(store, settings)
        shapes = shapes_to_evaluate(settings, store, job, settings.categories or job.data.evaluated)
        if maps:
            check_maps(maps, store, shapes["shape_id"].to_pylist())
        depends = settings.applying_to(suite.predicts) | facts_of(maps)
        if named := inference.stands_for():
            depends["inference_stands_for"] = named
        done = results.begin(chosen, store.digest(), depends, retry_failed)
        done = done.filter(pc.is_in(done["shape_id"], value_set=shapes["shape_id"]))
        waiting = shapes["shape_id"].filter(pc.invert(pc.is_in(shapes["shape_id"], value_set=done["shape_id"])))
        failed = pc.sum(pc.equal(done["status"], "failed"), min_count=0).as_py()
        return cls(chosen, store, settings, results, shapes, waiting.to_pylist(), failed, suite)

    @property
    def directory(self) -> EvaluationDirectory:
        return self.results.directory

    def batches(self, largest: int, workers: Callable[[], int] | None = None) -> Iterator[tuple[str, ...]]:
        """The waiting ids in batches, cut as they are asked for.

        Args:
            workers: how many share the work; with it, batches shrink towards the end so that all end together: each
                is half of an even share of what is left, at most `largest`.
        """
        start = 0
        while start < len(self.waiting):
            left = len(self.waiting) - start
            size = min(largest, left if workers is None else -(-left // (2 * max(1, workers()))))
            yield tuple(self.waiting[start : start + size])
            start += size

    def failed_row(self, shape_id: str, reason: str) -> Row:
        """The row of a shape that could not be evaluated."""
        return failed_row(shape_row(self.shapes, shape_id), reason)

    def finish(self) -> dict[str, Any]:
        """Table and summary of everything there is."""
        facts = {"checkpoint_step": self.checkpoint.step, "store": self.store.url}
        return self.results.finish(self.shapes, facts, self._whole_set)

    def _whole_set(self, table: pa.Table, summary: Summary) -> dict[str, Any]:
        make = self.suite and self.suite.whole_set
        return make(table, summary, self.checkpoint.vocabulary(), self.settings) if make else {}


class Tally:
    """Writes rows as they come and counts them."""

    def __init__(self, plan: EvaluationPlan, progress: Progress | None) -> None:
        self._plan = plan
        self._progress = progress
        self._done = len(plan.shapes) - len(plan.waiting)
        self._failed = plan.failed
        self._tell()

    def add(self, rows: list[Row], records: tuple[MetricRecord, ...] = ()) -> None:
        """Record finished shapes."""
        self._plan.results.add(rows, records)
        self._done += len(rows)
        self._failed += sum(row["status"] == "failed" for row in rows)
        self._tell()

    def _tell(self) -> None:
        if self._progress:
            self._progress(self._done, len(self._plan.shapes), self._failed)


def evaluate_locally(
    run: RunDirectory,
    settings: EvaluateConfig,
    scale: EvaluateScale,
    store_url: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Evaluate in this process; finished shapes are not done again."""
    with exclusive(run):
        plan = EvaluationPlan.open(run, settings, store_url, scale.retry_failed)
        if plan.waiting:
            _run_here(plan, scale, progress)
        return plan.finish()


def _run_here(plan: EvaluationPlan, scale: EvaluateScale, progress: Progress | None) -> None:
    keep = plan.directory if scale.save_meshes else None
    tally = Tally(plan, progress)
    evaluator = Evaluator.open(plan.checkpoint, plan.store.url, plan.settings, keep, pick_device("auto"))
    for batch in plan.batches(scale.batch_shapes):
        try:
            result = evaluator.evaluate(batch)
        except DEVICE_BROKEN as error:
            raise _device_broken(plan, batch, tally, error) from error
        tally.add(result.rows, result.records)


def _device_broken(plan: EvaluationPlan, batch: tuple[str, ...], tally: Tally, error: Exception) -> ShapesysError:
    """What to do where this process lost its device; a shape that did it alone is not tried by the next call."""
    reason = first_line(error)
    if len(batch) > 1:
        way_out = "leave out --local, or find the shape to blame with --scale.batch-shapes 1"
    else:
        tally.add([plan.failed_row(batch[0], f"crash: {reason}")])
        way_out = "the same command again goes on after it"
    return ShapesysError(f"the device broke at {batch[0]}{' or soon after' * (len(batch) > 1)} ({reason}); {way_out}")


def exclusive(run: RunDirectory) -> contextlib.AbstractContextManager[None]:
    """Keeps a second evaluation of the same run out."""
    folder = run.path / "evaluation"
    folder.mkdir(exist_ok=True)
    return Folder(str(folder)).exclusive()


def _refuse_unseen(family: Family, job: TrainJob, settings: EvaluateConfig) -> None:
    """Refuse noise on clouds, and the choice of a picture, of a family that is shown none."""
    view = family.observed(job.model).view
    if settings.input_noise and view != "cloud":
        raise UsageError(
            f"--input-noise is on clouds, and family '{family.name}' is shown the view '{view}'; leave it out, or "
            "prepare noisy scans: --source procedural_scans --condition noisy"
        )
    if settings.image_view and view != PICTURES.view:
        raise UsageError(
            f"--image-view {settings.image_view} is of pictures, and family '{family.name}' is shown the view "
            f"'{view}'; leave it out"
        )


def _refuse_beyond(store: Store, settings: EvaluateConfig) -> None:
    """Refuse a picture that no shape has."""
    if settings.image_view and settings.image_view >= (held := store.chunk_count(PICTURES.view)):
        raise UsageError(
            f"--image-view {settings.image_view} is beyond the {held} pictures of each shape in store '{store.url}', "
            f"which are counted from 0; give at most {held - 1}"
        )


LONG = 6 * 3600.0
"""Seconds that the optimisation of one network at test time may take, on a CPU at published settings."""


def usual_scale(job: TrainJob, settings: EvaluateConfig) -> EvaluateScale:
    """Where an evaluation runs unless told otherwise: shapes that take long by themselves go one by one, so that their
    rows are kept as they come; on GPUs they take their steps together.

    Raises:
        UsageError: inference settings that the family does not have.
    """
    slow = registry.load(job.family).optimises_networks(changed(job.inference, settings.inference))
    if not slow or pick_device("auto").type != "cpu":
        return EvaluateScale()
    return EvaluateScale(batch_shapes=1, shape_limit_s=LONG)


def shapes_to_evaluate(settings: EvaluateConfig, store: Store, job: TrainJob, categories: tuple[str, ...]) -> pa.Table:
    """shape_id, category and split of the shapes of the split that have all that it takes to evaluate them.

    Raises:
        ShapesysError: there is none, or the store lacks a view; says which.
    """
    # Of millions of shapes, the other columns would not fit into memory.
    views = _needed_views(store, registry.load(job.family), job)
    found = store.shapes(settings.split, categories, views, columns=())
    if not len(found):
        counts = Counter(store.shapes(columns=())["split"].to_pylist())
        held = ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "no shapes"
        of_which = f" and of {', '.join(categories)}" if categories else ""
        raise ShapesysError(
            f"store '{store.url}' has no shape of split '{settings.split}'{of_which} to evaluate; it holds {held}; "
            "choose another --split"
        )
    return found.select(["shape_id", "category", "split"]).combine_chunks()


def _needed_views(store: Store, family: Family, job: TrainJob) -> tuple[str, ...]:
    """Views a shape must have to be evaluated; shapes without are rejected ones, listed in the store."""
    suite = suite_of(family)
    of_surfaces = suite.of_surfaces if suite.of_surfaces and _holds_surfaces(store) else ()
    needed = tuple(dict.fromkeys([*of_surfaces, *suite.views, family.observed(job.model).view]))
    missing = [view for view in needed if view not in store.views]
    if missing:
        raise ShapesysError(
            f"evaluation needs view '{missing[0]}', which store '{store.url}' does not hold; "
            "prepare another store with it among --views"
        )
    return needed


def _holds_surfaces(store: Store) -> bool:
    """Whether the shapes are surfaces; bare scans and samples of solids have no faces."""
    return "meshes" in store.views or bool(pc.any(pc.greater(store.shapes(columns=("faces",))["faces"], 0)).as_py())
