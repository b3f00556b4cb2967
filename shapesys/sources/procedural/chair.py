"""Chairs: a seat, a back in one of six manners, a base in one of six, arms or none. The sitter looks to -z."""

from __future__ import annotations

import numpy as np

from shapesys.geometry.mesh import Floats
from shapesys.sources.procedural.assembly import Assembly
from shapesys.sources.procedural.draw import Draw
from shapesys.sources.procedural.solids import (
    Solid,
    ball,
    box,
    circle,
    curve,
    lathe,
    rectangle,
    rod,
    slab,
    stack,
    superellipse,
    tube,
)

PARTS = ("seat", "back", "base", "arms")


def build(draw: Draw) -> Assembly:
    """A chair about 0.5 m wide, standing on y = 0."""
    shape = Assembly(PARTS)
    width, depth = draw.real("width", 0.42, 0.56), draw.real("depth", 0.41, 0.52)
    height, thick = draw.real("seat_height", 0.41, 0.49), draw.real("seat_thickness", 0.025, 0.075)
    outline = {
        "square": rectangle(width, depth, 0.03),
        "rounded": rectangle(width, depth, 0.14, 6),
        "oval": superellipse(width, depth, 2.7, 40),
        "trapezoid": rectangle(width, depth, 0.05) * np.array([1.0, 1.0]),
    }[kind := draw.pick("seat", ("square", "rounded", "oval", "trapezoid"))]
    if kind == "trapezoid":
        outline = outline * np.stack([1 - 0.28 * outline[:, 1] / depth, np.ones(len(outline))], axis=1)
    shape.add("seat", slab(outline, height - thick, height, min(0.025, 0.45 * thick), 3))
    base = draw.pick("base", ("four_legs", "four_legs", "four_legs", "sled", "star", "cantilever", "disc"))
    _BASES[base](shape, draw, width, depth, height - thick)
    arm_height = _add_back(shape, draw, width, depth, height, thick)
    _add_arms(shape, draw, width, depth, height - 0.5 * thick, arm_height)
    return shape


def _four_legs(shape: Assembly, draw: Draw, width: float, depth: float, top: float) -> None:
    half, foot = draw.real("leg_size", 0.014, 0.024), draw.real("leg_taper", 0.5, 1.0)
    splay = draw.real("leg_splay", 0.0, 0.16)
    outline = {
        "round": circle(1.0, 14),
        "square": rectangle(2, 2, 0.3, 2),
        "turned": circle(1.0, 14),
    }[kind := draw.pick("legs", ("round", "square", "turned"))]
    x, z = 0.78 * width / 2, 0.76 * depth / 2
    out = top * splay
    share = np.linspace(0, 1, 25 if kind == "turned" else 2)
    swell = 1 + 0.45 * np.sin(share * 6 * np.pi) * (share > 0.25) * (share < 0.9) if kind == "turned" else 1.0
    sizes = half * (foot + (1 - foot) * share) * swell
    for side in (-1.0, 1.0):
        centres = [(x + out * (1 - t), t * (top + 0.012), side * (z + out * (1 - t))) for t in share]
        shape.add("base", stack(outline, centres, list(np.broadcast_to(sizes, len(share)))))
    level = {"none": None, "box": 0.32, "h": 0.38, "high": 0.78}[
        draw.pick("stretchers", ("none", "none", "box", "h", "high"))
    ]
    if level is None:
        return
    y, reach = level * top, out * (1 - level)
    bar, a, b = 0.62 * half, x + reach, z + reach
    shape.add("base", rod((a, y, -b), (a, y, b), bar))
    crossings = (0.0,) if level == 0.38 else (-b, b)
    shape.add("base", *(rod((-a, y, c), (a, y, c), bar) for c in crossings))


