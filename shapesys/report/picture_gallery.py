"""Superpixels as pictures: the outlines at the smallest and the largest count beside what people drew."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np

from shapesys.metrics.names import split_name
from shapesys.report.load import Evaluation, Row
from shapesys.report.numbers import formatter, known
from shapesys.report.plots import Chart, Curve, svg
from shapesys.report.select import Chosen, Selection, choose, ranking_metric, superpixel_counts
from shapesys.report.summary import MetricLine, metric_lines

MOST_PIXELS = 640
"""Longest side of a picture in a page."""
_QUALITY = 85
_CURVES = {
    "asa": "achievable segmentation accuracy",
    "boundary_recall": "boundary recall",
    "undersegmentation": "undersegmentation error",
}


def superpixel_view(evaluation: Evaluation, selection: Selection) -> dict[str, Any]:
    """Parts of an evaluation's section; empty where the run predicts no superpixels."""
    charts = curves(evaluation, metric_lines(evaluation.summary))
    return {"pictures": picture_gallery(evaluation, selection), "curves": [svg(chart) for chart in charts]}


def picture_gallery(evaluation: Evaluation, selection: Selection) -> dict[str, Any] | None:
    """Chosen images with their pictures, ready for the template; None where no picture was kept."""
    metric = ranking_metric(evaluation, selection.metric)
    counts = superpixel_counts(evaluation.summary)
    if metric is None or not counts:
        return None
    shown = [_shown(evaluation, choice, metric, counts) for choice in choose(evaluation, selection)]
    images = [image for image in shown if image["views"]]
    return {"metric": metric.name, "images": images} if images else None


def curves(evaluation: Evaluation, lines: list[MetricLine]) -> list[Chart]:
    """Every score against the mean number of superpixels there are; none with a single count."""
    means = {line.name: line.overall.get("mean") for line in lines}
    actual = {count: means.get(f"superpixels/k{count}") for count in superpixel_counts(evaluation.summary)}
    if len(actual) < 2:
        return []
    charts = [
        Chart(title, _curves(metric, means, actual), "", "superpixels", True) for metric, title in _CURVES.items()
    ]
    return [chart for chart in charts if chart.curves]


def _curves(metric: str, means: dict[str, Any], actual: dict[int, Any]) -> tuple[Curve, ...]:
    """One for each way to join the annotators."""
    held = [split_name(name) for name in means]
    rules = dict.fromkeys(variant.rpartition(".k")[0] for found, variant in held if found == metric)
    found = []
    for rule in rules:
        points = [(actual[count], means.get(f"{metric}/{rule}.k{count}")) for count in actual]
        whole = np.array([pair for pair in points if None not in pair], np.float64).reshape(-1, 2)
        found.append(Curve(rule, whole[:, 0], whole[:, 1]))
    return tuple(curve for curve in found if len(curve.steps))


def _shown(evaluation: Evaluation, choice: Chosen, metric: MetricLine, counts: list[int]) -> dict[str, Any]:
    shape_id = choice.row["shape_id"]
    ends = dict.fromkeys((counts[0], counts[-1]))
    wanted = {"truth": "ground truth"} | {str(count): _actual(choice.row, count) for count in ends}
    views = []
    for what, label in wanted.items():
        source = embedded_picture(evaluation.directory.picture(shape_id, what))
        if source:
            views.append({"label": label, "source": source, "value": _value(choice, metric, what)})
    return {
        "id": shape_id,
        "kind": choice.kind,
        "value": formatter(metric.reference)(choice.row[metric.name]),
        "views": views,
    }


def _actual(row: Row, count: int) -> str:
    found = row.get(f"superpixels/k{count}")
    return f"{found:.0f} superpixels, {count} asked for" if known(found) else f"{count} superpixels asked for"


def _value(choice: Chosen, metric: MetricLine, count: str) -> str:
    """The ranking metric at this count."""
    name = f"{metric.name.rpartition('.k')[0]}.k{count}"
    return formatter(metric.reference)(choice.row[name]) if name in choice.row else ""


def embedded_picture(path: Path) -> str:
    """A picture as the text of a data address, small enough for a page; empty where there is none."""
    from PIL import Image

    if not path.is_file():
        return ""
    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
    except OSError:
        return ""
    picture.thumbnail((MOST_PIXELS, MOST_PIXELS))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
