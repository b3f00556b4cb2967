"""Floaters are to be seen in the table of shapes, and a table of ones is not."""

from __future__ import annotations

from shapesys.report.component_columns import component_lines
from shapesys.report.sections import shape_table


def row(shape: str, components: float, share: float | None) -> dict[str, object]:
    facts = {"fact/components": components, "fact/largest_area_share": share}
    return {"shape_id": shape, "status": "ok", **facts}


def test_a_floater_brings_both_columns() -> None:
    rows = [row("a", 1.0, 1.0), row("b", 3.0, 0.75), row("empty", 0.0, None)]
    lines = component_lines(rows)
    assert [line.name for line in lines] == ["fact/components", "fact/largest_area_share"]
    assert all(line.better == 0 for line in lines)
    table = shape_table(rows, lines)
    assert [[cell["sort"] for cell in shown["cells"]] for shown in table["rows"]] == [[1, 1], [3, 0.75], [0, ""]]


def test_surfaces_in_one_piece_need_none() -> None:
    assert component_lines([row("a", 1.0, 1.0), row("empty", 0.0, None), {"shape_id": "failed"}]) == []
    assert component_lines([]) == []
