"""Lamps: table, floor, desk, arc and pendant, under one of six shades with a bulb within."""

from __future__ import annotations

import numpy as np

from shapesys.geometry.mesh import Floats
from shapesys.sources.procedural.assembly import Assembly
from shapesys.sources.procedural.draw import Draw
from shapesys.sources.procedural.solids import Solid, ball, curve, lathe, loft, rectangle, rod, slab, tube

PARTS = ("base", "stem", "shade", "bulb")


def build(draw: Draw) -> Assembly:
    """A lamp standing on y = 0, or hanging down to it."""
    shape = Assembly(PARTS)
    _KINDS[draw.pick("kind", ("table", "table", "floor", "desk", "arc", "pendant"))](shape, draw)
    return shape


def _table(shape: Assembly, draw: Draw) -> None:
    stem = draw.real("stem_height", 0.26, 0.42)
    kind = draw.pick("body", ("vase", "gourd", "stacked", "stick", "bottle", "cone"))
    wide = draw.real("body_width", 0.06, 0.12)
    profile = {
        "vase": [(0.6, 0.0), (0.62, 0.06), (1.0, 0.45), (0.7, 0.75), (0.25, 0.92)],
        "gourd": [(0.7, 0.0), (0.98, 0.22), (0.6, 0.46), (0.72, 0.64), (0.25, 0.9)],
        "stacked": [
            (0.8, 0.0),
            (0.8, 0.05),
            (0.3, 0.1),
            (0.7, 0.25),
            (0.25, 0.42),
            (0.55, 0.58),
            (0.2, 0.75),
            (0.2, 0.92),
        ],
        "stick": [(1.0, 0.0), (1.0, 0.04), (0.2, 0.07), (0.12, 0.3), (0.12, 0.92)],
        "bottle": [(0.8, 0.0), (0.85, 0.1), (0.85, 0.5), (0.3, 0.68), (0.22, 0.92)],
        "cone": [(1.0, 0.0), (0.98, 0.03), (0.6, 0.4), (0.2, 0.92)],
    }[kind]
    line = curve(profile, 6) * (wide, stem)
    line[:, 0] = np.maximum(line[:, 0], 0.012)
    shape.add("base", lathe([(0.0, 0.0), *line, (0.0, line[-1, 1])], 40))
    if draw.chance("plinth", 0.4):
        shape.add("base", slab(rectangle(2.1 * wide, 2.1 * wide, 0.02), -0.025, 0.01, 0.006))
    shade = _shade(draw, draw.real("shade_radius", 0.13, 0.2))
    _hang(shape, draw, shade, y=stem * 0.95, below=0.1)


def _floor(shape: Assembly, draw: Draw) -> None:
    tall, foot = draw.real("tall", 0.85, 1.3), draw.real("foot", 0.13, 0.19)
    legs = draw.pick("foot_kind", ("disc", "disc", "tripod", "cross"))
    radius = draw.real("pole", 0.012, 0.02)
    if legs == "tripod":
        hub = draw.real("hub", 0.55, 0.92) * tall
        for k in range(3):
            leg = rod((0.0, hub, 0.0), (2.2 * foot, 0.0, 0.0), 1.3 * radius)
            shape.add("base", leg.turned("y", 90 + 120 * k))
        shape.add("stem", rod((0, hub - 0.08, 0), (0, tall, 0), radius), ball(2.2 * radius, (0, hub, 0)))
    elif legs == "cross":
        shape.add(
            "base",
            *(rod((0, 0.03, 0), (1.5 * foot, 0.012, 0), 0.016, 0.011).turned("y", 45 + 90 * k) for k in range(4)),
        )
        shape.add("stem", rod((0, 0.02, 0), (0, tall, 0), radius))
    else:
        shape.add("base", lathe([(0, 0), (foot, 0), (foot, 0.018), (0.3 * foot, 0.035), (0, 0.04)], 44))
        shape.add("stem", rod((0, 0.02, 0), (0, tall, 0), radius))
    shade = _shade(draw, draw.real("shade_radius", 0.17, 0.27))
    _hang(shape, draw, shade, y=tall - 0.02, below=0.12)


