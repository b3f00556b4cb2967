"""Curves."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
from report_support import record

from shapesys.report.plots import charts, svg


def test_a_run_shows_its_losses_together_and_its_statistics_apart() -> None:
    found = charts({"run": [record(step) for step in range(1, 6)]})
    assert [chart.title for chart in found] == [
        "loss", "mean saliency", "learning rate", "samples per second", "time waiting for data"
    ]  # fmt: skip
    assert [curve.name for curve in found[0].curves] == ["total", "data", "codes"]


def test_several_runs_share_a_chart_for_each_quantity() -> None:
    found = charts({"a": [record(1), record(2)], "b": [record(1)]})
    total = next(chart for chart in found if chart.title == "loss: total")
    assert [curve.name for curve in total.curves] == ["a", "b"]


def test_long_histories_are_thinned_by_means() -> None:
    (total,) = [chart for chart in charts({"r": [record(step) for step in range(1, 5001)]}) if chart.title == "loss"]
    curve = total.curves[0]
    assert len(curve.steps) <= 600
    expected = np.mean([record(step)["loss"]["total"] for step in range(1, 9)])
    np.testing.assert_allclose(curve.values[0], expected)


def test_charts_take_the_pages_colours_and_are_well_formed() -> None:
    text = svg(charts({"run": [record(1), record(2)]})[0])
    root = ElementTree.fromstring(text.replace("xlink:href", "href"))
    assert root.attrib["role"] == "img"
    assert "currentColor" in text
    assert "#010203" not in text


def test_losses_of_zero_are_drawn() -> None:
    flat = {"step": 1, "loss": {"total": 0.0}}
    assert "<svg" in svg(charts({"run": [flat, flat | {"step": 2}]})[0])


def test_nothing_logged_gives_no_chart() -> None:
    assert charts({"run": []}) == []


def test_names_are_shown_as_they_are() -> None:
    histories = {name: [record(10), record(20)] for name in ("a$x_{$b", "_old", "<b>")}
    drawing = svg(charts(histories)[0]).replace("xlink:href", "href")
    words = [text.strip("\u200b") for text in ElementTree.fromstring(drawing).itertext()]
    assert {"a$x_{$b", "_old", "<b>"} <= set(words)
