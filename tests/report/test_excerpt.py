"""A page of very many shapes stays affordable, and says what it leaves out."""

from __future__ import annotations

import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from report_support import CHAMFER, embedded, scored_run

from shapesys.report.compare import compare
from shapesys.report.compare_view import scatter_data
from shapesys.report.excerpt import MOST_LISTED, MOST_POINTS, MOST_REMARKS, drawn_from, worst_of
from shapesys.report.load import load_run
from shapesys.report.page import build_comparison, build_page

MANY = MOST_POINTS + 100


def test_few_rows_are_all_shown() -> None:
    excerpt = worst_of([3.0, 1.0, 2.0], "chamfer", "shapes.parquet")
    assert (excerpt.places, excerpt.title) == ([0, 1, 2], "3 shapes")
    assert drawn_from(3, [1]) == [0, 1, 2]


def test_of_many_rows_failures_and_the_worst_are_shown_in_their_order() -> None:
    excerpt = worst_of([0.1, 0.9, math.inf, 0.2, 0.8], "chamfer", "shapes.parquet", most=3)
    assert excerpt.places == [1, 2, 4]
    assert excerpt.title == "3 of 5 shapes: failures, then the worst in chamfer; all are in shapes.parquet"


def test_of_many_points_those_in_3d_are_always_among_the_drawn() -> None:
    places = drawn_from(1000, [7, 999], most=50)
    assert len(places) <= 50
    assert {7, 999} <= set(places)
    assert places == sorted(set(places)) == drawn_from(1000, [7, 999], most=50)


def test_the_pages_of_very_many_shapes(tmp_path: Path) -> None:
    scores = {f"chair/{at:05d}": None if at < MOST_REMARKS + 10 else at / MANY for at in range(MANY)}
    runs = [scored_run(tmp_path, name, scores) for name in "ab"]
    page = build_page(runs[:1], tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"{MOST_LISTED:,} of {MANY:,} shapes: failures, then the worst in {CHAMFER}" in page
    assert page.count("<tr") < MOST_LISTED + MOST_REMARKS + 50
    assert "10 more are in shapes.parquet" in page
    assert f"chair/{MANY - 1:05d}" in page
    assert f"chair/{MANY // 2:05d}" not in page
    comparison = compare([load_run(run) for run in runs])
    both = build_comparison(comparison, tmp_path / "both.html").read_text(encoding="utf-8")
    assert f"{MOST_LISTED:,} of {MANY:,} shapes" in both
    drawn = embedded(both, "scatter-0")
    assert (len(drawn["shapes"]), drawn["of"]) == (MOST_POINTS, MANY)
    assert all(len(values) == MOST_POINTS for metric in drawn["metrics"] for values in metric["values"])


def test_a_scatter_of_few_shapes_holds_them_all(tmp_path: Path) -> None:
    runs = [scored_run(tmp_path, name, {"chair/0": 0.1, "chair/1": 0.2}) for name in "ab"]
    (split,) = compare([load_run(run) for run in runs]).splits
    assert scatter_data(split)["shapes"] == ["chair/0", "chair/1"]


def test_costs_of_shapes_are_not_read(tmp_path: Path) -> None:
    run = scored_run(tmp_path, "a", {"chair/0": 0.1})
    rows = run.evaluation("test").rows
    table = pq.read_table(rows)
    pq.write_table(table.append_column("cost/seconds", pa.array([2.0])), rows)
    (evaluation,) = load_run(run).evaluations
    assert list(evaluation.rows[0]) == table.column_names