def _sled(shape: Assembly, draw: Draw, width: float, depth: float, top: float) -> None:
    radius, x, z = draw.real("rail_radius", 0.009, 0.015), 0.84 * width / 2, 0.86 * depth / 2
    y = radius
    corners = [(top + 0.01, -z + 0.05), (0.5 * top, -z + 0.01), (y + 0.05, -z), (y, -z + 0.05)]
    mirrored = [(height, -along) for height, along in corners[::-1]]
    line = curve(corners + mirrored, 5)
    shape.add("base", tube(np.insert(line, 0, x, axis=1), radius))
    shape.add("base", rod((-x, top - 0.01, 0.4 * z), (x, top - 0.01, 0.4 * z), radius))
    shape.add("base", rod((-x, top - 0.01, -0.4 * z), (x, top - 0.01, -0.4 * z), radius))
    shape.add("base", rod((x, top - 0.01, -z + 0.04), (x, top - 0.01, z - 0.04), radius))
    if draw.chance("floor_bar", 0.5):
        shape.add("base", rod((-x, y, z - 0.06), (x, y, z - 0.06), radius))


def _cantilever(shape: Assembly, draw: Draw, width: float, depth: float, top: float) -> None:
    radius, x = draw.real("rail_radius", 0.011, 0.017), 0.86 * width / 2
    front, rear, y = -0.46 * depth, 0.5 * depth, radius
    line = curve(
        [
            (top - 0.004, rear - 0.1),
            (top - 0.004, front + 0.07),
            (0.85 * top, front),
            (0.2 * top, front),
            (y, front + 0.07),
            (y, rear),
        ],
        6,
    )
    shape.add("base", tube(np.insert(line, 0, x, axis=1), radius))
    shape.add("base", rod((-x, y, rear - 0.01), (x, y, rear - 0.01), radius))
    shape.add("base", rod((-x, top - 0.004, 0.1), (x, top - 0.004, 0.1), radius))


def _star(shape: Assembly, draw: Draw, width: float, depth: float, top: float) -> None:
    spokes, reach = draw.whole("spokes", 4, 6), draw.real("star_reach", 0.26, 0.33)
    castors = draw.chance("castors", 0.7)
    floor = 0.055 if castors else 0.018
    column = draw.real("column", 0.022, 0.032)
    shape.add(
        "base",
        lathe(
            [
                (1.5 * column, floor),
                (1.5 * column, floor + 0.05),
                (column, floor + 0.08),
                (column, 0.6 * top),
                (0.65 * column, 0.6 * top),
                (0.65 * column, top - 0.03),
                (0.1, top - 0.02),
                (0.1, top + 0.01),
            ],
            24,
        ),
    )
    for angle in 90 + np.arange(spokes) * 360 / spokes:
        spoke = stack(
            rectangle(2, 2, 0.5, 2),
            [(0, floor + 0.03, 0), (reach, floor + 0.004, 0)],
            [(0.02, 0.024), (0.014, 0.016)],
            "x",
        )
        shape.add("base", spoke.turned("y", angle))
        if castors:
            wheel = rod((0.0, 0.026, 0), (0.0, floor + 0.01, 0), 0.009)
            tyre = rod((0, 0.026, -0.018), (0, 0.026, 0.018), 0.026, segments=18)
            shape.add("base", *(part.moved(x=reach - 0.012).turned("y", angle) for part in (wheel, tyre)))


def _disc(shape: Assembly, draw: Draw, width: float, depth: float, top: float) -> None:
    reach, column = draw.real("disc", 0.2, 0.26), draw.real("column", 0.02, 0.03)
    foot = curve(
        [
            (reach, 0.012),
            (0.6 * reach, 0.03),
            (2.2 * column, 0.055),
            (column, 0.12),
            (column, 0.75 * top),
            (2.5 * column, top - 0.012),
        ],
        5,
    )
    shape.add("base", lathe([(0.0, 0.0), (reach, 0.0), *foot, (2.5 * column, top + 0.01), (0.0, top + 0.01)], 40))


_BASES = {"four_legs": _four_legs, "sled": _sled, "star": _star, "cantilever": _cantilever, "disc": _disc}


