"""The points of a sweep as a table for the terminal, while it runs and at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from shapesys.report.numbers import MISSING, duration, formatter, known
from shapesys.report.sweep_points import STATES, WORDS, Point, better, first_line, points_of, ranked, state
from shapesys.report.sweep_text import short_names, shortened, value_text
from shapesys.tuning.config import Sweep
from shapesys.tuning.ledger import TrialRecord

_ARROWS = {1: " ↑", -1: " ↓"}
_STYLES = {"finished": "green", "stopped": "dim", "errored": "red", "running": "cyan"}
_AFTER_RANKED = ("running", "stopped", "errored")
_WIDEST_VALUE, _WIDEST_ERROR = 20, 60


def sweep_table(sweep: Sweep, records: Mapping[str, TrialRecord], most: int = 12) -> Table:
    """One line per point of the space, the best first; those that have not finished follow.

    Args:
        sweep: names the knobs, which are the only settings shown, and the metric.
        records: the ledger's.
        most: lines to show; up to a third of them go to points that run now.

    Returns:
        A rich table whose caption counts the trials by how they ended.
    """
    points = points_of(sweep, records)
    best = ranked(sweep, points)
    shown = _shown(best, points, most)
    table = Table(caption=_caption(records, len(points) - len(shown)))
    table.add_column("point" if sweep.tune.seeds > 1 else "trial", no_wrap=True)
    for path, heading in short_names(sweep.space.knobs).items():
        numbers = all(known(point.values.get(path)) for point in points)
        table.add_column(Text(heading), justify="right" if numbers else "left", no_wrap=True)
    table.add_column(Text(sweep.tune.metric + _ARROWS[better(sweep)]), justify="right", no_wrap=True)
    for heading in ("epochs", "state", "time"):
        table.add_column(heading, justify="left" if heading == "state" else "right", no_wrap=True)
    if any(record.error for point in shown for record in point.records):
        table.add_column("error")
    show = formatter(best[0].mean if best else _any_value(points), 4)
    for point in shown:
        first = bool(best) and point is best[0]
        table.add_row(*_cells(sweep, point, show)[: len(table.columns)], style="bold" if first else "")
    return table


def _shown(best: Sequence[Point], points: Sequence[Point], most: int) -> list[Point]:
    """The best, then those that run, then the others; the running ones keep a third of the lines."""
    finished = {point.number for point in best}
    others = [point for point in points if point.number not in finished]
    others.sort(key=lambda point: (_AFTER_RANKED.index(_main_state(point)), -_epochs(point)[1], point.number))
    running = sum(_main_state(point) == "running" for point in others)
    room = max(most - min(running, most // 3), 0)
    return [*best[:room], *others][:most]


def _main_state(point: Point) -> str:
    """The state that says most of a point without a finished trial."""
    states = {state(record) for record in point.records}
    return next((name for name in _AFTER_RANKED if name in states), "errored")


def _cells(sweep: Sweep, point: Point, show: Callable[[Any], str]) -> list[Text]:
    values = [value_text(point.values[path]) if path in point.values else MISSING for path in sweep.space.knobs]
    low, high = _epochs(point)
    error = next((first_line(record.error) for record in point.records if record.error), "")
    return [
        Text(point.name),
        *(Text(shortened(value, _WIDEST_VALUE)) for value in values),
        _objective(point, show),
        Text(f"{low}" if low == high else f"{low}-{high}"),
        _states(point),
        Text(duration(point.seconds) if point.seconds else MISSING),
        Text(shortened(error, _WIDEST_ERROR), "red"),
    ]


def _objective(point: Point, show: Callable[[Any], str]) -> Text:
    """Mean and spread over finished seeds; what an unfinished trial measured last stays dim."""
    if point.mean is None:
        return Text(show(_any_value([point])), "dim")
    text = Text(show(point.mean))
    if point.spread is not None:
        text.append(f" ± {show(point.spread)}", "dim")
    return text if point.complete else text.append(f" ({len(point.scores)} of {point.seeds} seeds)", "dim")


def _any_value(points: Sequence[Point]) -> float | None:
    values = [record.value for point in points for record in point.records]
    return next((value for value in values if known(value)), None)


def _epochs(point: Point) -> tuple[int, int]:
    reached = [record.epoch for record in point.records]
    return min(reached), max(reached)


def _states(point: Point) -> Text:
    counted = Counter(state(record) for record in point.records)
    text = Text()
    for name in (name for name in STATES if counted[name]):
        number = f"{counted[name]} " if len(point.records) > 1 else ""
        text.append(", " if text else "").append(f"{number}{WORDS[name]}", _STYLES[name])
    return text


def _caption(records: Mapping[str, TrialRecord], hidden: int) -> Text:
    """'12 finished, 3 stopped early, 0 errored, 1 running; 4 more points'."""
    counted = Counter(state(record) for record in records.values())
    text = Text()
    for name in STATES:
        style = "bold red" if name == "errored" and counted[name] else ""
        text.append(", " if text else "").append(f"{counted[name]} {WORDS[name]}", style)
    return text.append(f"; {hidden} more points not shown") if hidden else text
