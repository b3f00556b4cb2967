"""Labelled clouds of several runs side by side: the true parts, then what every run predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shapesys.report.cloud_gallery import CloudView, answer, assembled, predicted_view, shape_data, thinned, truth_view
from shapesys.report.compare import SplitComparison
from shapesys.report.compare_columns import Column
from shapesys.report.compare_picks import Pick
from shapesys.report.load import KeptCloud, Row, load_cloud
from shapesys.report.numbers import formatter
from shapesys.samples.vocabulary import Vocabulary

_PAGE_POINTS = 400_000
"""Points of all clouds of a page together, about 5 MB."""
_LEAST_POINTS = 512

Rows = Mapping[str, Row]


def predicts_labels(split: SplitComparison) -> bool:
    """Whether the runs predict labels, so that clouds were kept of their shapes."""
    return any("vocabulary" in found.summary for column in split.columns for found in column.evaluations(split.split))


def clouds_side_by_side(
    split: SplitComparison, columns: Sequence[Column], picks: Sequence[Pick]
) -> dict[str, Any] | None:
    """What the viewer needs of the picked shapes; None where no cloud was kept."""
    assert split.chosen is not None
    most = max(_LEAST_POINTS, _PAGE_POINTS // (max(1, len(picks)) * (1 + len(columns))))
    rows = [{row["shape_id"]: row for row in column.evaluations(split.split)[0].rows} for column in columns]
    shapes = (_shape(split, columns, rows, pick, most) for pick in picks)
    return assembled([shape for shape in shapes if shape is not None], split.chosen.name)


def _shape(
    split: SplitComparison, columns: Sequence[Column], rows: Sequence[Rows], pick: Pick, most: int
) -> dict[str, Any] | None:
    shape_id, category = split.table.shapes[pick.at], split.table.categories[pick.at]
    found = [load_cloud(column.evaluations(split.split)[0], shape_id) for column in columns]
    clouds = [None if cloud is None else thinned(cloud, most) for cloud in found]
    if all(cloud is None for cloud in clouds):
        return None
    names = [_vocabulary(column, split.split) for column in columns]
    views = [
        _view(split, at, column, pick, clouds[at], rows[at].get(shape_id, {}), names[at])
        for at, column in enumerate(columns)
    ]
    labelled = [at for at, cloud in enumerate(clouds) if cloud is not None and cloud.true is not None]
    parts: tuple[str, ...] = ()
    if labelled:
        first = clouds[labelled[0]]
        assert first is not None
        views = [truth_view(first, category, names[labelled[0]]), *views]
        parts = names[labelled[0]].parts_of(category)
    return shape_data({"shape_id": shape_id, "category": category}, pick.kind, pick.why, "", views, parts)


def _view(
    split: SplitComparison, at: int, column: Column, pick: Pick, cloud: KeptCloud | None, row: Row, names: Vocabulary
) -> CloudView:
    """A column's prediction; its first seed's where it has several."""
    assert split.chosen is not None
    shape_id, category = split.table.shapes[pick.at], split.table.categories[pick.at]
    value = formatter(split.chosen.reference)(float(split.table.of(split.chosen.name)[at, pick.at]))
    label = f"{column.name}, first seed" if column.replicated else column.name
    if cloud is None:
        outcome = split.statuses[at].get(shape_id, "missing")
        return CloudView(
            f"run-{at}", label, None, remark="no cloud was kept" if outcome == "ok" else outcome, value=value
        )
    if cloud.predicted is None:
        return CloudView(f"run-{at}", f"{label}: {answer(row, names)}", cloud.points, value=value)
    return predicted_view(f"run-{at}", label, cloud, category, names, value)


def _vocabulary(column: Column, split: str) -> Vocabulary:
    summary = column.evaluations(split)[0].summary
    return Vocabulary.from_json(summary.get("vocabulary", {"categories": [], "parts": {}}))
