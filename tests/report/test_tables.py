"""Numbers, the summary and its table in the terminal."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from report_support import evaluated_run, octahedron
from rich.console import Console

from shapesys.report.numbers import MISSING, duration, formatter, number
from shapesys.report.summary import counts, metric_lines, whole_set_lines
from shapesys.report.tables import summary_table


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.01234, "0.0123"), (0.9312, "0.931"), (12.34, "12.3"), (1234.5, "1,234"), (4000, "4,000"), (0.0, "0.000"),
     (1.234e-7, "1.23e-07"), (None, MISSING), (float("nan"), MISSING), (-0.5, "-0.500")],
)  # fmt: skip
def test_numbers_show_three_digits(value: float | None, text: str) -> None:
    assert number(value) == text


def test_a_column_shares_its_decimals() -> None:
    show = formatter(0.0132)
    assert [show(value) for value in (0.0132, 0.15, 2.0)] == ["0.0132", "0.1500", "2.0000"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.21, "4.2 s"), (185, "3 min 05 s"), (7620, "2 h 07 min"), (None, MISSING)]
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_the_terminal_table_shows_floors_statistics_and_counts(tmp_path: Path) -> None:
    meshes = {name: (octahedron(), octahedron()) for name in ("chair/a", "chair/b", "table/a", "table/b")}
    summary = json.loads(evaluated_run(tmp_path, meshes=meshes).evaluation("test").summary.read_text())
    stream = io.StringIO()
    Console(file=stream, width=140).print(summary_table(summary))
    lines = stream.getvalue().splitlines()
    heading = next(line for line in lines if "metric" in line)
    assert all(word in heading for word in ("floor", "mean", "median", "min", "max", "chair", "table"))
    (chamfer,) = [line for line in lines if "chamfer" in line]
    assert chamfer.replace("│", " ").split() == [
        "chamfer", "onet.chamfer_l1", "↓", "0.0040", "0.0250", "0.0250", "0.0100", "0.0400", "0.0150", "0.0350"
    ]  # fmt: skip
    assert "4 ok, 0 empty, 1 failed, 0 missing" in stream.getvalue()


def test_a_table_without_floors_has_no_column_of_them() -> None:
    summary = {"overall": {"metrics": {"accuracy/top1": {"mean": 0.5, "median": 0.5, "min": 0.0, "max": 1.0}}}}
    stream = io.StringIO()
    Console(file=stream, width=140).print(summary_table(summary))
    lines = [line for line in stream.getvalue().splitlines() if "floor" in line or "accuracy" in line]
    assert [line.replace("│", " ").split()[-4:] for line in lines] == [["0.500", "0.500", "0.000", "1.000"]]


def test_floors_stand_beside_their_metric_and_are_no_metric(tmp_path: Path) -> None:
    summary = json.loads(evaluated_run(tmp_path).evaluation("test").summary.read_text())
    chamfer, iou = metric_lines(summary)
    assert (chamfer.metric, chamfer.variant, chamfer.better, chamfer.floor) == ("chamfer", "onet.chamfer_l1", -1, 0.004)
    assert (iou.metric, iou.better, iou.floor) == ("iou", 1, None)
    assert counts(summary) == {"ok": 4, "empty": 0, "failed": 1, "missing": 0}


def test_an_empty_summary_gives_an_empty_table() -> None:
    assert summary_table({"split": "test"}).row_count == 0
    assert counts({}) == {"ok": 0, "empty": 0, "failed": 0, "missing": 0}


@pytest.mark.parametrize(
    ("categories", "first"), [(["chair", "mug"], "miou/instance.restricted"), (["room"], "oa/point.restricted")]
)
def test_rooms_are_led_by_what_counts_all_points(categories: list[str], first: str) -> None:
    score = {"value": 0.5, "label": "a score", "definition": "made up"}
    names = ("miou/part.restricted", "miou/category.restricted", "oa/point.restricted", "miou/instance.restricted")
    summary = {"whole_set": dict.fromkeys(names, score), "vocabulary": {"categories": categories, "parts": {}}}
    assert whole_set_lines(summary)[0].name == first
