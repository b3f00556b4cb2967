"""Points of the plane by category as SVG, in the colours of the page: each category has a colour and a marker."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from shapesys.report.plots import COLOURS, GRID, INK, drawn, legend_name
from shapesys.reproduction.finding import Scatter

_MARKERS = ("o", "^", "s", "D", "P", "X", "v", "*")
_MANY = 600
"""Points beyond which markers are smaller."""
_ROW, _HANDLE, _LETTER = 0.18, 0.38, 0.075
"""Of a legend, in inches: height of a row, width of a marker with its space, mean width of a letter."""


def categories_of(scatters: Iterable[Scatter]) -> list[str]:
    """Every category that any of them has, sorted."""
    return sorted({name for scatter in scatters for name in scatter.categories})


def scatter_svg(scatter: Scatter, categories: Sequence[str] = (), legend: bool = True, width: float = 4.2) -> str:
    """The points as an inline SVG element, both axes at the same scale and without numbers, which would mean nothing.

    Args:
        scatter: what to draw.
        categories: whose colours and markers hold here, so that figures beside each other agree; its own where empty.
        legend: whether the names stand below.
        width: in inches of 72 CSS pixels; the height follows.
    """
    names = list(categories) or categories_of([scatter])
    below = _ROW * _rows(names, width) if legend else 0.0

    def draw(figure: Any) -> None:
        _draw(figure.subplots(), scatter, names)
        if legend:
            _legend(figure, names, width, "outside lower center")

    return drawn(draw, scatter.title, width, width + below)


def legend_svg(categories: Sequence[str], width: float = 10.0) -> str:
    """The names with their colours and markers alone, for several figures."""
    height = _ROW * (_rows(categories, width) + 1)
    return drawn(lambda figure: _legend(figure, categories, width, "center left"), "categories", width, height)


def _draw(axes: Any, scatter: Scatter, names: Sequence[str]) -> None:
    points = np.asarray(scatter.points, np.float64).reshape(-1, 2)
    held = np.asarray(scatter.categories, np.str_)
    size = 4.5 if len(points) <= _MANY else 3.4
    for name, look in _looks(names).items():
        across, up = points[held == name].T
        axes.plot(across, up, linestyle="none", markersize=size, markeredgewidth=0, alpha=0.8, **look)
    axes.set_title(scatter.title, loc="left", color=INK, fontweight="bold")
    axes.set_aspect("equal", adjustable="datalim")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color(GRID)


def _looks(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colours differ first; a colour comes back with another marker."""
    pairs = itertools.cycle((marker, colour) for marker in _MARKERS for colour in COLOURS)
    return {name: {"marker": marker, "color": colour} for name, (marker, colour) in zip(names, pairs, strict=False)}


def _legend(figure: Any, names: Sequence[str], width: float, place: str) -> None:
    from matplotlib.lines import Line2D

    plain: dict[str, Any] = {"linestyle": "none", "markersize": 5, "markeredgewidth": 0}
    handles = [Line2D([], [], **plain | look) for look in _looks(names).values()]
    figure.legend(
        handles,
        [legend_name(name) for name in names],
        loc=place,
        ncols=_columns(names, width),
        frameon=False,
        labelcolor=INK,
        handlelength=0.8,
        columnspacing=1.0,
        labelspacing=0.3,
    )


def _columns(names: Sequence[str], width: float) -> int:
    widest = _HANDLE + _LETTER * max(map(len, names), default=0)
    return max(1, min(len(names), int(width / widest)))


def _rows(names: Sequence[str], width: float) -> int:
    return math.ceil(len(names) / _columns(names, width))
