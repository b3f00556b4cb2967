"""The numbers of a comparison as text, the same in the terminal and on the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shapesys.report.compare import SplitComparison
from shapesys.report.compare_metrics import Cell, Difference, MetricComparison
from shapesys.report.numbers import MISSING, formatter, known, number

UNLIKE = "≠"
"""Marks a metric that means different things in the columns."""


def mean_text(metric: MetricComparison, cell: Cell | None) -> str:
    """'0.0123 ± 0.0045'."""
    if cell is None:
        return MISSING
    show = formatter(metric.line.reference)
    return show(cell.mean) if cell.spread is None else f"{show(cell.mean)} ± {show(cell.spread)}"


def have_floors(metrics: Iterable[MetricComparison]) -> bool:
    """Whether any metric has a floor, as those of surfaces do."""
    return any(cell is not None and cell.floor is not None for metric in metrics for cell in metric.cells)


def floor_text(metric: MetricComparison) -> str:
    """The floor; several, where columns of other samples or other shapes have other ones."""
    floors = [number(cell.floor) for cell in metric.cells if cell is not None and cell.floor is not None]
    return " / ".join(dict.fromkeys(floors)) or MISSING


def change_text(difference: Difference) -> str:
    """'-0.0023'."""
    return _signed(difference, difference.mean)


def interval_text(difference: Difference) -> str:
    """'[-0.0030, -0.0012]'; a dash for a single shape."""
    if difference.low is None or difference.high is None:
        return MISSING
    return f"[{_signed(difference, difference.low)}, {_signed(difference, difference.high)}]"


def won_text(difference: Difference) -> str:
    """'15 : 4', ties beside it; a dash where neither direction is better."""
    if difference.won is None:
        return MISSING
    return f"{difference.won} : {difference.lost}" + (f" ({difference.tied} same)" if difference.tied else "")


def tone(metric: MetricComparison, difference: Difference) -> str:
    """'good' or 'bad' where the interval leaves zero out and a direction is better; empty otherwise."""
    gain = difference.mean * metric.line.better
    return "" if not difference.certain or not gain else "good" if gain > 0 else "bad"


def spread_words(metrics: Sequence[MetricComparison]) -> str:
    """What stands behind the ± of these metrics."""
    over = sorted({cell.over for metric in metrics for cell in metric.cells if cell is not None})
    return f"mean ± standard deviation over {' or over '.join(over) or 'shapes'}"


def paired_words(split: SplitComparison) -> str:
    """What a difference is."""
    baseline = split.columns[0].name
    return f"differences: minus {baseline}, over the shapes both have, with 95 % bootstrap interval; won : lost shapes"


def _signed(difference: Difference, value: float) -> str:
    ends = [abs(end) for end in (difference.mean, difference.low, difference.high) if end is not None and known(end)]
    return ("+" if value > 0 else "") + formatter(max(ends, default=0.0))(value)
