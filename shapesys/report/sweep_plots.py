"""The charts of a sweep as marks in pixels, which the template writes as SVG with a text behind every mark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from shapesys.report.numbers import formatter, known
from shapesys.report.sweep_axes import Axis, choice_axis, count_axis, knob_axis, objective_axis, rung_axis, time_axis
from shapesys.report.sweep_load import SweepReport
from shapesys.report.sweep_points import Point, better, score, state
from shapesys.report.sweep_text import short_names, shortened
from shapesys.tuning.ledger import TrialRecord

RANKS = ("best", "second", "third")
"""Tones of the curves of the first points of the ranking."""

MOST_STRIPS = 25
"""Points whose seeds are shown beside each other."""

_ROW = 22
_JITTER = 0.6
_GOLDEN = 0.6180339887


@dataclass(frozen=True)
class Mark:
    """A trial at a place, in pixels; `tone` is its state and perhaps a rank."""

    x: float
    y: float
    tone: str
    text: str


@dataclass(frozen=True)
class Line:
    """A line through places: ``x,y x,y``, in pixels."""

    points: str
    tone: str
    text: str = ""


@dataclass(frozen=True)
class Plot:
    """Marks and lines between two axes; the frame is inset by left, right, top and bottom pixels."""

    title: str
    x: Axis
    y: Axis
    width: int = 400
    height: int = 270
    left: int = 54
    right: int = 10
    top: int = 26
    bottom: int = 38
    lines: tuple[Line, ...] = ()
    marks: tuple[Mark, ...] = ()

    def across(self, share: float) -> float:
        return round(self.left + share * (self.width - self.left - self.right), 1)

    def up(self, share: float) -> float:
        return round(self.height - self.bottom - share * (self.height - self.top - self.bottom), 1)

    def place(self, x: Any, y: Any) -> tuple[float, float]:
        """Pixels of a pair of values."""
        return self.across(self.x.share(x)), self.up(self.y.share(y))

    def path(self, pairs: Sequence[tuple[Any, Any]]) -> str:
        return " ".join(f"{x:g},{y:g}" for x, y in (self.place(*pair) for pair in pairs))

    def with_marks(self, lines: Sequence[Line], marks: Sequence[Mark]) -> Plot:
        return Plot(
            self.title, self.x, self.y, self.width, self.height, self.left, self.right, self.top, self.bottom,
            tuple(lines), tuple(marks),
        )  # fmt: skip


def measured(report: SweepReport) -> list[TrialRecord]:
    """Trials with a finite objective at the last rung they reached."""
    return [record for record in report.records.values() if known(record.value)]


def objective(report: SweepReport) -> Axis:
    """The axis of the objective at the last rung of every trial."""
    values = [record.value for record in measured(report) if record.value is not None]
    return objective_axis(report.sweep.tune.metric, values)


def describe(report: SweepReport) -> Callable[[TrialRecord], str]:
    """What a mark says of its trial: '003-s1: 0.0123 at epoch 30, stopped early'."""
    values = sorted(record.value for record in measured(report) if record.value is not None)
    show = formatter(values[len(values) // 2] if values else None, 4)
    return lambda record: f"{record.trial.id}: {show(record.value)} at epoch {record.epoch}, {report.word(record)}"


def progress(report: SweepReport) -> list[Plot]:
    """Every ended trial and the best mean so far, over trials and over time."""
    ended = sorted((record for record in report.records.values() if record.ending), key=lambda record: record.ended)
    if not any(known(record.value) for record in ended):
        return []
    start = min(record.begun for record in report.records.values())
    axis, unit = time_axis(max(record.ended for record in ended) - start)
    places = {record.trial.id: (record.ended - start) / unit for record in ended}
    count = {record.trial.id: at for at, record in enumerate(ended, 1)}
    ordinal = count_axis("trials ended", len(ended))
    return [
        _progress(report, ended, count, Plot("over trials", ordinal, objective(report), width=540)),
        _progress(report, ended, places, Plot("over time", axis, objective(report), width=540)),
    ]


def _progress(report: SweepReport, ended: Sequence[TrialRecord], at: dict[str, Any], plot: Plot) -> Plot:
    marks, text = [], describe(report)
    for record in ended:
        x = plot.across(plot.x.share(at[record.trial.id]))
        y = plot.up(plot.y.share(record.value)) if known(record.value) else plot.up(0.0)
        marks.append(Mark(x, y, state(record), text(record)))
    steps = [(at[record.trial.id], value) for record, value in best_so_far(report, ended)]
    lines = [Line(plot.path(_stairs(steps, at[ended[-1].trial.id])), "so-far")] if steps else []
    return plot.with_marks(lines, marks)


def best_so_far(report: SweepReport, ended: Sequence[TrialRecord]) -> list[tuple[TrialRecord, float]]:
    """The trials that completed a point whose mean was the best until then, and that mean.

    A mean counts once every seed of its point has finished: otherwise one lucky seed would set the mark.
    """
    sign, steps = better(report.sweep), list[tuple[TrialRecord, float]]()
    scores: dict[int, list[float]] = {}
    for record in ended:
        value = score(record)
        if value is None:
            continue
        found = scores.setdefault(record.trial.number, [])
        found.append(value)
        mean = sum(found) / len(found)
        if len(found) >= report.sweep.tune.seeds and (not steps or sign * mean > sign * steps[-1][1]):
            steps.append((record, mean))
    return steps


def _stairs(steps: Sequence[tuple[float, float]], end: float) -> list[tuple[float, float]]:
    corners = [steps[0]]
    for x, y in steps[1:]:
        corners += [(x, corners[-1][1]), (x, y)]
    return [*corners, (end, corners[-1][1])]


def slices(report: SweepReport) -> list[Plot]:
    """One scatter per knob: the objective at the last rung over the knob's value."""
    records, text, best = measured(report), describe(report), report.best
    names, plots = short_names(report.sweep.space.knobs), []
    for path, knob in report.sweep.space.knobs.items():
        tried = [record for record in records if path in record.trial.point]
        if not tried:
            continue
        axis = knob_axis(path, knob, [record.trial.point[path] for record in tried])
        plot = Plot(names[path], axis, objective(report))
        marks = [_slice_mark(plot, record, path, text(record), best) for record in tried]
        plots.append(plot.with_marks([], sorted(marks, key=lambda mark: "best" in mark.tone)))
    return plots


