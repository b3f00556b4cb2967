"""Mugs: a turned cup and a handle behind it."""

from __future__ import annotations

import numpy as np

from shapesys.geometry.mesh import Floats
from shapesys.sources.procedural.assembly import Assembly
from shapesys.sources.procedural.draw import Draw
from shapesys.sources.procedural.solids import curve, lathe, rectangle, sweep

PARTS = ("body", "handle", "saucer")


def build(draw: Draw) -> Assembly:
    """A cup around the y axis with its handle in the plane x = 0, towards +z."""
    shape = Assembly(PARTS)
    outer = _outer_profile(draw)
    wall = draw.real("wall", 0.045, 0.075)
    floor = draw.real("floor", 0.06, 0.1)
    _add_handle(shape, draw, outer)
    inner = _inner_profile(outer, wall, floor)
    shape.add("body", lathe([(0.0, 0.0), *outer, (outer[-1, 0], outer[-1, 1] - 1e-3), (0.0, outer[-1, 1] - 1e-3)], 56))
    shape.cut("body", lathe(inner, 56))
    if draw.chance("saucer", 0.25):
        _add_saucer(shape, draw, outer[0, 0])
    return shape


def _outer_profile(draw: Draw) -> Floats:
    """(k, 2) radius and height from the foot to the rim; radius about 0.45, height about 1."""
    height = draw.real("height", 0.75, 1.35)
    foot, belly, rim = {
        "straight": (1.0, 1.0, 1.0),
        "tapered": (0.72, 0.88, 1.04),
        "barrel": (0.8, 1.06, 0.88),
        "flared": (0.76, 0.78, 1.08),
        "bowl": (0.5, 0.98, 1.06),
        "bell": (1.08, 0.9, 0.98),
    }[draw.pick("profile", ("straight", "tapered", "barrel", "flared", "bowl", "bell", "straight"))]
    radius = draw.real("radius", 0.4, 0.5)
    belly *= draw.real("belly", 0.97, 1.03)
    side = curve([(foot, 0.04), (0.55 * foot + 0.45 * belly, 0.2), (belly, 0.5), (rim, 0.97)], 6)
    edge = [(foot - 0.08, 0.0), (foot - 0.02, 0.012)]
    lip = [(rim - 0.012, 0.99), (rim - 0.05, 1.0)]
    return np.concatenate([edge, side, lip]) * (radius, height)


def _inner_profile(outer: Floats, wall: float, floor: float) -> Floats:
    """The cavity: the outer profile moved inwards by the wall, from the floor up beyond the rim."""
    heights = np.linspace(floor, outer[-1, 1] - 0.02, 20)
    radii = np.interp(heights, outer[:, 1], outer[:, 0]) - wall
    radii[:3] *= (0.8, 0.94, 0.985)
    rim = outer[:, 0][-3] - wall
    top = [(rim + 0.2 * wall, outer[-1, 1] + 1e-3), (rim + 0.2 * wall, outer[-1, 1] + 0.1), (0.0, outer[-1, 1] + 0.1)]
    return np.concatenate([[(0.0, floor)], np.stack([radii, heights], axis=1), top])


def _add_handle(shape: Assembly, draw: Draw, outer: Floats) -> None:
    height = outer[-1, 1]
    low = height * draw.real("handle_low", 0.14, 0.3)
    high = height * draw.real("handle_high", 0.72, 0.86)
    reach = draw.real("handle_reach", 0.24, 0.36)
    start, end = (float(np.interp(y, outer[:, 1], outer[:, 0])) - 0.035 for y in (low, high))
    middle = max(start, end) + reach
    bends = {
        "round": [(0.62, 0.02), (1.0, 0.5), (0.62, 0.98)],
        "ear": [(0.42, 0.1), (0.85, 0.5), (0.85, 0.9), (0.45, 1.03)],
        "square": [(0.8, 0.0), (0.98, 0.1), (1.0, 0.5), (0.98, 0.9), (0.8, 1.0)],
        "drop": [(0.25, 0.2), (0.75, 0.52), (0.98, 0.82), (0.6, 1.02)],
    }[draw.pick("handle", ("round", "ear", "square", "drop"))]
    inside = [(start + (middle - start) * out, low + (high - low) * up) for out, up in bends]
    line = curve([(start, low), *inside, (end, high)], 6)
    path = np.stack([0 * line[:, 0], line[:, 1], line[:, 0]], axis=1)
    thick, wide = draw.real("handle_thickness", 0.055, 0.08), draw.real("handle_width", 0.075, 0.14)
    shape.add("handle", sweep(rectangle(thick, wide, 0.45 * thick), path))


def _add_saucer(shape: Assembly, draw: Draw, foot: float) -> None:
    wide = foot + draw.real("saucer_rim", 0.3, 0.45)
    rise = draw.real("saucer_rise", 0.06, 0.14)
    top = [(foot * 0.9, 0.01), (foot + 0.04, 0.012), (wide - 0.03, rise), (wide, rise - 0.01)]
    under = [(wide - 0.01, rise - 0.035), (foot + 0.05, -0.045), (foot * 0.8, -0.05), (0.0, -0.05)]
    shape.add("saucer", lathe([(0.0, 0.01), *top, *under], 56))
