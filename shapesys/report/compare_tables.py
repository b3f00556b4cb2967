"""A comparison for the terminal; wide ones stand with one row per run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, Group
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from shapesys.report.compare import Comparison, SplitComparison
from shapesys.report.compare_columns import Column
from shapesys.report.compare_metrics import Difference, MetricComparison
from shapesys.report.compare_text import (
    UNLIKE,
    change_text,
    floor_text,
    have_floors,
    interval_text,
    mean_text,
    paired_words,
    spread_words,
    tone,
    won_text,
)
from shapesys.report.numbers import MISSING
from shapesys.report.tables import ARROWS

_TONES = {"good": "green", "bad": "red", "": ""}
_BAD_COUNTS = "bold red"
_MOST_PARTNERS = 4
"""Columns beside the baseline whose differences are all printed; of more, only those in the ranking metric."""

Tables = list[Any]


@dataclass(frozen=True)
class FirstThatFits:
    """The first of several layouts whose tables the terminal is wide enough for; the last where none is."""

    layouts: Sequence[Callable[[], Tables]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        for layout in self.layouts:
            tables = layout()
            widest = max(
                (Measurement.get(console, options.update(max_width=10_000), t).maximum for t in tables), default=0
            )
            if widest <= options.max_width:
                break
        yield from tables


def comparison_tables(comparison: Comparison) -> list[Any]:
    """Everything a person reads: settings that differ, then per split counts, metrics and remarks."""
    shown: list[Any] = [_settings(comparison)]
    for split in comparison.splits:
        shown += [_counts(split), _metrics(split), *(Text(f"note: {remark}", "yellow") for remark in split.remarks)]
    return [*shown, *(Text(f"note: {remark}", "yellow") for remark in comparison.remarks)]


def _settings(comparison: Comparison) -> Any:
    if not comparison.settings:
        return Text("settings: the runs share all of them")
    columns, settings = comparison.columns, comparison.settings

    def by_setting() -> Tables:
        table = _table("settings that differ", ["setting", *(column.name for column in columns)])
        for path, values in settings:
            table.add_row(Text(path), *(Text(_value(value)) for value in values))
        return [table]

    def by_run() -> Tables:
        table = _table("settings that differ", ["run", *(path for path, _ in settings)], fold=True)
        for at, column in enumerate(columns):
            table.add_row(Text(column.name), *(Text(_value(values[at])) for _, values in settings))
        return [table]

    def by_both() -> Tables:
        table = _table("settings that differ", ["setting", "run", "value"], fold=True)
        for path, values in settings:
            for at, column in enumerate(columns):
                table.add_row(Text(path if at == 0 else ""), Text(column.name), Text(_value(values[at])))
        return [table]

    return FirstThatFits([by_setting, by_run, by_both])


def _counts(split: SplitComparison) -> Any:
    outcomes = list(dict.fromkeys(name for counts in split.counts for name in counts))
    table = _table(f"shapes of {split.split}", ["run", *outcomes], right=outcomes)
    for column, counts in zip(split.columns, split.counts, strict=True):
        numbers = [(name, counts.get(name, 0)) for name in outcomes]
        table.add_row(
            Text(column.name), *(Text(str(n), _BAD_COUNTS if name != "ok" and n else "") for name, n in numbers)
        )
    return table


def _metrics(split: SplitComparison) -> Any:
    pieces = [6, 4, 3, 2, 1]
    wide = [lambda: [_together(split)]] if len(split.columns) == 2 else []
    layouts = [*wide, lambda: [_by_metric(split), *_differences(split)]]
    layouts += [lambda size=size: [*_by_run(split, size), *_differences(split)] for size in pieces]  # type: ignore[misc]
    legend = (
        f"{spread_words(split.metrics)}; {paired_words(split)}"
        if len(split.columns) > 1
        else spread_words(split.metrics)
    )
    return Group(FirstThatFits(layouts), Text(legend, "dim"))


def _together(split: SplitComparison) -> Table:
    """Two runs: means and their difference on one line."""
    names = [column.name for column in split.columns]
    heads = ["metric", *_floor_head(split), *names, "difference", "95 %", "won : lost"]
    table = _table(f"metrics on {split.split}", heads, right=heads[1:])
    for metric in split.metrics:
        changes = _changes(metric, metric.differences[0])
        table.add_row(_label(metric), *_floor(split, metric), *_cells(metric), *changes)
    return table


def _by_metric(split: SplitComparison) -> Table:
    heads = ["metric", *_floor_head(split), *(column.name for column in split.columns)]
    table = _table(f"metrics on {split.split}", heads, right=heads[1:])
    for metric in split.metrics:
        table.add_row(_label(metric), *_floor(split, metric), *_cells(metric))
    return table


def _floor_head(split: SplitComparison) -> list[str]:
    """The heading of the floors, where any metric of the table has one."""
    return ["floor"] if have_floors(split.metrics) else []


def _floor(split: SplitComparison, metric: MetricComparison) -> list[Text]:
    return [Text(floor_text(metric), "dim") for _ in _floor_head(split)]


def _by_run(split: SplitComparison, size: int) -> Tables:
    """One row per run, `size` metrics to a table."""
    return [_some_by_run(split, split.metrics[at : at + size]) for at in range(0, len(split.metrics), size)]


def _some_by_run(split: SplitComparison, metrics: Sequence[MetricComparison]) -> Table:
    table = _table(f"metrics on {split.split}", ["run", *(_heading(metric) for metric in metrics)])
    cells = [_cells(metric) for metric in metrics]
    for at, column in enumerate(split.columns):
        table.add_row(Text(column.name), *(found[at] for found in cells))
    if have_floors(metrics):
        table.add_section()
        table.add_row(Text("floor", "dim"), *(Text(floor_text(metric), "dim") for metric in metrics))
    return table


def _differences(split: SplitComparison) -> Tables:
    """Per partner of the baseline a table of all metrics; of many partners, one table of the ranking metric."""
    partners = split.columns[1:]
    if len(partners) <= _MOST_PARTNERS:
        return [_partner(split, at, column) for at, column in enumerate(partners)]
    return [] if split.ranking is None else [_partners(split, split.ranking)]


def _partner(split: SplitComparison, at: int, column: Column) -> Table:
    heads = ["metric", "difference", "95 %", "won : lost"]
    table = _table(f"{column.name} against {split.columns[0].name}", heads, right=heads[1:])
    for metric in split.metrics:
        table.add_row(_label(metric), *_changes(metric, metric.differences[at]))
    return table


def _partners(split: SplitComparison, metric: MetricComparison) -> Table:
    heads = ["run", "difference", "95 %", "won : lost"]
    table = _table(f"{metric.line.name} against {split.columns[0].name}", heads, right=heads[1:])
    for column, difference in zip(split.columns[1:], metric.differences, strict=True):
        table.add_row(Text(column.name), *_changes(metric, difference))
    return table


def _cells(metric: MetricComparison) -> list[Text]:
    return [
        Text(mean_text(metric, cell), "bold green" if at in metric.best else "") for at, cell in enumerate(metric.cells)
    ]


def _changes(metric: MetricComparison, difference: Difference | None) -> list[Text]:
    if difference is None:
        return [
            Text("other definition" if metric.differing else MISSING, "yellow" if metric.differing else ""),
            Text(),
            Text(),
        ]
    style = _TONES[tone(metric, difference)]
    texts = change_text(difference), interval_text(difference), won_text(difference)
    return [Text(text, style) for text in texts]


def _label(metric: MetricComparison) -> Text:
    line = metric.line
    label = Text(line.title).append(f" {line.variant}" if line.variant else "", "dim").append(ARROWS[line.better])
    return label.append(f" {UNLIKE}", "bold yellow") if metric.differing else label


def _heading(metric: MetricComparison) -> Text:
    line = metric.line
    label = Text(line.title).append(ARROWS[line.better]).append(f"\n{line.variant}", "dim")
    return label.append(f" {UNLIKE}", "bold yellow") if metric.differing else label


def _table(title: str, heads: Sequence[str | Text], right: Sequence[str] = (), fold: bool = False) -> Table:
    table = Table(title=Text(title, "bold"), box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for head in heads:
        text = Text(head) if isinstance(head, str) else head
        justify: Any = "right" if head in right else "left"
        table.add_column(text, justify=justify, no_wrap=not fold, overflow="fold")
    return table


def _value(value: Any) -> str:
    if value is None:
        return MISSING
    if isinstance(value, float):
        return f"{value:g}"
    return " ".join(_value(item) for item in value) if isinstance(value, (list, tuple)) else str(value)
