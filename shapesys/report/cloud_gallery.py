"""Labelled clouds in 3D: true parts beside predicted ones, or what class a shape was taken for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapesys.evaluation.row_log import PREDICTED_CLASS, PROBABILITY
from shapesys.geometry.colormap import LABEL_COLOURS, UNKNOWN
from shapesys.geometry.mesh import Floats, Ints
from shapesys.report.embed import encode_points, lattice_around
from shapesys.report.load import Evaluation, KeptCloud, Row, load_cloud
from shapesys.report.numbers import formatter, known
from shapesys.report.select import Selection, choose, ranking_metric
from shapesys.samples.vocabulary import Vocabulary

MOST_POINTS = 4096
"""Points of a cloud that a page draws; stored clouds are in an order whose every prefix covers the shape."""
PARTS, MISTAKES = "parts", "mistakes"
_NOTHING = 255
"""The entry of a colour table for points without a label."""
_RIGHT, _WRONG = (185, 192, 201), (204, 32, 32)
_BALL = 0.62
"""Radius of a point's ball, in distances to its nearest neighbour."""


@dataclass(frozen=True)
class CloudView:
    """One picture of a cloud.

    Attributes:
        key: unlike that of the shape's other views.
        label: what it shows.
        levels: colouring -> (n,) entries of its table.
        points: (n, 3); None where there is nothing to draw, and `remark` says why.
        value: of the metric, as text; empty for the truth.
    """

    key: str
    label: str
    points: Floats | None
    levels: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    remark: str = ""
    value: str = ""


def cloud_gallery(evaluation: Evaluation, selection: Selection) -> dict[str, Any] | None:
    """What the viewer needs of a run that predicts labels; None where no cloud was kept."""
    metric = ranking_metric(evaluation, selection.metric)
    if metric is None:
        return None
    show = formatter(metric.reference)
    vocabulary = Vocabulary.from_json(evaluation.summary.get("vocabulary", {"categories": [], "parts": {}}))
    if "parts" not in evaluation.summary:
        selection = replace(selection, worst=3 * selection.worst)
    shapes = []
    for choice in choose(evaluation, selection):
        cloud = load_cloud(evaluation, choice.row["shape_id"])
        if cloud is not None:
            views, names = _views(thinned(cloud), choice.row, vocabulary)
            shapes.append(shape_data(choice.row, choice.kind, choice.kind, show(choice.row[metric.name]), views, names))
    return assembled(shapes, metric.name)


def assembled(shapes: Sequence[dict[str, Any]], metric: str) -> dict[str, Any] | None:
    """Shapes as the viewer takes them, with the colourings they need; None without shapes."""
    if not shapes:
        return None
    labelled = any(shape["legend"] for shape in shapes)
    return {
        "title": "Ground truth beside prediction" if labelled else "Shapes and what they were taken for",
        "metric": metric,
        "shapes": list(shapes),
        "colourings": _colourings() if labelled else [],
        "clouds": True,
    }


def shape_data(
    row: Row, kind: str, why: str, value: str, views: Sequence[CloudView], names: Sequence[str]
) -> dict[str, Any]:
    """One shape for the viewer; `names` are its parts, for the legend."""
    drawn = [view.points for view in views if view.points is not None]
    origin, step = lattice_around(np.concatenate(drawn))
    return {
        "id": row["shape_id"],
        "category": row.get("category") or "",
        "kind": kind,
        "why": why,
        "value": value,
        "origin": origin.tolist(),
        "step": step,
        "legend": _legend(views, names),
        "views": [
            {"key": view.key, "label": view.label, "value": view.value, "remark": view.remark,
             "shown": view.points is not None}
            for view in views
        ],
        **{view.key: _encoded(view, origin, step) for view in views},
    }  # fmt: skip


def _encoded(view: CloudView, origin: Floats, step: float) -> dict[str, Any] | None:
    if view.points is None:
        return None
    return encode_points(view.points, origin, step, view.levels, _radius(view.points))


def thinned(cloud: KeptCloud, most: int = MOST_POINTS) -> KeptCloud:
    """The first points of a cloud."""
    return KeptCloud(*(None if c is None else c[:most] for c in (cloud.points, cloud.predicted, cloud.true)))  # type: ignore[arg-type]


