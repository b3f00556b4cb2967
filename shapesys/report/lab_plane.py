"""Figures of the laboratory in the plane: level sets, gaps that are closed, and losses that find no inside."""

from __future__ import annotations

from typing import Any

import numpy as np

from shapesys.geometry.mesh import Floats
from shapesys.laboratory import completion, level_sets, wrong_losses
from shapesys.laboratory.curve import Curve
from shapesys.laboratory.lattice import Lattice
from shapesys.report.lab_look import BLUE, GREEN, ORANGE, PURPLE, Look, dressed, legend_below, plain_decades

STEP = 0.05
"""Distance between neighbouring level lines."""
_ORDER = ("data", "queries", "missing part", "straight segment", "f < 0", "f = 0", "f > 0")
"""Of names in legends."""


def draw_level_sets(figure: Any, result: level_sets.Result, look: Look) -> None:
    """The distance with the queries, level sets after both losses, and the errors of every seed."""
    panels = figure.subplots(1, 4, width_ratios=(1, 1, 1, 0.8))
    _levels(panels[0], result.lattice, result.distance)
    panels[0].plot(*result.queries.T, "o", color=PURPLE, markersize=1.8, markeredgewidth=0, label="queries")
    _curve(panels[0], result.curve)
    dressed(panels[0], look, "unsigned distance h", "x", "y")
    for axes, (name, learned) in zip(panels[1:], result.learned.items(), strict=False):
        _field(axes, result.lattice, learned.values[0], look)
        _curve(axes, result.curve)
        dressed(axes, look, name, "x", "")
    _square(panels[:3])
    _draw_errors(panels[3], result, look)
    legend_below(figure, panels[:3], look, 5, _ORDER)


def _draw_errors(axes: Any, result: level_sets.Result, look: Look) -> None:
    """A line for each seed, from SAL's error to SALD's."""
    before, after = result.learned["SAL"], result.learned["SALD"]
    kinds = {"mean ||f| − h|": ("value_error", BLUE), "mean gradient error": ("gradient_error", ORANGE)}  # noqa: RUF001
    for name, (kind, colour) in kinds.items():
        pairs = np.stack([getattr(before, kind), getattr(after, kind)])
        axes.plot((0, 1), pairs, "o-", color=colour, linewidth=1.0, markersize=4)
        axes.annotate(name, (0.5, pairs.max()), xytext=(0, 3), textcoords="offset points", ha="center", color=colour)
    axes.set_xticks((0, 1), ("SAL", "SALD"))
    axes.set_yscale("log")
    plain_decades(axes.yaxis)
    axes.margins(x=0.25, y=0.15)
    dressed(axes, look, "errors, every seed", "", "")


def draw_completion(figure: Any, result: completion.Result, look: Look) -> None:
    """A row for each curve: its distance, and level sets after SAL and SALD with the straight segment."""
    panels = figure.subplots(len(result.curves), 3)
    for row, (name, found) in zip(panels, result.curves.items(), strict=True):
        points = result.lattice.points
        distance = result.lattice.square(found.open_curve.curve.distance(points)[0])
        _levels(row[0], result.lattice, distance)
        dressed(row[0], look, name, "x", "y")
        for axes, (loss, values) in zip(row[1:], found.values.items(), strict=True):
            _field(axes, result.lattice, values[0], look)
            dressed(axes, look, f"{loss}: {_range(found.stretch(loss))} × segment", "x", "")  # noqa: RUF001
        for axes in row:
            _curve(axes, found.open_curve.curve)
            axes.plot(*found.open_curve.removed.numpy().T, ":", color=GREEN, linewidth=1.8, label="missing part")
            axes.plot(*found.open_curve.ends.numpy().T, "--", color=PURPLE, linewidth=1.4, label="straight segment")
    _square(panels.flat)
    legend_below(figure, panels.flat, look, 6, _ORDER)


def draw_wrong_losses(figure: Any, result: wrong_losses.Result, look: Look) -> None:
    """Level sets after each loss, with the share of the square that is inside."""
    panels = figure.subplots(1, len(result.values))
    titles = {"L1": "|f − h|", "L2": "(f − h)²", "SAL": "SAL: ||f| − h|"}  # noqa: RUF001
    for axes, (loss, values) in zip(panels, result.values.items(), strict=True):
        _field(axes, result.lattice, values[0], look)
        _curve(axes, result.curve)
        share = 100.0 * float(result.inside(loss).mean())
        dressed(axes, look, f"{titles[loss]}: {share:.1f} % inside", "x", "y" if axes is panels[0] else "")
    _square(panels)
    legend_below(figure, panels, look, 5, _ORDER)


def _field(axes: Any, lattice: Lattice, values: Floats, look: Look) -> None:
    """Level lines of a network, and its zero level set."""
    _levels(axes, lattice, values)
    for path in lattice.zero_set(values):
        axes.plot(*path.T, color=look.ink, linewidth=1.8, label="f = 0")


def _levels(axes: Any, lattice: Lattice, values: Floats) -> None:
    """Level lines every `STEP`, in one colour where negative and in another where positive."""
    from matplotlib.lines import Line2D

    axis = lattice.axis.numpy()
    counts = {"f < 0": int(-values.min() / STEP), "f > 0": int(values.max() / STEP)}
    for (name, count), colour, sign in zip(counts.items(), (BLUE, ORANGE), (-1.0, 1.0), strict=True):
        if count > 0:
            levels = np.sort(np.arange(1, count + 1) * STEP * sign)
            axes.contour(axis, axis, values, levels=levels, colors=colour, linewidths=0.6, linestyles="-", alpha=0.85)
            axes.add_line(Line2D([], [], color=colour, linewidth=1.0, label=name))


def _curve(axes: Any, curve: Curve) -> None:
    """The data, thinner than a zero level set, which can be told below it."""
    pieces = np.stack([curve.starts.numpy(), curve.ends.numpy(), np.full_like(curve.ends, np.nan)], axis=1)
    axes.plot(*pieces.reshape(-1, 2).T, color=GREEN, linewidth=1.0, solid_capstyle="round", label="data")


def _square(panels: Any) -> None:
    for axes in panels:
        axes.set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal", xticks=(-1, 0, 1), yticks=(-1, 0, 1))
        axes.grid(False)


def _range(numbers: list[float]) -> str:
    """From the least to the greatest, once where they look the same."""
    ends = dict.fromkeys(f"{end:.2f}" for end in (min(numbers), max(numbers)))
    return "–".join(ends)  # noqa: RUF001
