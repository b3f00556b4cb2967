"""One evaluation from the driver's side: on Ray or here, with a progress line, attached to the tracked run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from shapesys.cli.background import BackgroundTracker
from shapesys.cli.failure import page_if_possible
from shapesys.cli.fits_under_way import followed
from shapesys.cli.progress import Progress
from shapesys.evaluation.config import EvaluateConfig, EvaluateScale
from shapesys.evaluation.curves import kept_curves
from shapesys.evaluation.plan import Progress as Counted
from shapesys.families import registry
from shapesys.report.page import build_page
from shapesys.report.summary import all_lines
from shapesys.tracking.names import measured_name, optimised_name
from shapesys.tracking.open import open_tracker
from shapesys.tracking.tracker import RunDescription
from shapesys.training.config import load_job
from shapesys.training.run_dir import EvaluationDirectory, RunDirectory, read_json

MOST_ROWS = 20_000
"""Shapes that a tracker is given as a table of its own kind; the table of more goes there as the file it is."""
MOST_BYTES = 2e9
"""Meshes, clouds and pictures that a tracker is given a copy of; more stay beside the run, and in its page."""
MOST_ITERATIONS = 200
"""Points that a tracker is given of a curve, from its first iteration to its last."""
_KEPT = ("meshes", "truth", "clouds", "pictures", "curves")


@dataclass(frozen=True)
class Placement:
    """Where an evaluation runs and what follows it."""

    store: str | None = None
    address: str | None = None
    local: bool = False
    page: bool = True
    tracker: str = "auto"


def run_evaluation(
    run: RunDirectory,
    settings: EvaluateConfig,
    scale: EvaluateScale,
    placement: Placement,
    measured: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """Evaluate, build the page, tell the tracker; return the summary.

    Args:
        measured: called when all shapes are, before the page is built.

    Raises:
        ShapesysError: there is nothing to evaluate, or nothing to evaluate it with.
    """
    with _counted(run) as progress:
        summary = _evaluate(run, settings, scale, placement, progress)
    measured()
    page = _page(run) if placement.page else None
    _track(run, settings.split, summary, page, placement.tracker)
    return summary


@contextmanager
def _counted(run: RunDirectory) -> Iterator[Counted]:
    """A progress line that counts shapes; where each may take a fit of its own, it tells how far these are."""
    job = load_job(run.config)
    fits = registry.load(job.family).one_network_each(job.model)
    with Progress("fit" if fits else "evaluate", "shapes") as line:
        if fits:
            with followed(line, run) as counted:
                yield counted
        else:
            yield lambda done, total, failed: line(done, total, failed=failed)


def _evaluate(
    run: RunDirectory, settings: EvaluateConfig, scale: EvaluateScale, placement: Placement, progress: Any
) -> dict[str, Any]:
    if placement.local:
        from shapesys.evaluation.plan import evaluate_locally

        return evaluate_locally(run, settings, scale, placement.store, progress)
    from shapesys.on_ray.evaluate import evaluate

    return evaluate(run, settings, scale, placement.store, placement.address, progress)


def _page(run: RunDirectory) -> Path | None:
    return page_if_possible(lambda: build_page([run], run.page))


def _track(run: RunDirectory, split: str, summary: dict[str, Any], page: Path | None, kind: str) -> None:
    job = load_job(run.config)
    tracker = BackgroundTracker(open_tracker(run, kind))
    tracker.start(RunDescription(name=run.name, experiment=job.family, attach=True))
    tracker.metrics(dict(_flat(split, summary)), summary["checkpoint_step"])
    results = run.evaluation(split)
    for iteration, values in _optimised(split, results).items():
        tracker.metrics(values, iteration)
    tracker.tags({f"evaluated on {split}": _settings_line(results, summary)})
    small = sum(summary["counts"].values()) <= MOST_ROWS
    if small:
        tracker.table(results.rows, f"evaluation/{split}/shapes")
    kept = [results.summary, results.settings, *([] if small else [results.rows]), *_kept(results)]
    tracker.artifacts(kept, f"evaluation/{split}")
    if page:
        tracker.artifacts([page])
    tracker.finish("finished")


def _optimised(split: str, results: EvaluationDirectory) -> dict[int, dict[str, float]]:
    """Iteration -> medians over the shapes that still ran, where shapes were optimised at test time."""
    found: dict[int, dict[str, float]] = {}
    for name, spread in kept_curves(results).spreads.items():
        last = len(spread.median) - 1
        for iteration in np.unique(np.linspace(0, last, MOST_ITERATIONS).round().astype(int)).tolist():
            if np.isfinite(spread.median[iteration]):
                found.setdefault(iteration, {})[optimised_name(split, name)] = float(spread.median[iteration])
    return dict(sorted(found.items()))


def _kept(results: EvaluationDirectory) -> list[Path]:
    """The folders of what pictures are drawn of; none where they are too large to be copied."""
    folders = [folder for name in _KEPT if (folder := results.path / name).is_dir()]
    sizes = accumulate(path.stat().st_size for folder in folders for path in folder.iterdir())
    return [] if any(size > MOST_BYTES for size in sizes) else folders


def _settings_line(results: EvaluationDirectory, summary: dict[str, Any]) -> str:
    """What the tracked numbers depend on: those of another evaluation of the same split take their place."""
    digest = hashlib.sha256(results.settings.read_bytes()).hexdigest()[:6]
    settings, shapes = read_json(results.settings)["settings"], sum(summary["counts"].values())
    resolution = f"resolution {settings['resolution']}, " if "resolution" in settings else ""
    return f"step {summary['checkpoint_step']}, {resolution}{shapes} shapes, settings {digest}"


def _flat(split: str, summary: dict[str, Any]) -> list[tuple[str, float]]:
    """Numbers of the whole set; means of every metric over all shapes and, where there are several, by category."""
    found: list[tuple[str, float]] = []
    for line in all_lines(summary):
        named = {measured_name(split, line.name): line.overall}
        if len(line.categories) > 1:
            named |= {measured_name(split, line.name, category): v for category, v in line.categories.items()}
        found += [(name, float(values["mean"])) for name, values in named.items() if values.get("mean") is not None]
    return found