def _slice_mark(plot: Plot, record: TrialRecord, path: str, text: str, best: Point | None) -> Mark:
    share = plot.x.share(record.trial.point[path])
    if plot.x.choices:
        # Evenly spread within the slot, and the same at every build.
        spread = (record.trial.number * _GOLDEN + record.trial.seed * _GOLDEN**2 + 0.5) % 1.0 - 0.5
        share += _JITTER * spread / len(plot.x.choices)
    tone = f"{state(record)} best" if best is not None and record in best.records else state(record)
    return Mark(plot.across(share), plot.up(plot.y.share(record.value)), tone, text)


def curves(report: SweepReport) -> Plot | None:
    """The objective of every trial over the epochs at which it was measured, the first of the ranking on top."""
    kept = {record.trial.id: [entry for entry in record.reports if known(entry.value)]
            for record in report.records.values()}  # fmt: skip
    epochs = [entry.epoch for entries in kept.values() for entry in entries]
    values = [entry.value for entries in kept.values() for entry in entries]
    if len(set(epochs)) < 2:
        return None
    plot = Plot(
        "objective at the rungs",
        rung_axis(epochs),
        objective_axis(report.sweep.tune.metric, values),
        width=820,
        height=330,
    )
    text, places = describe(report), report.places
    lines, marks = [], []
    for record in sorted(report.records.values(), key=lambda record: -places.get(record.trial.number, len(places))):
        pairs = [(entry.epoch, entry.value) for entry in kept[record.trial.id]]
        tone = _curve_tone(record, places)
        if len(pairs) > 1:
            lines.append(Line(plot.path(pairs), tone, text(record)))
        elif pairs:
            marks.append(Mark(*plot.place(*pairs[0]), tone, text(record)))
    return plot.with_marks(lines, marks)


def _curve_tone(record: TrialRecord, places: dict[int, int]) -> str:
    place = places.get(record.trial.number, len(RANKS))
    return RANKS[place] if place < len(RANKS) and score(record) is not None else state(record)


def strips(report: SweepReport) -> Plot | None:
    """The seeds of each point beside each other, the best point on top."""
    varied = [point for point in report.ranking if len(point.scores) > 1]
    if not varied:
        return None
    points = varied[:MOST_STRIPS]
    title = f"the best {len(points)} of {len(varied)} points" if len(points) < len(varied) else ""
    names = {shortened(point.name, 14): point for point in points}
    values = [value for point in points for value in point.scores]
    across = objective_axis(report.sweep.tune.metric, values)
    plot = Plot(title, across, choice_axis("point", reversed(names)), width=820, height=70 + _ROW * len(names))
    text, lines, marks = describe(report), [], []
    for name, point in names.items():
        row = plot.up(plot.y.share(name))
        scores = [(record, score(record)) for record in point.records]
        places = [(record, plot.across(across.share(value))) for record, value in scores if value is not None]
        lines.append(Line(plot.path([(min(point.scores), name), (max(point.scores), name)]), "interval"))
        marks += [Mark(x, row, "finished", text(record)) for record, x in places]
        marks.append(Mark(plot.across(across.share(point.mean)), row, "mean", f"mean of {len(point.scores)} seeds"))
    return plot.with_marks(lines, marks)