def _desk(shape: Assembly, draw: Draw) -> None:
    """A jointed arm in the plane x = 0, reaching to the front."""
    foot, radius = draw.real("foot", 0.075, 0.105), draw.real("arm", 0.007, 0.012)
    shape.add(
        "base",
        lathe([(0, 0), (foot, 0), (foot, 0.02), (0.9 * foot, 0.03), (0.02, 0.036), (0.016, 0.07), (0, 0.07)], 40),
    )
    lower, upper = draw.real("lower_arm", 0.2, 0.3), draw.real("upper_arm", 0.2, 0.28)
    back, forward = np.deg2rad(draw.real("lower_tilt", 5, 32)), np.deg2rad(draw.real("upper_tilt", 35, 75))
    elbow = np.array([0.0, 0.055 + lower * np.cos(back), lower * np.sin(back)])
    head = elbow + upper * np.array([0.0, np.cos(forward), -np.sin(forward)])
    twin = draw.chance("twin_arm", 0.5)
    for x in (0.016, -0.016) if twin else (0.0,):
        shape.add("stem", rod((x, 0.055, 0), elbow + (x, 0, 0), radius * (0.6 if twin else 1)))
        shape.add("stem", rod(elbow + (x, 0, 0), head + (x, 0, 0), radius * (0.6 if twin else 1)))
    for joint in ((0.0, 0.055, 0.0), elbow, head):
        shape.add("stem", rod(joint + np.array([-0.024, 0, 0]), joint + np.array([0.024, 0, 0]), 1.9 * radius))
    size = draw.real("head", 0.055, 0.085)
    profile = {
        "cone": [(0.28, 0.0), (0.34, -0.25), (0.9, -1.3)],
        "dome": [(0.25, 0.0), (0.7, -0.25), (1.0, -0.7), (1.08, -1.0)],
        "can": [(0.3, 0.0), (0.62, -0.1), (0.64, -1.3)],
    }[draw.pick("head_kind", ("cone", "dome", "can"))]
    tilt = draw.real("head_tilt", -10, 30)
    line = np.array(profile) if draw.design["head_kind"] != "dome" else curve(profile, 5)
    cup, bulb = _cup(line * size, 0.05 * size), ball(0.36 * size, (0, -0.85 * size, 0))
    neck = rod((0, 0.01, 0), (0, -0.7 * size, 0), 0.012)
    for part, solid in (("shade", cup), ("bulb", bulb), ("stem", neck)):
        shape.add(part, solid.turned("x", tilt).moved(*head))


def _arc(shape: Assembly, draw: Draw) -> None:
    foot, tall, reach = draw.real("foot", 0.15, 0.2), draw.real("tall", 1.0, 1.4), draw.real("reach", 0.55, 0.85)
    block = draw.chance("block_foot", 0.5)
    rear = 0.5 * reach
    plate = (
        slab(rectangle(1.6 * foot, 2 * foot, 0.02), 0, 0.08, 0.01)
        if block
        else lathe([(0, 0), (foot, 0), (foot, 0.03), (0, 0.035)], 40)
    )
    shape.add("base", plate.moved(z=rear))
    drop = draw.real("drop", 0.2, 0.4)
    line = curve(
        [
            (0.02, rear),
            (0.6 * tall, rear + 0.03),
            (tall, rear - 0.45 * reach),
            (tall - drop * 0.5, rear - reach + 0.02),
            (tall - drop, rear - reach - 0.01),
        ],
        9,
    )
    path = np.stack([0 * line[:, 0], line[:, 0], line[:, 1]], axis=1)
    shape.add("stem", tube(path, draw.real("arm", 0.01, 0.015), 14))
    size = draw.real("shade_radius", 0.15, 0.22)
    top = path[-1]
    profile = curve([(0.2, 0.0), (0.75, -0.22), (1.0, -0.75)], 6) * size
    shape.add("shade", _cup(profile, 0.008).moved(0, top[1] + 0.01, top[2]))
    shape.add("bulb", ball(0.35 * size, (0, top[1] - 0.35 * size, top[2])))
    shape.add("stem", rod(top, top + (0, -0.3 * size, 0), 0.014))


