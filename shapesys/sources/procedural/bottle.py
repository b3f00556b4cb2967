"""Bottles: round or square, seven silhouettes, four closures, a label or a handle on some."""

from __future__ import annotations

import numpy as np

from shapesys.geometry.mesh import Floats
from shapesys.sources.procedural.assembly import Assembly
from shapesys.sources.procedural.draw import Draw
from shapesys.sources.procedural.solids import (
    Solid,
    ball,
    circle,
    curve,
    lathe,
    loft,
    rectangle,
    rod,
    stack,
    sweep,
    tube,
)

PARTS = ("body", "neck", "closure", "handle")


def build(draw: Draw) -> Assembly:
    """A bottle one unit tall or so, standing on y = 0; a pump's nozzle points to -z, a handle to +z."""
    shape = Assembly(PARTS)
    kind = draw.pick("kind", tuple(_SILHOUETTES))
    body = np.array(_SILHOUETTES[kind]) * (draw.real("girth", 0.85, 1.2), draw.real("tall", 0.9, 1.1))
    body[0, 1] = 0.0
    neck = body[-1, 0] * draw.real("neck", 0.9, 1.1)
    neck_tall = draw.real("neck_height", *{"wine": (0.2, 0.26), "beer": (0.12, 0.2)}.get(kind, (0.04, 0.1)))
    body[-1, 0] = neck
    section = draw.pick("section", ("round", "round", "round", "square", "oval"))
    shoulder = float(body[-1, 1])
    shape.add("body", _body(draw, body, section))
    shape.add(
        "neck",
        lathe(
            [
                (0, shoulder - 0.006),
                (0.985 * neck, shoulder - 0.006),
                (0.94 * neck, shoulder + 0.6 * neck_tall),
                (0.94 * neck, shoulder + neck_tall),
                (0, shoulder + neck_tall),
            ],
            36,
        ),
    )
    collar = shoulder + draw.real("collar", 0.2, 0.5) * neck_tall
    shape.add(
        "neck",
        lathe(
            [
                (0, collar),
                (1.08 * neck, collar),
                (1.2 * neck, collar + 0.008),
                (1.08 * neck, collar + 0.02),
                (0, collar + 0.02),
            ],
            36,
        ),
    )
    closures = (
        ("screw", "cork", "crown", "open") if kind in ("wine", "beer", "flask") else ("screw", "sport", "pump", "open")
    )
    _CLOSURES[draw.pick("closure", closures)](shape, draw, neck, shoulder + neck_tall)
    if kind in ("jug", "flask") and section == "round":
        _add_handle(shape, draw, body, shoulder + 0.4 * neck_tall, 0.9 * neck)
    return shape


_SILHOUETTES = {
    "wine": [(0.14, 0.0), (0.15, 0.02), (0.15, 0.25), (0.15, 0.5), (0.135, 0.58), (0.07, 0.66), (0.052, 0.72)],
    "burgundy": [(0.16, 0.0), (0.17, 0.03), (0.17, 0.2), (0.165, 0.36), (0.12, 0.52), (0.07, 0.68), (0.055, 0.8)],
    "beer": [(0.13, 0.0), (0.14, 0.02), (0.14, 0.2), (0.14, 0.42), (0.12, 0.52), (0.075, 0.63), (0.058, 0.7)],
    "soda": [
        (0.12, 0.0),
        (0.15, 0.04),
        (0.15, 0.16),
        (0.125, 0.3),
        (0.155, 0.48),
        (0.14, 0.62),
        (0.08, 0.74),
        (0.06, 0.78),
    ],
    "water": [(0.14, 0.0), (0.155, 0.03), (0.155, 0.3), (0.155, 0.62), (0.14, 0.7), (0.09, 0.77), (0.07, 0.8)],
    "lotion": [(0.17, 0.0), (0.185, 0.02), (0.185, 0.2), (0.185, 0.46), (0.175, 0.53), (0.1, 0.58), (0.075, 0.6)],
    "jug": [(0.19, 0.0), (0.22, 0.04), (0.23, 0.2), (0.22, 0.38), (0.17, 0.52), (0.09, 0.62), (0.075, 0.66)],
    "flask": [(0.2, 0.0), (0.23, 0.02), (0.2, 0.14), (0.15, 0.28), (0.1, 0.42), (0.065, 0.54), (0.06, 0.58)],
}


def _body(draw: Draw, profile: Floats, section: str) -> Solid:
    line = curve(profile, 6)
    if draw.chance("ribs", 0.25):
        span = (line[:, 1] > 0.25 * profile[-1, 1]) & (line[:, 1] < 0.65 * profile[-1, 1])
        heights = np.linspace(line[span, 1][0], line[span, 1][-1], 40)
        waves = np.interp(heights, line[:, 1], line[:, 0]) - 0.006 * (1 - np.cos(np.linspace(0, 10 * np.pi, 40)))
        above, below = line[line[:, 1] > heights[-1] + 1e-9], line[line[:, 1] < heights[0] - 1e-9]
        line = np.concatenate([below, np.stack([waves, heights], axis=1), above])
    outline = {"round": circle(1.0, 44), "square": rectangle(2, 2, 0.5, 5), "oval": circle(1.0, 44, 0.62)}[section]
    # Square and oval bodies turn round towards the neck.
    blend = np.clip((line[:, 0] - line[-1, 0]) / (line[:, 0].max() - line[-1, 0]), 0, 1) ** 0.5
    angle = np.arctan2(outline[:, 1], outline[:, 0])
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    shapes = blend[:, None, None] * outline + (1 - blend)[:, None, None] * ring
    points = np.insert(line[:, :1, None] * shapes, 1, 0.0, axis=2)
    points[..., 1] = line[:, 1:2]
    return loft(points)


