"""Axes: where a value stands between two ends, and which ticks help to read it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from shapesys.errors import missing_extra
from shapesys.report.sweep_text import shortened, value_text
from shapesys.tuning.space import Knob, value_key

WIDE = 5.0
"""Positive values whose largest is this many times the smallest read better on a logarithmic axis."""

_MARGIN = 0.04
_MOST_TICKS = 5
_LONGEST_CHOICE = 14
_UNITS = ((1.0, "seconds"), (60.0, "minutes"), (3600.0, "hours"), (86400.0, "days"))


@dataclass(frozen=True)
class Tick:
    """A mark at `share` (0 to 1) of an axis."""

    share: float
    text: str


@dataclass(frozen=True)
class Axis:
    """A scale from `low` to `high`, which are logarithms (base 10) where `log`, or one slot per choice.

    Attributes:
        label: what it measures.
        choices: the slots in order, each the `value_key` of its value; excludes low and high.
    """

    label: str
    ticks: tuple[Tick, ...]
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    choices: tuple[str, ...] = ()

    def share(self, value: Any) -> float:
        """Where `value` stands: 0 at the low end, 1 at the high one."""
        if self.choices:
            return (self.choices.index(value_key(value)) + 0.5) / len(self.choices)
        return (_scaled(float(value), self.log) - self.low) / (self.high - self.low)


def knob_axis(label: str, knob: Knob, values: Iterable[Any], margin: float = _MARGIN) -> Axis:
    """The axis of a knob: its whole range, or its choices, and whatever else was tried.

    Args:
        values: those that were tried.
        margin: share of the range to leave free at both ends.
    """
    if knob.choices is not None:
        return choice_axis(label, [*knob.choices, *values])
    ends = [end for end in (knob.low, knob.high) if end is not None]
    return number_axis(label, [*ends, *values], knob.log, margin)


def choice_axis(label: str, choices: Iterable[Any]) -> Axis:
    """One slot per distinct choice, in their order."""
    slots = {value_key(choice): choice for choice in choices}
    texts = [shortened(value_text(choice), _LONGEST_CHOICE) for choice in slots.values()]
    ticks = tuple(Tick((at + 0.5) / len(texts), text) for at, text in enumerate(texts))
    return Axis(label, ticks, choices=tuple(slots))


def objective_axis(label: str, values: Sequence[float]) -> Axis:
    """The axis of measured values, logarithmic where they are positive and far apart."""
    return number_axis(label, values, log=bool(values) and min(values) > 0 and max(values) > WIDE * min(values))


def time_axis(longest: float) -> tuple[Axis, float]:
    """An axis from 0 to `longest` seconds in the unit that suits it, and that unit in seconds."""
    unit, name = next((entry for entry in reversed(_UNITS) if longest >= 2 * entry[0]), _UNITS[0])
    return number_axis(name, [0.0, longest / unit]), unit


def count_axis(label: str, most: int) -> Axis:
    """From 0 to `most`, with whole numbers as ticks."""
    return number_axis(label, [0, max(most, 1)], whole=True)


def rung_axis(epochs: Iterable[int]) -> Axis:
    """The epochs at which trials are measured, each a tick; logarithmic, since rungs are a factor apart."""
    rungs = sorted(set(epochs))
    axis = number_axis("epochs trained", rungs, log=True)
    return replace(axis, ticks=tuple(Tick(axis.share(epoch), f"{epoch}") for epoch in rungs))


def number_axis(
    label: str, values: Iterable[float], log: bool = False, margin: float = _MARGIN, whole: bool = False
) -> Axis:
    """The axis that holds all `values`, with room at both ends."""
    scaled = [_scaled(float(value), log) for value in values] or [0.0]
    low, high = min(scaled), max(scaled)
    # One value alone stands in the middle of a range of its own size.
    room = margin * (high - low) if high > low else abs(low) * 0.1 or 0.5
    low, high = low - room, high + room
    return Axis(label, _ticks(low, high, log, whole), low, high, log)


def _scaled(value: float, log: bool) -> float:
    return math.log10(value) if log else value


def _ticks(low: float, high: float, log: bool, whole: bool) -> tuple[Tick, ...]:
    """Round numbers between the ends: decades, or 1, 2 and 5 of each where there are few, on logarithmic axes."""
    found = _log_ticks(low, high) if log else [(value, value) for value in _round_numbers(low, high, whole)]
    slack = 1e-9 * (high - low)
    inside = [(at, value) for at, value in found if low - slack <= at <= high + slack]
    return tuple(Tick(min(max((at - low) / (high - low), 0.0), 1.0), f"{value:.10g}") for at, value in inside)


def _log_ticks(low: float, high: float) -> list[tuple[float, float]]:
    if high - low < math.log10(2.5):
        return [(math.log10(value), value) for value in _round_numbers(10**low, 10**high, False) if value > 0]
    few, many = high - low < 2, high - low > _MOST_TICKS
    steps = (1, 2, 5) if few else (1,)
    decades = range(math.floor(low), math.ceil(high) + 1, math.ceil((high - low) / _MOST_TICKS) if many else 1)
    return [(decade + math.log10(step), step * 10.0**decade) for decade in decades for step in steps]


def _round_numbers(low: float, high: float, whole: bool) -> list[float]:
    try:
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        raise missing_extra("matplotlib", "report", "the sweep's page") from None
    locator = MaxNLocator(_MOST_TICKS, integer=whole, steps=[1, 2, 2.5, 5, 10])
    return [float(value) for value in locator.tick_values(low, high)]
