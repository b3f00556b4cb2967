"""Figures of the laboratory on the line: regression, its landscapes, and Sobolev training."""

from __future__ import annotations

from typing import Any

import numpy as np

from shapesys.geometry.mesh import Floats
from shapesys.laboratory import landscape, regression, sobolev
from shapesys.report.lab_look import BLUE, GREEN, ORANGE, PURPLE, Look, dressed, legend_below, plain_decades

_LOSSES = {"sign-agnostic": BLUE, "L1": ORANGE, "L2": GREEN}
_KNOWN = {sobolev.VALUES: ORANGE, sobolev.DERIVATIVES: BLUE}
_SIGNED, _UNSIGNED = ((1.0, 1.0), (-1.0, -1.0)), ((1.0, -1.0), (-1.0, 1.0))


def draw_regression(figure: Any, result: regression.Result, look: Look) -> None:
    """The start, what the sign-agnostic loss makes of it, and what the plain losses do."""
    panels = figure.subplots(1, 3, sharey=True)
    titles = ("start", "sign-agnostic loss", "plain losses")
    for axes, title in zip(panels, titles, strict=True):
        axes.axhline(0.0, color=look.ink, linewidth=0.6)
        axes.plot(result.x, result.unsigned, color=look.ink, linestyle=":", linewidth=1.4, label="unsigned distance h")
        dressed(axes, look, title, "x", "f(x)" if axes is panels[0] else "")
    _lines(panels[0], result.x, result.start, PURPLE, "networks at the start")
    _lines(panels[1], result.x, result.found["sign-agnostic"], BLUE, "||f| − h|")  # noqa: RUF001
    _lines(panels[2], result.x, result.found["L1"], ORANGE, "|f − h|")  # noqa: RUF001
    _lines(panels[2], result.x, result.found["L2"], GREEN, "(f − h)²", "--")  # noqa: RUF001
    legend_below(figure, panels, look, 5)


def _lines(axes: Any, x: Floats, values: Floats, colour: str, name: str, style: str = "-") -> None:
    """One for each seed, named once."""
    for index, own in enumerate(values):
        axes.plot(x, own, color=colour, linewidth=1.3, alpha=0.8, linestyle=style, label=name if index == 0 else None)


def draw_landscape(figure: Any, result: landscape.Result, look: Look) -> None:
    """The losses of lines by slope, and each loss over both slopes with two descents."""
    panels = figure.subplots(1, 4)
    for name, colour in _LOSSES.items():
        panels[0].plot(result.slopes, result.lines[name], color=colour, linewidth=1.4, label=name)
        minima = result.minima(name)
        at = np.interp(minima, result.slopes, result.lines[name])
        panels[0].plot(minima, at, "o", color=colour, markersize=5, clip_on=False)
    panels[0].set_ylim(0.0, 1.0)
    panels[0].set_box_aspect(1)
    dressed(panels[0], look, "lines: a = b", "slope a", "mean error")
    for axes, name in zip(panels[1:], _LOSSES, strict=True):
        _draw_plane(axes, result, name, look)
        dressed(axes, look, name, "slope a, right of x₀", "slope b, left of x₀" if axes is panels[1] else "")
    legend_below(figure, panels, look, 7)


def _draw_plane(axes: Any, result: landscape.Result, name: str, look: Look) -> None:
    slopes, colour = result.slopes, _LOSSES[name]
    axes.plot(slopes, slopes, color=look.grid, linewidth=1.0)
    levels = np.linspace(0.0, 1.0, 15)[1:] ** 2 * float(result.planes[name].max())
    axes.contour(slopes, slopes, result.planes[name], levels=levels, colors=colour, linewidths=0.7, alpha=0.7)
    for index, path in enumerate(result.paths[name]):
        first = index == 0
        axes.plot(*path.T, color=look.ink, linewidth=1.4, label="descent from a line" if first else None)
        axes.plot(*path[0], "o", color=look.ink, markersize=4)
    for points, marker, label in ((_SIGNED, "*", "signed distance, ±"), (_UNSIGNED, "X", "unsigned distance, ±")):
        axes.plot(*np.transpose(points), marker, color=PURPLE, markersize=10 if marker == "*" else 7, label=label)
    axes.set_aspect("equal")


def draw_sobolev(figure: Any, result: sobolev.Result, look: Look) -> None:
    """Functions through two samples without and with derivatives, and errors by the number of samples."""
    panels = figure.subplots(1, 3)
    for axes, (known, colour) in zip(panels[:2], _KNOWN.items(), strict=True):
        fits = result.fits[known]
        _lines(axes, result.x, fits.through, colour, f"formula, {known}")
        axes.plot(result.x, fits.learned, color=colour, linestyle="--", linewidth=1.4, label=f"network, {known}")
        axes.plot(result.x, result.target, color=look.ink, linestyle=":", linewidth=1.6, label="max{ax, bx} + c")
        axes.plot(result.places, result.levels, "o", color=look.ink, markersize=5, label="samples")
        axes.set_ylim(result.target.min() - 0.7, result.target.max() + 0.2)
        dressed(axes, look, f"{len(result.places)} samples: {known}", "x", "f(x)" if axes is panels[0] else "")
    _draw_errors(panels[2], result)
    dressed(panels[2], look, "error off the samples", "samples", "mean |f − target|")  # noqa: RUF001
    legend_below(figure, panels, look, 3, ["max{ax, bx} + c"])


def _draw_errors(axes: Any, result: sobolev.Result) -> None:
    """Medians over the fits, with the middle half shaded; errors below rounding stand at the floor."""
    floor = 1e-5
    for known, colour in _KNOWN.items():
        for errors, style in ((result.fits[known].formula, "-"), (result.fits[known].network, "--")):
            low, middle, high = np.quantile(errors, (0.25, 0.5, 0.75), axis=1).clip(min=floor)
            axes.plot(result.counts, middle, color=colour, linestyle=style, linewidth=1.4, marker="o", markersize=3)
            axes.fill_between(result.counts, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    plain_decades(axes.yaxis, floor)
    axes.set_xticks(result.counts, [str(count) for count in result.counts])