def truth_view(cloud: KeptCloud, category: str, vocabulary: Vocabulary) -> CloudView:
    """The points in the colours of their true parts."""
    assert cloud.true is not None
    return CloudView("truth", "ground truth", cloud.points, _levels(cloud.true, cloud, category, vocabulary))


def predicted_view(
    key: str, label: str, cloud: KeptCloud, category: str, vocabulary: Vocabulary, value: str = ""
) -> CloudView:
    """The points in the colours of their predicted parts."""
    assert cloud.predicted is not None
    return CloudView(key, label, cloud.points, _levels(cloud.predicted, cloud, category, vocabulary), value=value)


def answer(row: Row, vocabulary: Vocabulary) -> str:
    """'true chair, predicted table (0.62)', or 'chair (0.98)' where that is right."""
    if not known(row.get(PREDICTED_CLASS)):
        return str(row.get("category") or "")
    predicted, true = vocabulary.categories[int(row[PREDICTED_CLASS])], row.get("category") or ""
    sure = f" ({row[PROBABILITY]:.2f})" if known(row.get(PROBABILITY)) else ""
    return f"{true}{sure}" if predicted == true else f"true {true}, predicted {predicted}{sure}"


def _views(cloud: KeptCloud, row: Row, vocabulary: Vocabulary) -> tuple[list[CloudView], tuple[str, ...]]:
    if cloud.predicted is None or cloud.true is None:
        return [CloudView("cloud", answer(row, vocabulary), cloud.points)], ()
    category = str(row.get("category") or "")
    label = f"predicted: {answer(row, vocabulary)}" if known(row.get(PREDICTED_CLASS)) else "prediction"
    views = [truth_view(cloud, category, vocabulary), predicted_view("prediction", label, cloud, category, vocabulary)]
    return views, vocabulary.parts_of(category)


def _levels(labels: Ints, cloud: KeptCloud, category: str, vocabulary: Vocabulary) -> dict[str, NDArray[np.uint8]]:
    """Table entries of one side's labels, and of whether the two sides agree."""
    assert cloud.true is not None
    first, stop = vocabulary.part_range(category)
    inside = (labels >= first) & (labels < stop)
    parts = np.where(inside, (labels - first) % len(LABEL_COLOURS), _NOTHING)
    wrong = np.where(cloud.true < 0, _NOTHING, cloud.predicted != cloud.true)
    return {PARTS: parts.astype(np.uint8), MISTAKES: wrong.astype(np.uint8)}


def _colourings() -> list[dict[str, Any]]:
    parts = np.tile(UNKNOWN, (256, 1))
    parts[: len(LABEL_COLOURS)] = LABEL_COLOURS
    mistakes = np.tile(UNKNOWN, (256, 1))
    mistakes[:2] = _RIGHT, _WRONG
    return [
        {"name": PARTS, "label": "parts, named below each shape", "labels": True, "table": parts.ravel().tolist()},
        {
            "name": MISTAKES,
            "label": "points with a wrong part in red",
            "labels": True,
            "table": mistakes.ravel().tolist(),
        },
    ]


def _legend(views: Sequence[CloudView], names: Sequence[str]) -> list[dict[str, str]]:
    """The parts, and what grey means where a point has none of them: another category's part, or no label."""
    shown = [
        {"name": name, "colour": _css(LABEL_COLOURS[place % len(LABEL_COLOURS)])} for place, name in enumerate(names)
    ]
    if names and any((view.levels[PARTS] == _NOTHING).any() for view in views if PARTS in view.levels):
        shown.append({"name": "none of these", "colour": _css(UNKNOWN)})
    return shown


def _css(colour: NDArray[np.uint8]) -> str:
    red, green, blue = np.asarray(colour).tolist()
    return f"rgb({red} {green} {blue})"


def _radius(points: Floats) -> float:
    """Of the balls: neighbours touch, and gaps between parts stay visible."""
    from shapesys.geometry.neighbours import nearest_other

    if len(points) < 2:
        return 0.02
    apart = np.linalg.norm(points - points[nearest_other(points)], axis=1)
    return float(max(_BALL * np.median(apart), 1e-4))
