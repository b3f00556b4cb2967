"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from shapesys.report.numbers import formatter
from shapesys.report.summary import STATISTICS, MetricLine, counts, has_floors, metric_lines, whole_set_lines

ARROWS = {1: " ↑", -1: " ↓", 0: ""}
_WIDEST_CATEGORIES = 6


def summary_table(summary: Mapping[str, Any], title: str = "") -> Table:
    """The evaluation summary: floor, mean, median, min, max over all shapes, then the mean of each category.

    Numbers of the whole set, where there are any, stand first; floors are left out where no metric has one.

    Args:
        summary: the content of summary.json.
        title: shown above the table; the split by default.

    Returns:
        A rich table whose caption counts the shapes that succeeded, were empty, failed, or are missing.
    """
    together, lines = whole_set_lines(summary), metric_lines(summary)
    categories = sorted(summary.get("categories", {}))
    shown = categories if 1 < len(categories) <= _WIDEST_CATEGORIES else []
    table = Table(title=title or f"split {summary.get('split', '')}", caption=counts_line(summary))
    table.add_column("metric", no_wrap=True)
    floors = has_floors(lines)
    for heading in (*(["floor"] if floors else []), *STATISTICS, *shown):
        table.add_column(Text(heading), justify="right", no_wrap=True)
    for line in together:
        table.add_row(*_cells(line, shown, floors), end_section=line is together[-1])
    for line in lines:
        table.add_row(*_cells(line, shown, floors))
    return table


def counts_line(summary: Mapping[str, Any]) -> Text:
    """'24 ok, 1 empty, 2 failed, 0 missing', the failures coloured."""
    text = Text()
    for name, count in counts(summary).items():
        bad = name != "ok" and count
        text.append(", " if text else "").append(f"{count} {name}", style="bold red" if bad else "")
    return text


def _cells(line: MetricLine, categories: list[str], floors: bool) -> list[Text]:
    show = formatter(line.reference)
    label = Text(line.title).append(f" {line.variant}" if line.variant else "", "dim").append(ARROWS[line.better])
    floor = [Text(show(line.floor), "dim")] if floors else []
    overall = [Text(show(line.overall.get(name))) for name in STATISTICS]
    overall[0].stylize("bold")
    return [label, *floor, *overall, *(Text(show(line.categories.get(name, {}).get("mean"))) for name in categories)]
