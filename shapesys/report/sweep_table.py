"""The points of a sweep as a table for the terminal, while it runs and at its end."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shapesys.report.numbers import MISSING, duration, formatter, known
from shapesys.report.sweep_points import STATES, WORDS, Point, better, first_line, points_of, ranked, state
from shapesys.report.sweep_text import short_names, shortened, value_text
from shapesys.tuning.config import Sweep
from shapesys.tuning.ledger import TrialRecord

Records = Mapping[str, TrialRecord]

_ARROWS = {1: " ↑", -1: " ↓"}
_STYLES = {"finished": "green", "stopped": "dim", "errored": "red", "running": "cyan"}
_AFTER_RANKED = ("running", "stopped", "errored")
_WIDEST_VALUE, _WIDEST_ERROR, _WIDEST_HEADING = 20, 40, 12
_LESS_THAN_KNOBS = ("time", "epochs")
_AROUND = 3
"""Letters of padding and rule that a column takes."""


@dataclass(frozen=True)
class _Column:
    heading: Text
    cells: list[Text]
    right: bool = False

    @property
    def width(self) -> int:
        """Letters of the widest line, and the padding and rule around it."""
        widest = max(cell_len(line) for line in self.heading.plain.splitlines() or [""])
        return max(widest, *(cell.cell_len for cell in self.cells), 0) + _AROUND


def sweep_table(sweep: Sweep, records: Records, most: int = 12, width: int | None = None, alive: bool = True) -> Table:
    """One line per point of the space, the best first; those that have not finished follow.

    Args:
        sweep: names the knobs, which are the only settings shown, and the metric.
        records: the ledger's.
        most: lines to show; up to a third of them go to points that run now.
        width: letters across, by default the terminal's; what does not fit is named in the caption instead.
        alive: whether trials that have not ended can still be running.

    Returns:
        A rich table whose caption counts the trials by how they ended.
    """
    points = points_of(sweep, records)
    best = ranked(sweep, points)
    words = WORDS if alive else WORDS | {"running": "interrupted"}
    shown = _shown(best, points, most)
    first, *others = _essential(sweep, shown, words, formatter(best[0].mean if best else _any_value(points), 4))
    knobs_wanted = _knobs(sweep, shown)
    room = (Console().width if width is None else width) - 1 - sum(column.width for column in (first, *others))
    others, given_up, room = _without(others, room, sum(column.width for column in knobs_wanted.values()))
    knobs, left_out = _fitting(knobs_wanted, room)
    table = Table(caption=_caption(records, words, len(points) - len(shown), [*left_out, *given_up]))
    columns = [first, *knobs, *others]
    for column in columns:
        table.add_column(column.heading, justify="right" if column.right else "left", no_wrap=True)
    for at, point in enumerate(shown):
        style = "bold" if best and point is best[0] else ""
        table.add_row(*(column.cells[at] for column in columns), style=style)
    return table


def _essential(
    sweep: Sweep, points: Sequence[Point], words: Mapping[str, str], show: Callable[[Any], str]
) -> list[_Column]:
    """What a sweep is watched for: which trial, what it reached, how it stands, why it failed."""
    objective = _folded(sweep.tune.metric).append(_ARROWS[better(sweep)])
    columns = [
        _Column(Text("point" if sweep.tune.seeds > 1 else "trial"), [Text(point.name) for point in points]),
        _Column(objective, [_objective(point, show) for point in points], right=True),
        _Column(Text("epochs"), [_epochs_text(point) for point in points], right=True),
        _Column(Text("state"), [_states(point, words) for point in points]),
        _Column(Text("time"), [Text(duration(p.seconds) if p.seconds else MISSING) for p in points], right=True),
    ]
    errors = [_error(point) for point in points]
    return [*columns, _Column(Text("error"), errors)] if any(errors) else columns


def _knobs(sweep: Sweep, points: Sequence[Point]) -> dict[str, _Column]:
    """Columns by the knob's short name."""
    return {
        name: _Column(
            _folded(name),
            [
                Text(shortened(value_text(p.values[path]), _WIDEST_VALUE) if path in p.values else MISSING)
                for p in points
            ],
            right=all(known(point.values.get(path)) for point in points),
        )
        for path, name in short_names(sweep.space.knobs).items()
    }


def _without(columns: list[_Column], room: int, wanted: int) -> tuple[list[_Column], list[str], int]:
    """The columns without those that matter less than the knobs, as far as these want room; the names, the new room."""
    given_up: list[str] = []
    for name in _LESS_THAN_KNOBS:
        if wanted > room:
            room += next(column.width for column in columns if column.heading.plain == name)
            columns = [column for column in columns if column.heading.plain != name]
            given_up.append(name)
    return columns, given_up, room


def _fitting(columns: Mapping[str, _Column], room: int) -> tuple[list[_Column], list[str]]:
    """The columns that fit beside each other, and the names of the others."""
    fitting: list[_Column] = []
    left_out: list[str] = []
    for name, column in columns.items():
        fits = sum(kept.width for kept in fitting) + column.width <= room
        fitting += [column] if fits else []
        left_out += [] if fits else [name]
    return fitting, left_out


def _folded(name: str) -> Text:
    """A long name on several lines, broken behind slashes, dots and underscores."""
    lines = [""]
    for part in re.split(r"(?<=[/._])", name):
        fits = len(lines[-1]) + len(part) <= _WIDEST_HEADING
        lines[-1:] = [lines[-1] + part] if fits or not lines[-1] else [lines[-1], part]
    return Text("\n".join(lines))


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


def _error(point: Point) -> Text:
    error = next((first_line(record.error) for record in point.records if record.error), "")
    return Text(shortened(error, _WIDEST_ERROR), "red")


def _epochs_text(point: Point) -> Text:
    low, high = _epochs(point)
    return Text(f"{low}" if low == high else f"{low}-{high}")


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


def _states(point: Point, words: Mapping[str, str]) -> Text:
    counted = Counter(state(record) for record in point.records)
    text = Text()
    for name in (name for name in STATES if counted[name]):
        number = f"{counted[name]} " if len(point.records) > 1 else ""
        text.append(", " if text else "").append(f"{number}{words[name]}", _STYLES[name])
    return text


def _caption(records: Records, words: Mapping[str, str], hidden: int, left_out: Sequence[str]) -> Text:
    """'12 finished, 3 stopped early, 0 errored, 1 running; 4 more points not shown; too narrow for: hidden'."""
    counted = Counter(state(record) for record in records.values())
    text = Text()
    for name in STATES:
        style = "bold red" if name == "errored" and counted[name] else ""
        text.append(", " if text else "").append(f"{counted[name]} {words[name]}", style)
    text.append(f"; {hidden} more points not shown" if hidden else "")
    return text.append(f"; too narrow for: {', '.join(left_out)}" if left_out else "")
