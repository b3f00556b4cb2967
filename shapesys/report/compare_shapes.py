"""Which shapes of a comparison are worth looking at, and their meshes side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from shapesys.geometry.mesh import Floats, Mesh
from shapesys.report.compare import SplitComparison
from shapesys.report.compare_columns import Column
from shapesys.report.embed import MOST_FACES
from shapesys.report.gallery import ERROR, Exhibit, View, assemble, prepared, with_error
from shapesys.report.load import load_prediction, load_truth
from shapesys.report.numbers import formatter

MOST_COLUMNS = 8
"""Columns shown side by side; more would be too small to see, and too much to load."""
_PAGE_FACES = 1_500_000
"""Faces of all meshes of a page together, about 15 MB."""
_LEAST_FACES = 4_000


@dataclass(frozen=True)
class Pick:
    """A shape to show and why: ``kind`` is ``worst``, ``failed`` or ``differ``."""

    at: int
    kind: str
    why: str


def side_by_side(split: SplitComparison, worst: int) -> dict[str, Any] | None:
    """What the viewer needs: truth and every column's reconstruction of the chosen shapes; None without any.

    Args:
        worst: shapes of each kind.
    """
    picks = pick_shapes(split, worst)
    if not picks or split.chosen is None:
        return None
    shown = split.columns[:MOST_COLUMNS]
    faces = int(np.clip(_PAGE_FACES // (len(picks) * (1 + len(shown))), _LEAST_FACES, MOST_FACES))
    exhibits = [_exhibit(split, shown, pick, faces) for pick in picks]
    return assemble([exhibit for exhibit in exhibits if exhibit is not None], split.chosen.name, first=ERROR)


def pick_shapes(split: SplitComparison, worst: int) -> list[Pick]:
    """The worst of each column, those on which the columns differ most, those that failed in some; each shape once.

    Shapes that one column alone has, or of which no mesh was kept, are passed over.
    """
    if split.chosen is None or split.ranking is None:
        return []
    values = split.table.of(split.chosen.name)[:MOST_COLUMNS]
    values = np.where(np.isfinite(values).sum(axis=0) > 1, values, np.nan)
    cost = -values if split.chosen.better > 0 else values
    # Numbers of different definitions have no difference.
    apart = [] if split.ranking.differing else _largest(split, _range(values), worst)
    reasons: dict[int, list[str]] = {}
    for row, column in zip(cost, split.columns, strict=False):
        for at in _largest(split, row, worst):
            reasons.setdefault(at, []).append(column.name)
    worst_of = {at: f"worst of {', '.join(names)}" for at, names in reasons.items()}
    picks = {at: Pick(at, "differ", "; ".join(filter(None, ("differ most", worst_of.get(at))))) for at in apart}
    for at in islice(_failed_in_some(split), worst):
        picks.setdefault(at, Pick(at, "failed", "failed in some"))
    for at, why in worst_of.items():
        picks.setdefault(at, Pick(at, "worst", why))
    return list(picks.values())


def _drawable(split: SplitComparison, at: int) -> bool:
    """Whether any of the columns shown kept a mesh; asked of few shapes, since each costs looks into folders."""
    directories = [column.evaluations(split.split)[0].directory for column in split.columns[:MOST_COLUMNS]]
    return any(directory.prediction_mesh(split.table.shapes[at]).is_file() for directory in directories)


def _range(values: Floats) -> Floats:
    """(shapes,) the largest minus the smallest of a shape's values; NaN where they are equal or there are none."""
    low, high = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
    return np.where(high > low, high - low, np.nan)


def _largest(split: SplitComparison, values: Floats, count: int) -> list[int]:
    order = np.argsort(-np.where(np.isfinite(values), values, -np.inf), kind="stable")
    able = (int(at) for at in order[: np.isfinite(values).sum()] if _drawable(split, int(at)))
    return list(islice(able, count))


def _failed_in_some(split: SplitComparison) -> Iterator[int]:
    shown = split.statuses[:MOST_COLUMNS]
    for at, shape in enumerate(split.table.shapes):
        if {"failed", "ok"} <= {statuses.get(shape, "") for statuses in shown} and _drawable(split, at):
            yield at


def _exhibit(split: SplitComparison, columns: Sequence[Column], pick: Pick, faces: int) -> Exhibit | None:
    shape_id = split.table.shapes[pick.at]
    truth = next(filter(None, (_truth(column, split.split, shape_id, faces) for column in columns)), None)
    views = [_view(split, at, column, pick, truth, faces) for at, column in enumerate(columns)]
    if all(view.mesh is None for view in views):
        return None
    # The colours a run gave the truth are that run's own: its saliency, its distance.
    plain = None if truth is None else replace(truth, attributes={})
    truth_view = View("truth", "ground truth", plain, "no ground truth mesh")
    return Exhibit(shape_id, split.table.categories[pick.at], pick.kind, pick.why, "", (truth_view, *views))


def _truth(column: Column, split: str, shape_id: str, faces: int) -> Mesh | None:
    for evaluation in column.evaluations(split):
        mesh = load_truth(evaluation, shape_id)
        if mesh is not None:
            return prepared(mesh, faces)
    return None


def _view(split: SplitComparison, at: int, column: Column, pick: Pick, truth: Mesh | None, faces: int) -> View:
    """A column's reconstruction; its first seed's where it has several."""
    assert split.chosen is not None
    evaluation = column.evaluations(split.split)[0]
    shape_id = split.table.shapes[pick.at]
    mesh = prepared(load_prediction(evaluation, shape_id), faces)
    if mesh is not None and truth is not None:
        mesh = with_error(mesh, truth)
    value = formatter(split.chosen.reference)(float(split.table.of(split.chosen.name)[at, pick.at]))
    label = f"{column.name}, first seed" if column.replicated else column.name
    return View(f"run-{at}", label, mesh, _why_nothing(split, at, shape_id), value)


def _why_nothing(split: SplitComparison, at: int, shape_id: str) -> str:
    outcome = split.statuses[at].get(shape_id, "missing")
    return {"ok": "no mesh was kept", "empty": "empty surface"}.get(outcome, outcome)