def _screw(shape: Assembly, draw: Draw, neck: float, top: float) -> None:
    tall, wide = draw.real("cap_height", 0.05, 0.1), 1.14 * neck
    ridges = 36
    angle = 2 * np.pi * np.arange(4 * ridges) / (4 * ridges)
    outline = (
        np.stack([np.cos(angle), np.sin(angle)], axis=1) * (1 + 0.02 * np.sign(np.sin(ridges * angle + 0.7)))[:, None]
    )
    y = top - 0.6 * tall
    shape.add(
        "closure", stack(outline, [(0, y, 0), (0, y + 0.9 * tall, 0), (0, y + tall, 0)], [wide, wide, 0.9 * wide])
    )


def _cork(shape: Assembly, draw: Draw, neck: float, top: float) -> None:
    tall = draw.real("cork", 0.03, 0.07)
    shape.add("closure", rod((0, top - 0.04, 0), (0, top + tall, 0), 0.72 * neck, 0.82 * neck, 28))


def _crown(shape: Assembly, draw: Draw, neck: float, top: float) -> None:
    angle = 2 * np.pi * np.arange(84) / 84
    outline = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    flare = outline * (1 + 0.05 * np.cos(21 * angle))[:, None]
    cap = [flare * 1.28, outline * 1.12, outline * 0.9]
    rings = np.stack(
        [np.insert(neck * ring, 1, top + y, axis=1) for ring, y in zip(cap, (-0.018, 0.012, 0.02), strict=True)]
    )
    shape.add("closure", loft(rings))


def _sport(shape: Assembly, draw: Draw, neck: float, top: float) -> None:
    wide = 1.15 * neck
    shape.add(
        "closure",
        lathe(
            [
                (0, top - 0.04),
                (wide, top - 0.04),
                (wide, top + 0.02),
                (0.5 * wide, top + 0.05),
                (0.42 * wide, top + 0.09),
                (0.55 * wide, top + 0.1),
                (0.5 * wide, top + 0.13),
                (0, top + 0.135),
            ],
            36,
        ),
    )


def _pump(shape: Assembly, draw: Draw, neck: float, top: float) -> None:
    rise, reach = draw.real("pump_rise", 0.07, 0.12), draw.real("nozzle", 0.12, 0.2)
    wide = 1.15 * neck
    shape.add(
        "closure",
        lathe(
            [
                (0, top - 0.04),
                (wide, top - 0.04),
                (wide, top + 0.015),
                (0.5 * wide, top + 0.03),
                (0.5 * wide, top + 0.05),
                (0, top + 0.05),
            ],
            32,
        ),
    )
    shape.add(
        "closure",
        rod((0, top, 0), (0, top + rise, 0), 0.016),
        rod((0, top + rise - 0.005, 0), (0, top + rise + 0.025, 0), 0.04, segments=24),
    )
    y = top + rise + 0.01
    line = curve([(y, 0.0), (y, -0.6 * reach), (y - 0.008, -0.9 * reach), (y - 0.04, -reach)], 4)
    shape.add("closure", tube(np.insert(line, 0, 0.0, axis=1), 0.014))


def _open(shape: Assembly, draw: Draw, neck: float, top: float) -> None:
    lip = 1.12 * neck
    shape.add(
        "neck",
        lathe(
            [(0, top - 0.025), (lip, top - 0.025), (1.04 * lip, top - 0.01), (lip, top + 0.004), (0, top + 0.004)], 36
        ),
    )
    shape.cut(
        "neck", rod((0, top - draw.real("mouth_depth", 0.03, 0.1), 0), (0, top + 0.05, 0), 0.72 * neck, segments=32)
    )


_CLOSURES = {"screw": _screw, "cork": _cork, "crown": _crown, "sport": _sport, "pump": _pump, "open": _open}


def _add_handle(shape: Assembly, draw: Draw, body: Floats, top: float, neck: float) -> None:
    low = draw.real("handle_foot", 0.35, 0.6) * float(body[-1, 1])
    foot = float(np.interp(low, body[:, 1], body[:, 0])) - 0.012
    reach = max(foot, neck) + draw.real("handle_reach", 0.05, 0.1)
    line = curve(
        [
            (low, foot),
            (low + 0.25 * (top - low), 0.8 * reach + 0.2 * foot + 0.02),
            (top - 0.02, reach),
            (top, 0.5 * (reach + neck)),
            (top - 0.01, 0.8 * neck),
        ],
        6,
    )
    shape.add("handle", sweep(rectangle(0.03, 0.045, 0.012), np.insert(line, 0, 0.0, axis=1)))
    shape.add("handle", ball(0.02, (0, low, foot), 12))