def _add_back(shape: Assembly, draw: Draw, width: float, depth: float, height: float, thick: float) -> float:
    """Adds the back, built upright at z = 0 and then leant; returns by how many degrees."""
    tall, lean = draw.real("back_height", 0.36, 0.58), draw.real("back_lean", 4.0, 15.0)
    curved = draw.real("back_curve", 0.0, 0.07)
    wide = draw.real("back_width", 0.86, 1.0) * width
    kind = draw.pick("back", ("panel", "slats", "ladder", "hoop", "shell", "frame"))
    z = 0.5 * depth - 0.035
    if draw.design["seat"] != "square":
        # Seats narrow towards the rear: a rail under their edge carries the posts that stand beside it.
        shape.add("back", box((wide, 0.6 * thick, 0.09), (0, height - 0.52 * thick, z - 0.02), 0.2 * thick))
    for solid in _BACKS[kind](draw, wide, tall, thick):
        bent = Solid(solid.vertices + _bend(solid.vertices, wide, curved), solid.faces)
        shape.add("back", bent.moved(y=height, z=z).turned("x", lean, (0, height, z)))
    return lean


def _bend(points: Floats, wide: float, curved: float) -> Floats:
    """The sitter's back is round: the middle of the back moves to the rear, its sides stay."""
    push = curved * (1 - (points[:, 0] / (0.5 * wide)) ** 2)
    return (
        np.stack([0 * push, 0 * push, np.maximum(push, -0.05)], axis=1)
        * (points[:, 1:2] > 0.03)
        * np.minimum(1, points[:, 1:2] / 0.15)
    )


def _columns(wide: float, size: float, tall: float, thick: float) -> list[Solid]:
    return [box((size, tall + 0.7 * thick, size), (wide / 2 - size / 2, tall / 2 - 0.35 * thick, 0), 0.3 * size)]


def _panel(draw: Draw, wide: float, tall: float, thick: float) -> list[Solid]:
    deep, power = draw.real("panel_thickness", 0.02, 0.06), draw.real("panel_power", 2.5, 14.0)
    if draw.pick("panel_mount", ("full", "raised")) == "full":
        return [_plate(wide, -0.5 * thick, tall, deep, power, round_below=False)]
    lift = 0.38 * tall
    return [_plate(wide, lift, tall, deep, power), box((0.03, lift + 0.12, 0.018), (0.3 * wide, 0.5 * lift, 0), 0.006)]


def _plate(wide: float, bottom: float, top: float, deep: float, power: float, round_below: bool = True) -> Solid:
    """An upright plate whose corners are those of a superellipse; made of upright strips, so that it bends well."""
    across = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 27))
    rise = np.maximum((1 - np.abs(across) ** power) ** (1 / power), 0.02)
    middle = 0.5 * (bottom + top) if round_below else bottom
    high = middle + (top - middle) * rise
    low = middle - (middle - bottom) * rise
    outline = rectangle(2, 2, 0.7, 4) if round_below else rectangle(2, 2, 0.5, 4)
    centres = [(0.5 * wide * x, 0.5 * (a + b), 0.0) for x, a, b in zip(across, low, high, strict=True)]
    return stack(outline, centres, [(0.5 * deep, 0.5 * (b - a)) for a, b in zip(low, high, strict=True)], "x")


def _bars(wide: float, size: float, y: float, tall: float, deep: float) -> Solid:
    xs = np.linspace(-wide / 2 + 0.2 * size, wide / 2 - 0.2 * size, 13)
    return stack(rectangle(2, 2, 0.4, 2), [(x, y, 0) for x in xs], [(deep / 2, tall / 2)] * len(xs), "x")


def _slats(draw: Draw, wide: float, tall: float, thick: float) -> list[Solid]:
    size, count = draw.real("post", 0.024, 0.038), draw.whole("slats", 3, 7)
    rail = draw.real("rail", 0.05, 0.09)
    parts = _columns(wide, size, tall, thick) + [_bars(wide, size, tall - rail / 2, rail, 0.8 * size)]
    parts.append(_bars(wide, size, 0.09, 0.035, 0.7 * size))
    span = wide - 2 * size
    broad = min(draw.real("slat", 0.012, 0.04), 0.6 * span / count)
    for x in np.linspace(-span / 2, span / 2, count + 2)[1:-1]:
        if x > -1e-9:
            heights = np.linspace(0.08, tall - rail + 0.02, 6)
            parts.append(stack(rectangle(2, 2), [(x, y, 0) for y in heights], [(broad / 2, 0.007)] * 6))
    return parts


