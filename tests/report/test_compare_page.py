"""The page of a comparison: its scatter, the shapes side by side, and the terminal's layouts."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_support import CHAMFER, IOU, Outline, Scores, embedded, octahedron, scored_run
from rich.console import Console

from shapesys.cli.output import plain
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.write import write_mesh
from shapesys.report.compare import Comparison, compare
from shapesys.report.compare_data import comparison_data
from shapesys.report.compare_picks import MOST_COLUMNS, pick_shapes
from shapesys.report.compare_tables import comparison_tables
from shapesys.report.load import load_run
from shapesys.report.page import build_comparison, build_page
from shapesys.training.run_dir import RunDirectory, read_json, write_json

SHAPES = ("chair/0", "chair/1", "chair/2", "table/0", "table/1")
GOOD = dict(zip(SHAPES, (0.01, 0.02, 0.03, 0.04, 0.05), strict=True))
OTHER = GOOD | {"chair/1": 0.9, "table/1": 0.06}
HOSTILE = "</script><script>alert(2)</script><img src=x onerror=alert(1)>"


def meshed_run(root: Path, name: str, scores: Scores, size: float = 1.0, **options: Any) -> RunDirectory:
    """A run with a reconstruction and a truth of every shape that did not fail."""
    run = scored_run(root, name, scores, **options)
    for shape in (shape for shape, value in scores.items() if value is not None):
        seen = Mesh(size * octahedron().vertices, octahedron().faces, {"saliency": np.linspace(0, size, 6)})
        write_mesh(seen, run.evaluation("test").prediction_mesh(shape))
        truth = Mesh(octahedron().vertices, octahedron().faces, {"saliency": np.linspace(0, 9, 6)})
        write_mesh(truth, run.evaluation("test").truth_mesh(shape))
    return run


def compared(*runs: RunDirectory, **options: Any) -> Comparison:
    return compare([load_run(run) for run in runs], **options)


@pytest.fixture
def two(tmp_path: Path) -> Comparison:
    return compared(meshed_run(tmp_path, "a", GOOD), meshed_run(tmp_path, "b", OTHER, 1.2, step=300))


def page_of(comparison: Comparison, folder: Path, worst: int = 2) -> str:
    return build_comparison(comparison, folder / "compare.html", worst).read_text(encoding="utf-8")


def test_the_page_needs_nothing_else_and_no_run_pages(two: Comparison, tmp_path: Path) -> None:
    page = page_of(two, tmp_path)
    outline = Outline(page)
    for tag, attributes in outline.tags:
        loads = [attributes[name] for name in ("src", "href", "srcset", "data", "action") if name in attributes]
        assert all(target and target.startswith("#") for target in loads), (tag, loads)
    words = " ".join(" ".join(outline.words).split())
    assert "2 runs compared" in words
    assert "checkpoint step: 100 in a; 300 in b" in words
    assert "b − a" in words  # noqa: RUF001
    assert "article" not in {tag for tag, _ in outline.tags}


def test_the_scatter_holds_every_value(two: Comparison, tmp_path: Path) -> None:
    data = embedded(page_of(two, tmp_path), "scatter-0")
    assert (data["names"], data["shapes"], data["chosen"]) == (["a", "b"], list(SHAPES), CHAMFER)
    assert data["categories"] == ["chair", "chair", "chair", "table", "table"]
    (chamfer,) = [metric for metric in data["metrics"] if metric["name"] == CHAMFER]
    assert chamfer["values"] == [list(GOOD.values()), list(OTHER.values())]
    assert (chamfer["better"], chamfer["mixed"]) == (-1, False)


def test_truth_and_runs_stand_side_by_side_in_one_colour_scale(two: Comparison, tmp_path: Path) -> None:
    page = page_of(two, tmp_path)
    data = embedded(page, "shapes-both-0")
    first = data["shapes"][0]
    assert (first["id"], first["kind"], first["why"]) == ("chair/1", "differ", "differ most; worst of b")
    assert [(view["key"], view["label"], view["value"]) for view in first["views"]] == [
        ("truth", "ground truth", ""), ("run-0", "a", "0.0200"), ("run-1", "b", "0.9000"),
    ]  # fmt: skip
    assert first["truth"]["attributes"] == {}, "a run's colours are not the truth's"
    assert {"saliency", "error"} <= set(first["run-1"]["attributes"])
    assert [bar["name"] for bar in data["colourings"]] == ["error", "saliency"]
    # The larger octahedron's saliency ends at 1.2, and both runs share the bar.
    assert float(data["colourings"][1]["ticks"][-1]) == pytest.approx(1.2, abs=0.11)
    assert len(re.findall(r'<canvas data-side="run-1">', page)) == len(data["shapes"])
    assert 'href="#shapes-both-0-0"' in page
    assert 'id="shapes-both-0-0"' in page


def test_picks_are_the_worst_of_each_run_and_where_they_differ(two: Comparison) -> None:
    picks = pick_shapes(two.splits[0], 1)
    found = [(two.splits[0].table.shapes[pick.at], pick.kind, pick.why) for pick in picks]
    assert found == [("chair/1", "differ", "differ most; worst of b"), ("table/1", "worst", "worst of a")]
    assert pick_shapes(two.splits[0], 0) == []


def test_shapes_that_failed_in_one_run_are_shown_with_the_reason(tmp_path: Path) -> None:
    runs = [meshed_run(tmp_path, name, GOOD) for name in "ab"]
    runs.append(meshed_run(tmp_path, "c", GOOD | {"table/0": None}))
    found = compared(*runs)
    (failed,) = [pick for pick in pick_shapes(found.splits[0], 1) if pick.kind == "failed"]
    assert found.splits[0].table.shapes[failed.at] == "table/0"
    page = page_of(found, tmp_path)
    (shape,) = [shape for shape in embedded(page, "shapes-both-0")["shapes"] if shape["id"] == "table/0"]
    assert (shape["run-2"], shape["views"][3]["remark"]) == (None, "failed")
    assert '<p class="quiet">failed</p>' in page


def test_runs_without_a_common_shape_or_without_meshes_leave_scatter_and_shapes_out(tmp_path: Path) -> None:
    apart = compared(meshed_run(tmp_path, "a", {"chair/0": 0.1}), meshed_run(tmp_path, "b", {"table/0": 0.1}))
    page = page_of(apart, tmp_path)
    assert "application/json" not in page
    assert "0 shapes are in all; 1 more in a, 1 more in b" in page
    bare = compared(scored_run(tmp_path, "c", GOOD), scored_run(tmp_path, "d", OTHER))
    page = page_of(bare, tmp_path)
    assert embedded(page, "scatter-0")["names"] == ["c", "d"]
    assert "shapes-both-0" not in re.findall(r'<script type="application/json" id="([^"]*)"', page)


def test_a_report_of_several_runs_holds_the_same_comparison(tmp_path: Path) -> None:
    runs = [meshed_run(tmp_path, "a", GOOD), meshed_run(tmp_path, "b", OTHER)]
    page = build_page(runs, tmp_path / "page.html").read_text(encoding="utf-8")
    assert embedded(page, "scatter-0") == embedded(page_of(compared(*runs), tmp_path), "scatter-0")
    assert {"shapes-both-0", "shapes-0-0", "shapes-1-0"} <= set(re.findall(r' id="([^"]*)">\{', page))


def test_names_are_text_and_never_markup(tmp_path: Path) -> None:
    runs = [meshed_run(tmp_path, "a", GOOD), meshed_run(tmp_path, "b", OTHER)]
    config = read_json(runs[0].config)
    write_json(runs[0].config, config | {"family": HOSTILE, "model": {HOSTILE: HOSTILE}})
    summary = read_json(runs[1].evaluation("test").summary)
    summary["conventions"][CHAMFER][HOSTILE] = HOSTILE
    summary["checkpoint_step"] = HOSTILE
    write_json(runs[1].evaluation("test").summary, summary)
    outline = Outline(page_of(compared(*runs), tmp_path))
    assert "img" not in {tag for tag, _ in outline.tags}
    assert not any("alert" in script for script in outline.scripts)
    assert sum(HOSTILE in word for word in outline.words) >= 4


def test_another_definition_is_flagged_and_has_no_difference(tmp_path: Path) -> None:
    conventions = {CHAMFER: {"definition": {"squared": True}}}
    runs = [meshed_run(tmp_path, "a", GOOD), meshed_run(tmp_path, "b", OTHER, conventions=conventions)]
    found = compared(*runs)
    page = page_of(found, tmp_path)
    assert page.count("≠ other definition</span>") == 1
    assert embedded(page, "scatter-0")["metrics"][0]["mixed"] is True
    assert not any(pick.kind == "differ" for pick in pick_shapes(found.splits[0], 2))
    assert "other definition" in printed(found, 160)


def test_of_many_runs_the_first_stand_side_by_side(tmp_path: Path) -> None:
    shape = {"chair/0": 0.1}
    found = compared(*(meshed_run(tmp_path, f"r{at}", {"chair/0": 0.1 + at}) for at in range(MOST_COLUMNS + 2)))
    page = page_of(found, tmp_path)
    assert len(embedded(page, "shapes-both-0")["shapes"][0]["views"]) == MOST_COLUMNS + 1
    assert f"The first {MOST_COLUMNS} runs are shown" in page
    assert len(embedded(page, "scatter-0")["names"]) == MOST_COLUMNS + 2
    assert list(shape) == embedded(page, "scatter-0")["shapes"]


def printed(comparison: Comparison, width: int) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width)
    for table in comparison_tables(comparison):
        console.print(table)
    return stream.getvalue()


def test_two_runs_share_a_table_with_their_difference(two: Comparison) -> None:
    text = printed(two, 160)
    (line,) = [line for line in text.splitlines() if "chamfer onet" in line]
    # Four shapes differ by nothing or 0.01, one by 0.88: (0.88 + 0.01) / 5.
    cells = re.split(r"\s{2,}", line.strip())
    assert cells[:5] == ["chamfer onet.chamfer_l1 ↓", "0.00400", "0.0300 ± 0.0158", "0.2080 ± 0.3873", "+0.178"]
    assert cells[6] == "0 : 2 (3 same)"
    assert "note: checkpoint step: 100 in a; 300 in b" in text
    assert "b      5       0        0         0" in text


@pytest.mark.parametrize(("runs", "width"), [(2, 70), (3, 160), (10, 100), (10, 60)])
def test_tables_fit_whatever_the_width(tmp_path: Path, runs: int, width: int) -> None:
    found = compared(*(scored_run(tmp_path, f"run-number-{at}", OTHER, {"train": {"seed": at}}) for at in range(runs)))
    text = printed(found, width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "…" not in text
    for at in range(runs):
        assert f"run-number-{at}" in text
    assert "chamfer" in text
    assert "won : lost" in text


def test_the_data_is_plain_and_whole(two: Comparison) -> None:
    data = plain(comparison_data(two))
    assert data["baseline"] == "a"
    test = data["splits"]["test"]
    chamfer = test["metrics"][CHAMFER]
    assert (chamfer["best"], chamfer["comparable"], chamfer["better"]) == (["a"], True, "lower")
    assert chamfer["columns"]["b"]["mean"] == pytest.approx(0.208)
    assert chamfer["differences"]["b"]["lost"] == 2
    assert test["metrics"][IOU]["columns"]["a"]["count"] == 5
    assert test["ranked_by"] == CHAMFER
    assert test["shapes"][1] == {
        "shape_id": "chair/1", "category": "chair", "status": {"a": "ok", "b": "ok"}, "values": {"a": 0.02, "b": 0.9},
    }  # fmt: skip
