"""How a number went while shapes were optimised: quartiles of all shapes, a line for each of some, the least possible.

Legend: n iterations of one shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shapesys.evaluation.curves import Spread
from shapesys.geometry.mesh import Floats
from shapesys.report.lab_look import Drawing, Look, dressed, legend_below, plain_decades
from shapesys.report.plots import COLOURS, Curve, legend_name, thinned
from shapesys.report.sweep_text import shortened

LEAST = "least possible (ln 2 of queries on the surface)"
_QUARTILES = "quartiles"
_WIDTH, _HEIGHT = 9.0, 3.2
"""Of the chart above its legend, in inches."""
_ROW, _HANDLE, _LETTER = 0.18, 0.55, 0.075
"""Of a legend, in inches: height of a row, width of a line with its space, mean width of a letter."""
_MOST_LETTERS = 52
"""Of a name in the legend; the middle of longer ones is left out."""
_WIDE = 20.0
"""Largest by smallest value from which the axis of positive values is logarithmic."""


@dataclass(frozen=True)
class ShownShape:
    """A shape that the page shows.

    Attributes:
        kind: why: ``best``, ``median`` or ``worst``.
        values: (n,) its curve.
        floor: what the curve cannot get below; None where nobody knows.
    """

    shape_id: str
    kind: str
    values: Floats
    floor: float | None

    @property
    def label(self) -> str:
        return f"{self.kind}: {shortened(self.shape_id, _MOST_LETTERS)}"


@dataclass(frozen=True)
class Panel:
    """One curve of an evaluation.

    Attributes:
        name: of the curve.
        spread: over all shapes that have it.
        shapes: those with a line of their own.
        floor: what no shape gets below, in the median; None where it is not known of every shape.
    """

    name: str
    spread: Spread
    shapes: tuple[ShownShape, ...]
    floor: float | None

    @property
    def of_one(self) -> bool:
        """Whether the only shape there is has a line of its own, beside which quartiles tell nothing."""
        return len(self.spread.lengths) == len(self.shapes) == 1


def chart(panel: Panel) -> str:
    """The panel as an inline SVG element."""
    columns, rows = _grid([*(shape.label for shape in panel.shapes), LEAST if panel.floor is not None else _QUARTILES])

    def draw(figure: Any, look: Look) -> None:
        axes = figure.subplots()
        if not panel.of_one:
            _draw_quartiles(axes, panel.spread, look)
        for shape, colour in zip(panel.shapes, COLOURS * len(panel.shapes), strict=False):
            _draw_shape(axes, shape, colour, int(panel.spread.lengths.max()))
        if panel.floor is not None:
            axes.axhline(panel.floor, color=look.ink, linewidth=1.2, linestyle=(0, (5, 3)), label=LEAST)
        dressed(axes, look, panel.name, "iteration", "")
        axes.margins(x=0.01)
        if _is_wide([panel.spread.median, *(shape.values for shape in panel.shapes)]):
            axes.set_yscale("log")
            plain_decades(axes.yaxis)
        legend_below(figure, [axes], look, columns)

    return Drawing(draw, _WIDTH, _HEIGHT + _ROW * rows).svg(f"optimisation at test time: {panel.name}")


def median_name(shapes: int) -> str:
    """What the median is called in a legend and in a table."""
    return f"median of {shapes:,} shapes" if shapes > 1 else "the only shape"


def _grid(names: Sequence[str]) -> tuple[int, int]:
    """Columns and rows of a legend of these names and of two short ones."""
    columns = max(1, min(4, int(_WIDTH / (_HANDLE + _LETTER * max(map(len, names))))))
    return columns, -(-(len(names) + 2) // columns)


def _draw_quartiles(axes: Any, spread: Spread, look: Look) -> None:
    """The median, thinner where some shapes have stopped, in a band of half of those that still ran."""
    shapes, all_ran = len(spread.lengths), int(spread.lengths.min())
    whole, rest = _line(spread.median[:all_ran]), _line(spread.median[all_ran - 1 :], all_ran - 1)
    axes.plot(whole.steps, whole.values, color=look.ink, linewidth=2.4, label=median_name(shapes))
    axes.plot(rest.steps, rest.values, color=look.ink, linewidth=1.2)
    if shapes > 1:
        lower, upper = _line(spread.lower), _line(spread.upper)
        band = {"color": look.ink, "alpha": 0.14, "linewidth": 0, "label": _QUARTILES}
        axes.fill_between(lower.steps, lower.values, upper.values, **band)


def _draw_shape(axes: Any, shape: ShownShape, colour: str, most: int) -> None:
    """A point marks the end of one that stopped before `most` iterations."""
    line = _line(shape.values)
    axes.plot(line.steps, line.values, color=colour, linewidth=1.2, label=legend_name(shape.label))
    if len(shape.values) < max(most, 2):
        axes.plot(line.steps[-1:], line.values[-1:], "o", color=colour, markersize=4)


def _line(values: Floats, start: int = 0) -> Curve:
    """Values by iteration from `start`."""
    return thinned(Curve("", start + np.arange(len(values), dtype=np.float64), np.asarray(values, np.float64)))


def _is_wide(curves: Sequence[Floats]) -> bool:
    values = np.concatenate([curve[np.isfinite(curve)] for curve in curves])
    return bool(values.size and values.min() > 0 and values.max() > _WIDE * values.min())
