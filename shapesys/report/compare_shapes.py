"""Which shapes of a comparison are worth looking at, and their meshes side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shapesys.geometry.mesh import Mesh
from shapesys.report.compare import SplitComparison
from shapesys.report.compare_columns import Column
from shapesys.report.embed import MOST_FACES
from shapesys.report.gallery import Exhibit, View, assemble, prepared, with_error
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
    return assemble([exhibit for exhibit in exhibits if exhibit is not None], split.chosen.name)


def pick_shapes(split: SplitComparison, worst: int) -> list[Pick]:
    """The worst of each column, those on which the columns differ most, those that failed in some; each shape once."""
    if split.chosen is None or split.ranking is None:
        return []
    values = split.table.of(split.chosen.name)
    shared = np.isfinite(values).sum(axis=0) > 1
    cost = -values if split.chosen.better > 0 else values
    reasons: dict[int, list[str]] = {}
    for row, column in zip(cost[:MOST_COLUMNS], split.columns, strict=False):
        for at in _largest(np.where(shared, row, np.nan), worst):
            reasons.setdefault(at, []).append(column.name)
    picks = {at: Pick(at, "worst", f"worst of {', '.join(names)}") for at, names in reasons.items()}
    # Numbers of different definitions have no difference.
    if not split.ranking.differing:
        width = np.nanmax(np.where(shared, values, 0), axis=0) - np.nanmin(np.where(shared, values, 0), axis=0)
        for at in _largest(np.where(width > 0, width, np.nan), worst):
            picks.setdefault(at, Pick(at, "differ", "differ most"))
    for at in _failed_in_some(split)[:worst]:
        picks.setdefault(at, Pick(at, "failed", "failed in some"))
    kinds = ("differ", "failed", "worst")
    return sorted(picks.values(), key=lambda pick: kinds.index(pick.kind))


def _largest(values: Any, count: int) -> list[int]:
    order = np.argsort(-np.where(np.isfinite(values), values, -np.inf), kind="stable")[:count]
    return [int(at) for at in order if np.isfinite(values[at])]


def _failed_in_some(split: SplitComparison) -> list[int]:
    found = [{statuses.get(shape, "") for statuses in split.statuses} for shape in split.table.shapes]
    return [at for at, outcomes in enumerate(found) if "failed" in outcomes and "ok" in outcomes]


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