def _ladder(draw: Draw, wide: float, tall: float, thick: float) -> list[Solid]:
    size, count = draw.real("post", 0.024, 0.038), draw.whole("rungs", 2, 5)
    broad = draw.real("rung", 0.035, 0.08)
    heights = np.linspace(0.3 * tall, tall - 0.6 * broad, count)
    return _columns(wide, size, tall, thick) + [
        _bars(wide, size, y, min(broad, 0.6 * tall / count), 0.016) for y in heights
    ]


def _hoop(draw: Draw, wide: float, tall: float, thick: float) -> list[Solid]:
    radius, count = draw.real("hoop", 0.011, 0.017), draw.whole("spindles", 4, 9)
    power = draw.real("hoop_power", 2.0, 3.4)
    angle = np.linspace(0, np.pi, 33)
    arc = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** (2 / power), np.abs(np.sin(angle)) ** (2 / power)
    x, y = 0.47 * wide * arc[0], tall * arc[1]
    line = np.stack([x, np.maximum(y, -0.5 * thick), 0 * x], axis=1)
    line[[0, -1], 1] = -0.6 * thick
    parts = [tube(line, radius)]
    for s in np.linspace(-0.36, 0.36, count) * wide:
        if s > -1e-9:
            top = tall * (1 - abs(s / (0.47 * wide)) ** power) ** (1 / power)
            heights = np.linspace(-0.5 * thick, top, 8)
            parts.append(tube([(s, h, 0) for h in heights], 0.5 * radius, 10))
    return parts


def _shell(draw: Draw, wide: float, tall: float, thick: float) -> list[Solid]:
    deep, power = draw.real("shell_thickness", 0.018, 0.04), draw.real("shell_power", 2.0, 3.4)
    return [_plate(wide, -0.5 * thick, tall, deep, power, round_below=False)]


def _frame(draw: Draw, wide: float, tall: float, thick: float) -> list[Solid]:
    radius, lift = draw.real("frame", 0.009, 0.014), draw.real("pad_lift", 0.3, 0.5) * tall
    x = 0.46 * wide
    line = curve([(x, -0.5 * thick), (x, 0.5 * tall), (x, tall - 0.06), (x - 0.06, tall)], 5)
    path = np.concatenate([line, line[::-1] * (-1, 1)])
    parts = [tube(np.insert(path, 2, 0.0, axis=1), radius)]
    return [*parts, _plate(wide, lift, tall + 0.01, 0.04, 9.0)]


_BACKS = {"panel": _panel, "slats": _slats, "ladder": _ladder, "hoop": _hoop, "shell": _shell, "frame": _frame}


def _add_arms(shape: Assembly, draw: Draw, width: float, depth: float, seat: float, lean: float) -> None:
    kind = draw.pick("arms", ("none", "none", "none", "posts", "loop", "panel"))
    if kind == "none":
        return
    rise = draw.real("arm_height", 0.18, 0.25)
    x, front, rear = 0.5 * width + 0.012, -0.36 * depth, 0.5 * depth - 0.03
    back = rear + rise * np.tan(np.deg2rad(lean))
    y = seat + rise
    if kind == "loop":
        line = curve(
            [(seat, front + 0.04), (seat + 0.5 * rise, front - 0.015), (y - 0.03, front), (y, front + 0.06), (y, back)],
            6,
        )
        shape.add("arms", tube(np.insert(line, 0, x, axis=1), 0.012))
    elif kind == "panel":
        shape.add("arms", box((0.03, rise + 0.03, back - front), (x, seat + 0.5 * rise, 0.5 * (front + back)), 0.012))
    else:
        rest = draw.real("arm_rest", 0.034, 0.06)
        shape.add("arms", box((rest, 0.026, back - front + 0.06), (x, y, 0.5 * (front + back) - 0.02), 0.011))
        shape.add("arms", rod((x, seat, front + 0.02), (x, y, front + 0.02), 0.012))
    for z in (front + 0.03, rear - 0.05):
        shape.add("arms", rod((x - 0.06, seat, z), (x + 0.008, seat, z), 0.011))
    shape.add("arms", rod((x - 0.09, y - 0.003, back), (x + 0.004, y - 0.003, back), 0.011))
    shape.add("arms", ball(0.014, (x, y - 0.003, back), 12))