def _pendant(shape: Assembly, draw: Draw) -> None:
    cord = draw.real("cord", 0.12, 0.45)
    rose = draw.real("rose", 0.045, 0.065)
    shade = _shade(draw, draw.real("shade_radius", 0.14, 0.24))
    tall = -float(shade[:, 1].min())
    top = tall + cord
    shape.add(
        "base",
        lathe([(0, top), (rose, top), (0.9 * rose, top - 0.02), (0.3 * rose, top - 0.035), (0, top - 0.035)], 32),
    )
    shape.add("stem", rod((0, tall - 0.03, 0), (0, top - 0.01, 0), draw.real("cord_radius", 0.006, 0.011)))
    _hang(shape, draw, shade, y=tall, below=0.0, hanging=True)


def _shade(draw: Draw, wide: float) -> Floats:
    """(k, 2) outer profile of a shade of radius `wide`, from its top at height 0 down."""
    kind = draw.pick("shade", ("drum", "empire", "cone", "dome", "bell", "globe"))
    tall = draw.real("shade_height", 0.85, 1.35)
    profile = {
        "drum": [(0.92, 0.0), (1.0, -1.0)],
        "empire": [(0.55, 0.0), (1.0, -1.0)],
        "cone": [(0.24, 0.0), (1.0, -0.9)],
        "dome": [(0.2, 0.0), (0.68, -0.14), (0.94, -0.45), (1.0, -0.75)],
        "bell": [(0.4, 0.0), (0.5, -0.35), (0.68, -0.7), (1.0, -1.0)],
        "globe": [(0.3, 0.0), (0.8, -0.3), (1.0, -0.85), (0.8, -1.4), (0.35, -1.66)],
    }[kind]
    line = np.array(profile) if kind in ("drum", "empire", "cone") else curve(profile, 6)
    return line * (wide, wide * (1.0 if kind == "globe" else tall))


def _cup(profile: Floats, wall: float) -> Solid:
    """A shell open at the bottom and closed at its top, the profile going down from height 0."""
    inner = np.stack([np.maximum(profile[:, 0] - wall, 0.002), profile[:, 1]], axis=1)[::-1]
    inner[-1, 1] -= wall
    return lathe([(0.0, profile[0, 1]), *profile, *inner, (0.0, profile[0, 1] - wall)], 40)


def _hang(shape: Assembly, draw: Draw, shade: Floats, y: float, below: float, hanging: bool = False) -> None:
    """The shade around a bulb, held by a cross of wires at its top, its lower rim `below` under y."""
    wall, depth = 0.006, -float(shade[:, 1].min())
    top = y if hanging else y - below + depth
    inner = np.stack([shade[:, 0] - wall, shade[:, 1]], axis=1)[::-1]
    ring = np.concatenate([shade, inner])
    angle = 2 * np.pi * np.arange(44) / 44
    rings = np.stack(
        [ring[:, None, 0] * np.cos(angle), ring[:, None, 1] + 0 * angle, ring[:, None, 0] * np.sin(angle)], axis=2
    )
    shape.add("shade", loft(rings, closed=True).moved(y=top))
    reach, wire = shade[0, 0] - 0.5 * wall, top - 0.02
    radius = float(np.interp(-0.02, shade[::-1, 1], shade[::-1, 0])) - 0.5 * wall
    reach = max(reach, radius) if shade[0, 0] > radius else radius
    shape.add("stem", rod((-reach, wire, 0), (reach, wire, 0), 0.004), rod((0, wire, -reach), (0, wire, reach), 0.004))
    size = 0.03 + 0.02 * min(1.0, depth / 0.3)
    if hanging:
        bulb = top - min(0.5 * depth, 0.14)
        shape.add("stem", rod((0, top - 0.04, 0), (0, top + 0.01, 0), 0.016), rod((0, bulb, 0), (0, top, 0), 0.01))
    else:
        bulb = min(y + 0.06, top - 0.07)
        shape.add("stem", rod((0, y - 0.03, 0), (0, bulb, 0), 0.012), rod((0, y - 0.02, 0), (0, wire + 0.03, 0), 0.005))
        shape.add("stem", ball(0.012, (0, wire + 0.03, 0), 12))
    shape.add("bulb", ball(size, (0, bulb, 0), 20))


_KINDS = {"table": _table, "floor": _floor, "desk": _desk, "arc": _arc, "pendant": _pendant}
