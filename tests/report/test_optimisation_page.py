"""How optimisation at test time went, in a page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from report_support import Outline, evaluated_run, octahedron

from shapesys.evaluation import curves
from shapesys.evaluation.curves import Spread, write_curves
from shapesys.report.optimisation import still_running
from shapesys.report.optimisation_chart import LEAST, Panel, ShownShape, chart
from shapesys.report.page import build_page
from shapesys.training.run_dir import RunDirectory

FLOOR = 0.1733
HOSTILE = "chair/<img src=x onerror=alert(1)>"


def falling(iterations: int, end: float = 0.5) -> np.ndarray:
    return np.linspace(1.0, end, iterations, dtype=np.float32)


def optimised_run(
    root: Path, found: Mapping[str, Mapping[str, np.ndarray]], floors: Sequence[float | None] = ()
) -> RunDirectory:
    """A run whose shapes, each worse than the one before, have these curves; and one shape that failed.

    Args:
        floors: the least possible loss of each shape; nothing is told of it where there are none.
    """
    run = evaluated_run(root, meshes={shape_id: (octahedron(), octahedron()) for shape_id in found})
    directory = run.evaluation("test")
    for shape_id, own in found.items():
        if own:
            write_curves(own, directory.curves(shape_id))
    if floors:
        rows = pq.read_table(directory.rows).append_column("fact/loss_floor", pa.array([*floors, None], pa.float64()))
        pq.write_table(rows, directory.rows)
    return run


def section_of(run: RunDirectory) -> str:
    """The part of the page; empty where it has none."""
    page = build_page([run], run.page).read_text(encoding="utf-8")
    found = re.search(r"<section>\s*<h2>Optimisation at test time</h2>.*?</section>", page, re.DOTALL)
    return found.group() if found else ""


def cells_of(section: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", section, re.DOTALL)
    return [
        [" ".join(re.sub(r"<[^>]*>", " ", cell).split()) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
        for row in rows
    ]


def words_of(section: str) -> str:
    return " ".join(" ".join(Outline(section).words).split())


def test_shapes_stand_beside_the_median_of_all(tmp_path: Path) -> None:
    found = {f"chair/{number}": {"loss": falling(50, 0.2 + 0.1 * number)} for number in range(4)}
    section = section_of(optimised_run(tmp_path, found, [FLOOR] * 4))
    assert cells_of(section) == [
        ["loss", "iterations", "first", "last", "least possible"],
        ["median of 4 shapes", "50", "1.0000", "0.3500", "0.1733"],
        ["best chair/0", "50", "1.0000", "0.2000", "0.1733"],
        ["best chair/1", "50", "1.0000", "0.3000", "0.1733"],
        ["worst chair/2", "50", "1.0000", "0.4000", "0.1733"],
        ["worst chair/3", "50", "1.0000", "0.5000", "0.1733"],
    ]
    assert "Median and quartiles are over 4 shapes." in section
    for name in ("median of 4 shapes", "quartiles", "best: chair/0", "worst: chair/3", LEAST):
        assert f">{name}<" in section, name


def test_where_nothing_was_optimised_there_is_no_section(tmp_path: Path) -> None:
    assert not section_of(optimised_run(tmp_path, {"chair/0": {}}))


@pytest.mark.parametrize("floors", [(), (FLOOR, None)])
def test_a_floor_that_is_not_known_of_every_shape_is_not_drawn(
    tmp_path: Path, floors: tuple[float | None, ...]
) -> None:
    found = {f"chair/{number}": {"loss": falling(5)} for number in range(2)}
    section = section_of(optimised_run(tmp_path, found, floors))
    assert LEAST not in section
    assert cells_of(section)[0] == ["loss", "iterations", "first", "last"]


def test_every_curve_has_a_chart_and_the_floor_is_that_of_the_loss(tmp_path: Path) -> None:
    found = {"chair/0": {"loss": falling(5), "residual": falling(5)}, "chair/1": {"loss": falling(5)}}
    section = section_of(optimised_run(tmp_path, found, [FLOOR] * 2))
    titles = re.findall(r'<svg [^>]*aria-label="([^"]*)"', section)
    assert titles == ["optimisation at test time: loss", "optimisation at test time: residual"]
    loss, residual = section.split("optimisation at test time: ")[1:]
    assert LEAST in loss
    assert LEAST not in residual
    assert "One shape was optimised." in residual


def test_the_only_shape_is_drawn_once(tmp_path: Path) -> None:
    section = section_of(optimised_run(tmp_path, {"chair/0": {"loss": falling(5)}}, [FLOOR]))
    assert cells_of(section)[1:] == [["best chair/0", "5", "1.0000", "0.5000", "0.1733"]]
    assert "quartiles" not in section


def test_shapes_without_a_mesh_count_for_the_median(tmp_path: Path) -> None:
    run = optimised_run(tmp_path, {f"chair/{number}": {"loss": falling(5)} for number in range(3)})
    for path in (run.evaluation("test").path / "meshes").iterdir():
        path.unlink()
    assert cells_of(section_of(run))[1:] == [["median of 3 shapes", "5", "1.0000", "0.5000"]]


def test_of_many_shapes_some_have_a_line_and_some_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "MOST_SHAPES", 10)
    run = optimised_run(tmp_path, {f"chair/{number:03d}": {"loss": falling(5)} for number in range(40)})
    section = section_of(run)
    assert len(cells_of(section)) == 2 + 6
    assert "over 10 shapes, picked evenly among 40." in words_of(section)


def test_it_says_how_many_shapes_the_median_is_over() -> None:
    assert still_running(Spread.of([falling(5), falling(5)])) == ""
    told = still_running(Spread.of([falling(length) for length in (300, 300, 450, 600, 600, 600)]))
    assert told.endswith("all 6 shapes up to iteration 299, 4 from iteration 300, 3 from iteration 450, to 599.")
    lengths = range(100, 2100, 100)
    told = still_running(Spread.of([falling(length) for length in lengths]))
    assert told.endswith(
        "all 20 shapes up to iteration 99, 19 from iteration 100, 13 from iteration 700, 7 from iteration 1,300, "
        "1 from iteration 1,900, to 1,999."
    )


def test_names_are_text_and_never_markup(tmp_path: Path) -> None:
    run = optimised_run(tmp_path, {HOSTILE: {"<b>": falling(5)}, "chair/b": {"<b>": falling(5)}})
    outline = Outline(section_of(run))
    assert {"img", "b"}.isdisjoint(tag for tag, _ in outline.tags)
    assert f"best: {HOSTILE}" in outline.words


def drawing(panel: Panel) -> ElementTree.Element:
    text = chart(panel)
    assert "currentColor" in text
    assert "#010203" not in text
    return ElementTree.fromstring(text.replace("xlink:href", "href"))


def test_long_names_leave_out_their_middle() -> None:
    shape = ShownShape("03001627/" + "0123456789abcdef" * 4, "best", falling(5), None)
    root = drawing(Panel("loss", Spread.of([falling(5)] * 2), (shape,), None))
    [name] = [text for text in root.itertext() if text.startswith("best: ")]
    assert re.fullmatch(r"best: 03001627/\w+…\w+abcdef", name)


def test_what_falls_by_decades_has_a_logarithmic_axis() -> None:
    wide, narrow = np.geomspace(1.0, 1e-3, 50, dtype=np.float32), falling(50)
    for values, ticks in ((wide, {"1", "0.1", "0.01"}), (narrow, {"0.5", "0.6", "1.0"})):
        words = {text.strip() for text in drawing(Panel("loss", Spread.of([values] * 2), (), None)).itertext()}
        assert ticks <= words


@pytest.mark.parametrize("values", [[0.0, 0.0], [1.0], [np.nan, 1.0, np.nan], [np.nan], [-1.0, 1.0], [1e-30, 1e30]])
def test_odd_curves_are_drawn(values: list[float]) -> None:
    curve = np.array(values, np.float32)
    shape = ShownShape("chair/a", "best", curve, 0.0)
    drawing(Panel("loss", Spread.of([curve, curve[:1]]), (shape,), 0.0))
