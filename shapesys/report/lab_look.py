"""How figures of the laboratory look: for the page, which has a light and a dark theme, and for paper."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapesys.errors import ShapesysError, missing_extra
from shapesys.report.plots import COLOURS, GRID, INK, drawn

BLUE, ORANGE, GREEN, PURPLE = COLOURS[:4]
_DOTS_PER_INCH = 200


@dataclass(frozen=True)
class Look:
    """Colours of text and of lines that only help to read."""

    ink: str
    grid: str


PAGE, PAPER = Look(INK, GRID), Look("#1b2028", "#d5dae0")
"""The first becomes the page's own colours."""


@dataclass(frozen=True)
class Drawing:
    """A figure that can be drawn in either look.

    Attributes:
        draw: puts it on a matplotlib figure.
        width, height: in inches.
    """

    draw: Callable[[Any, Look], None]
    width: float
    height: float

    def svg(self, title: str) -> str:
        """An inline element for the page."""
        text = drawn(lambda figure: self.draw(figure, PAGE), title, self.width, self.height)
        # Hundredths of a pixel are enough, and level lines have many points.
        return re.sub(r' d="[^"]*"', lambda found: re.sub(r"(\.\d\d)\d+", r"\1", found.group()), text)

    def write_png(self, path: Path) -> Path:
        """A picture on white.

        Raises:
            ShapesysError: it cannot be written there.
        """
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        with mpl.rc_context({"font.family": "sans-serif", "font.size": 8.5, "text.parse_math": False}):
            figure = Figure(figsize=(self.width, self.height), layout="constrained", dpi=_DOTS_PER_INCH)
            FigureCanvasAgg(figure)
            self.draw(figure, PAPER)
            try:
                figure.savefig(path, facecolor="white")
            except OSError as error:
                raise ShapesysError(f"cannot write {path}: {error.strerror or error}; choose another --out") from error
        return path


def check_matplotlib() -> None:
    """Tell before the work that nothing could be drawn.

    Raises:
        ShapesysError: matplotlib is missing.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise missing_extra("matplotlib", "report", "drawing figures") from None


def dressed(axes: Any, look: Look, title: str, across: str, up: str) -> None:
    """Title, names of the axes and a quiet frame."""
    axes.set_title(title, loc="left", color=look.ink, fontweight="bold")
    axes.set_xlabel(across, color=look.ink)
    axes.set_ylabel(up, color=look.ink)
    axes.tick_params(colors=look.ink, which="both", length=2.5)
    axes.grid(color=look.grid, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(look.grid)


def plain_decades(axis: Any, floor: float | None = None) -> None:
    """A logarithmic axis with its decades in plain numbers; below the `floor` nothing is told apart."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    def named(value: float, _: int) -> str:
        text = f"{value:.8f}".rstrip("0").rstrip(".")
        return f"≤ {text}" if floor and math.isclose(value, floor) else text

    axis.set_major_locator(LogLocator())
    axis.set_major_formatter(FuncFormatter(named))
    axis.set_minor_formatter(NullFormatter())


def legend_below(figure: Any, axes: Sequence[Any], look: Look, columns: int, first: Sequence[str] = ()) -> None:
    """One legend for the figure.

    Args:
        figure: under which it stands.
        axes: whose names it has, each once.
        look: of the text.
        columns: names beside each other.
        first: names that come first, in this order; those that nothing has are left out.
    """
    named: dict[str, Any] = {}
    for one in axes:
        for handle, name in zip(*one.get_legend_handles_labels(), strict=True):
            named.setdefault(name, handle)
    names = [name for name in dict.fromkeys([*first, *named]) if name in named]
    figure.legend(
        [named[name] for name in names],
        names,
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        labelcolor=look.ink,
        handlelength=1.8,
    )
