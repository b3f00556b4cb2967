"""Curves as SVG that takes the page's text colour, so that it reads in light and in dark."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shapesys.geometry.mesh import Floats
from shapesys.training.history import Record

COLOURS = ("#2a78d6", "#d9730d", "#1f9d6b", "#b4489c", "#8a6d00", "#5b63d3", "#c2404a", "#4f7f8c")
_MOST_POINTS = 600
_TITLES = {"lr": "learning rate", "samples_per_second": "samples per second", "wait_share": "time waiting for data"}
_SCALES = {"loss": "log", "lr": "log", "samples_per_second": "rate", "wait_share": "share"}
INK, GRID = "#010203", "#040506"
"""Stand-ins that become CSS: matplotlib knows no `currentColor`."""


@dataclass(frozen=True)
class Curve:
    """One line: name, steps (n,) and values (n,)."""

    name: str
    steps: Floats
    values: Floats


@dataclass(frozen=True)
class Chart:
    """Curves that share axes.

    Attributes:
        scale: of their values: as they are, ``log``, ``share`` or ``rate``.
        across: what the horizontal axis shows.
        marked: whether every point is marked.
    """

    title: str
    curves: tuple[Curve, ...]
    scale: str = ""
    across: str = "step"
    marked: bool = False


def charts(histories: Mapping[str, Sequence[Record]]) -> list[Chart]:
    """The curves of one run, or of several over each other.

    Args:
        histories: run name -> history records. With one run the loss terms share a chart; with several, each chart
            compares the runs in one quantity.

    Returns:
        Losses, then statistics, speed, waiting and learning rates; only what was logged.
    """
    series = {run: _series(records) for run, records in histories.items()}
    names = list(dict.fromkeys(name for found in series.values() for name in found))
    groups = _groups(names) if len(histories) == 1 else {name: [name] for name in names}
    built = [_chart(title, members, series) for title, members in groups.items()]
    return [chart for chart in built if chart.curves]


def svg(chart: Chart, width: float = 4.6, height: float = 2.75) -> str:
    """The chart as an inline SVG element.

    Args:
        chart: what to draw; a logarithmic axis needs at least one positive value and is dropped without one.
        width: in inches of 72 CSS pixels.
        height: likewise.
    """

    def draw(figure: Any) -> None:
        _draw(figure.subplots(), chart)
        if len(chart.curves) > 1:
            figure.legend(loc="outside lower center", ncols=4, frameon=False, labelcolor=INK, handlelength=1.2)

    return drawn(draw, chart.title, width, height)


def drawn(draw: Callable[[Any], None], title: str, width: float, height: float) -> str:
    """What `draw` puts on a matplotlib figure of that size in inches, as an inline SVG element called `title`.

    Where it draws in `INK` and `GRID`, the page's colours of text and lines appear.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    style = {"svg.fonttype": "none", "svg.hashsalt": title, "font.family": "sans-serif", "font.size": 8.5}
    # Names are no formulas, whatever dollars they hold.
    style |= {"text.parse_math": False}
    with mpl.rc_context(style):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format")))
    return _inline(stream.getvalue(), title)


def _draw(axes: Any, chart: Chart) -> None:
    for curve, colour in zip(chart.curves, COLOURS * (1 + len(chart.curves) // len(COLOURS)), strict=False):
        sparse = {"marker": "o", "markersize": 3} if chart.marked or len(curve.steps) < 3 else {}
        axes.plot(curve.steps, curve.values, color=colour, linewidth=1.4, label=legend_name(curve.name), **sparse)
    _scale(axes, chart)
    axes.set_title(chart.title, loc="left", color=INK, fontweight="bold")
    axes.set_xlabel(chart.across, color=INK)
    axes.tick_params(colors=INK, which="both", length=2.5)
    axes.grid(color=GRID, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)


def legend_name(name: str) -> str:
    """A name for the legend, which leaves out those that begin with an underscore."""
    return f"\u200b{name}" if name.startswith("_") else name


def _scale(axes: Any, chart: Chart) -> None:
    """The vertical axis: decades or 1-2-5 steps where logarithmic, from zero for rates, plain numbers always."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    values = np.concatenate([curve.values for curve in chart.curves])
    positive = values[values > 0]
    if chart.scale == "log" and positive.size:
        axes.set_yscale("log")
        wide = positive.max() > 200 * positive.min()
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    if chart.scale in ("share", "rate"):
        axes.set_ylim(bottom=0)
    say = "{:.3g} %" if chart.scale == "share" else "{:,.10g}"
    factor = 100 if chart.scale == "share" else 1
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, position: say.format(factor * value)))


def _inline(text: str, title: str) -> str:
    """The bare <svg>, sized by the page, with CSS colours and a label for screen readers."""
    body = text[text.index("<svg") :]
    body = body.replace(INK, "currentColor").replace(GRID, "var(--line)")
    # Text takes the page's font; matplotlib names the first font it found on this machine.
    body = re.sub(r"font(?:-family)?: ([^;\"]*?)'[^;\"]*", lambda found: _font(found.group(1)), body)
    label = title.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    opening = rf'<svg viewBox="\1" role="img" aria-label="{label}">'
    return re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', opening, body, count=1)


def _font(size_and_weight: str) -> str:
    return f"font: {size_and_weight}system-ui, sans-serif" if size_and_weight else "font-family: system-ui, sans-serif"


def _series(records: Sequence[Record]) -> dict[str, Curve]:
    """Every number that was logged, by dotted name, over its steps."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    for record in records:
        for name, value in _numbers(record):
            steps, values = found.setdefault(name, ([], []))
            steps.append(float(record["step"]))
            values.append(value)
    return {name: thinned(Curve(name, np.array(steps), np.array(values))) for name, (steps, values) in found.items()}


def _numbers(record: Record) -> list[tuple[str, float]]:
    nested = [
        (f"{section}/{name}", value)
        for section in ("loss", "statistics", "lr")
        for name, value in (record.get(section) or {}).items()
    ]
    plain = [(name, record[name]) for name in ("samples_per_second", "wait_share") if name in record]
    numbers = [(name, float(value)) for name, value in nested + plain if isinstance(value, (int, float))]
    return sorted(numbers, key=lambda entry: entry[0] != "loss/total")


def thinned(curve: Curve) -> Curve:
    """At most `_MOST_POINTS` points: means of equal stretches, which keeps noise from filling the chart."""
    count = len(curve.steps)
    if count <= _MOST_POINTS:
        return curve
    edges = np.linspace(0, count, _MOST_POINTS + 1).astype(int)[:-1]
    sizes = np.diff(np.append(edges, count))
    steps, values = (np.add.reduceat(array, edges) / sizes for array in (curve.steps, curve.values))
    return Curve(curve.name, steps, values)


def _groups(names: Sequence[str]) -> dict[str, list[str]]:
    """Chart title -> the series it shows: the losses together, the rates together, every statistic by itself."""
    groups: dict[str, list[str]] = {}
    for name in names:
        section = name.partition("/")[0]
        title = section if section in ("loss", "lr") else name
        groups.setdefault(title, []).append(name)
    return groups


def _chart(title: str, members: Sequence[str], series: Mapping[str, Mapping[str, Curve]]) -> Chart:
    curves = tuple(
        Curve(run if len(series) > 1 else name.partition("/")[2] or name, found[name].steps, found[name].values)
        for run, found in series.items()
        for name in members
        if name in found
    )
    section, _, rest = title.partition("/")
    label = _TITLES.get(title) or (rest if section == "statistics" else title.replace("/", ": ")).replace("_", " ")
    return Chart(label, curves, _SCALES.get(section, ""))
