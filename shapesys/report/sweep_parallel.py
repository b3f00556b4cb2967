"""Parallel coordinates: one axis per knob and one for the objective, one line per trial."""

from __future__ import annotations

from dataclasses import dataclass

from shapesys.report.sweep_axes import Axis, knob_axis, objective_axis
from shapesys.report.sweep_load import SweepReport
from shapesys.report.sweep_plots import describe
from shapesys.report.sweep_points import better, score, state
from shapesys.report.sweep_text import short_names, shortened
from shapesys.tuning.ledger import TrialRecord

WIDTH, HEIGHT = 1140, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 90, 52, 18
_PIXELS_PER_LETTER = 7.0


@dataclass(frozen=True)
class Upright:
    """A vertical axis at `x`; `label` is short, the axis' own is whole."""

    axis: Axis
    label: str
    x: float
    raised: bool

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Pixels from the top, and text."""
        return [(_down(tick.share), tick.text) for tick in self.axis.ticks]


@dataclass(frozen=True)
class Thread:
    """A trial's line. `near` is 100 for the best result and 0 for the worst; None for trials that did not finish."""

    trial: str
    points: str
    tone: str
    text: str
    near: int | None


@dataclass(frozen=True)
class Parallel:
    """Axes and lines of the figure, the best line last so that it lies on top."""

    uprights: list[Upright]
    threads: list[Thread]
    top: float = _TOP
    bottom: float = HEIGHT - _BOTTOM
    width: int = WIDTH
    height: int = HEIGHT


def parallel(report: SweepReport) -> Parallel | None:
    """The figure of a sweep; None before a trial has finished.

    Lines of trials that did not finish end at the last knob: what they measured early compares with nothing here.
    """
    records = list(report.records.values())
    if not report.ranking:
        return None
    uprights = _uprights(report, _axes(report, records))
    near, text = _nearness(report), describe(report)
    best = set() if report.best is None else {record.trial.id for record in report.best.records}
    threads = [
        Thread(
            trial=record.trial.id,
            points=_points(record, uprights),
            tone=f"{state(record)} best" if record.trial.id in best else state(record),
            text=text(record),
            near=near.get(record.trial.id),
        )
        for record in records
    ]
    return Parallel(uprights, sorted(threads, key=lambda thread: -1 if thread.near is None else thread.near))


def _axes(report: SweepReport, records: list[TrialRecord]) -> dict[str, Axis]:
    """Axes by path, the objective's last under the empty one."""
    knobs = report.sweep.space.knobs
    tried = {path: [record.trial.point[path] for record in records if path in record.trial.point] for path in knobs}
    return {path: knob_axis(path, knob, tried[path], margin=0.0) for path, knob in knobs.items()} | {
        "": objective_axis(report.sweep.tune.metric, [value for point in report.ranking for value in point.scores])
    }


def _uprights(report: SweepReport, axes: dict[str, Axis]) -> list[Upright]:
    """Evenly spread; every second label is raised where they would touch."""
    gap = (WIDTH - _LEFT - _RIGHT) / max(len(axes) - 1, 1)
    arrow = " ↑" if better(report.sweep) > 0 else " ↓"
    labels = short_names(report.sweep.space.knobs) | {"": report.sweep.tune.metric + arrow}
    longest = max(len(label) for label in labels.values()) * _PIXELS_PER_LETTER
    crowded = longest > gap
    letters = int((2 if crowded else 1) * gap / _PIXELS_PER_LETTER)
    return [
        Upright(axis, shortened(labels[path], max(letters, 6)), round(_LEFT + at * gap, 1), crowded and at % 2 == 1)
        for at, (path, axis) in enumerate(axes.items())
    ]


def _points(record: TrialRecord, uprights: list[Upright]) -> str:
    """The line's corners; it ends at the last knob where the trial did not finish."""
    point = record.trial.point
    corners = [(up, point[up.axis.label]) for up in uprights[:-1] if up.axis.label in point]
    final = score(record)
    corners += [(uprights[-1], final)] if final is not None else []
    return " ".join(f"{up.x:g},{_down(up.axis.share(value)):g}" for up, value in corners)


def _nearness(report: SweepReport) -> dict[str, int]:
    """Trial -> 100 for the best finished result to 0 for the worst, by rank: one diverged trial must not pale all."""
    found = [(better(report.sweep) * value, name) for name, record in report.records.items()
             if (value := score(record)) is not None]  # fmt: skip
    found.sort(reverse=True)
    return {name: 100 - round(100 * at / max(len(found) - 1, 1)) for at, (_, name) in enumerate(found)}


def _down(share: float) -> float:
    return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)
