"""Shapes of a comparison side by side: the truth, then what every run predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from shapesys.geometry.mesh import Mesh
from shapesys.report.compare import SplitComparison
from shapesys.report.compare_clouds import clouds_side_by_side, predicts_labels
from shapesys.report.compare_columns import Column
from shapesys.report.compare_picks import MOST_COLUMNS, Pick, pick_shapes
from shapesys.report.embed import MOST_FACES
from shapesys.report.gallery import ERROR, Exhibit, View, assemble, prepared, seen_view, with_error
from shapesys.report.load import load_prediction, load_truth
from shapesys.report.numbers import formatter
from shapesys.report.scan_view import load_scan

_PAGE_FACES = 1_500_000
"""Faces of all meshes of a page together, about 15 MB."""
_LEAST_FACES = 4_000


def side_by_side(split: SplitComparison, worst: int) -> dict[str, Any] | None:
    """What the viewer needs: truth and every column's reconstruction of the chosen shapes; None without any.

    Args:
        worst: shapes of each kind.
    """
    picks = pick_shapes(split, worst)
    if not picks or split.chosen is None:
        return None
    shown = split.columns[:MOST_COLUMNS]
    if predicts_labels(split):
        return clouds_side_by_side(split, shown, picks)
    faces = int(np.clip(_PAGE_FACES // (len(picks) * (1 + len(shown))), _LEAST_FACES, MOST_FACES))
    exhibits = [_exhibit(split, shown, pick, faces) for pick in picks]
    return assemble([exhibit for exhibit in exhibits if exhibit is not None], split.chosen.name, first=ERROR)


def _exhibit(split: SplitComparison, columns: Sequence[Column], pick: Pick, faces: int) -> Exhibit | None:
    shape_id = split.table.shapes[pick.at]
    truth = next(filter(None, (_truth(column, split.split, shape_id, faces) for column in columns)), None)
    views = [_view(split, at, column, pick, truth, faces) for at, column in enumerate(columns)]
    if all(view.mesh is None for view in views):
        return None
    # The colours a run gave the truth are that run's own: its saliency, its distance.
    plain = None if truth is None else replace(truth, attributes={})
    scan = _scan(columns, split.split, shape_id, faces) if truth is None else None
    seen = seen_view(plain, None if scan is None else replace(scan, attributes={}))
    return Exhibit(shape_id, split.table.categories[pick.at], pick.kind, pick.why, "", (seen, *views))


def _truth(column: Column, split: str, shape_id: str, faces: int) -> Mesh | None:
    for evaluation in column.evaluations(split):
        mesh = load_truth(evaluation, shape_id)
        if mesh is not None:
            return prepared(mesh, faces)
    return None


def _scan(columns: Sequence[Column], split: str, shape_id: str, faces: int) -> Mesh | None:
    kept = (load_scan(found, shape_id, faces) for column in columns for found in column.evaluations(split))
    return next(filter(None, kept), None)


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
