"""Benches: planked, upholstered or solid seats on five kinds of stand, with or without a back and arms."""

from __future__ import annotations

import numpy as np

from shapesys.sources.procedural.assembly import Assembly
from shapesys.sources.procedural.draw import Draw
from shapesys.sources.procedural.solids import box, circle, curve, rectangle, rod, slab, stack, sweep, tube

PARTS = ("seat", "back", "base", "arms")


def build(draw: Draw) -> Assembly:
    """A bench along x, standing on y = 0; who sits on it looks to -z."""
    shape = Assembly(PARTS)
    length, depth = draw.real("length", 1.1, 1.9), draw.real("depth", 0.34, 0.48)
    height, thick = draw.real("seat_height", 0.4, 0.48), draw.real("seat_thickness", 0.025, 0.06)
    _add_seat(shape, draw, length, depth, height, thick)
    _BASES[draw.pick("base", tuple(_BASES))](shape, draw, length, depth, height - thick)
    back = draw.pick("back", ("none", "planks", "planks", "slats", "panel"))
    if back != "none":
        _add_back(shape, draw, back, length, depth, height, thick)
    if draw.chance("arms", 0.55 if back != "none" else 0.15):
        _add_arms(shape, draw, length, depth, height, thick, back != "none")
    return shape


def _add_seat(shape: Assembly, draw: Draw, length: float, depth: float, height: float, thick: float) -> None:
    kind, y = draw.pick("seat", ("planks", "planks", "slab", "cushion", "half_log")), height - thick / 2
    if kind == "planks":
        count = draw.whole("seat_planks", 2, 6)
        pitch = depth / count
        for z in (np.arange(count) - 0.5 * (count - 1)) * pitch:
            shape.add("seat", box((length, thick, 0.84 * pitch), (0, y, z), 0.006))
        for x in (0.0, 0.4 * length):
            shape.add("seat", box((0.05, 0.03, 0.96 * depth), (x, height - thick - 0.008, 0)))
    elif kind == "cushion":
        shape.add("seat", box((length, thick, depth), (0, y, 0), 0.01))
        shape.add("seat", box((length - 0.04, 0.08, depth - 0.03), (0, height + 0.03, 0), 0.03))
    elif kind == "half_log":
        angle = np.pi * np.linspace(0, 1, 17)
        log = np.stack([-0.5 * depth * np.cos(angle), -0.13 * np.sin(angle)], axis=1)
        shape.add("seat", stack(log, [(-length / 2, height, 0), (length / 2, height, 0)], [1, 1], "x"))
    else:
        shape.add("seat", slab(rectangle(length, depth, 0.03), height - thick, height, 0.008))


def _legs(shape: Assembly, draw: Draw, length: float, depth: float, top: float) -> None:
    half, splay = draw.real("leg_size", 0.02, 0.035), draw.real("splay", 0.0, 0.1)
    outline = circle(1.0, 14) if draw.chance("round_legs", 0.5) else rectangle(2, 2, 0.2, 1)
    x, z, inset = 0.44 * length, 0.4 * depth, draw.real("taper", 0.6, 1.0)
    middle = (0.0,) if length > 1.6 and draw.chance("middle_legs", 0.5) else ()
    for side in (-1.0, 1.0):
        for at in (x, *middle):
            lean = splay if at else 0.0
            ends = [(at + lean, 0, side * (z + 0.5 * splay)), (at, top + 0.02, side * z)]
            shape.add("base", stack(outline, ends, [half * inset, half]))
        shape.add("base", box((2 * x, 0.06, 0.025), (0, top - 0.02, side * z)))
    shape.add("base", box((0.025, 0.06, 2 * z), (x, top - 0.02, 0)))


def _iron(shape: Assembly, draw: Draw, length: float, depth: float, top: float) -> None:
    """Curved cast side frames."""
    x, z, size = 0.43 * length, 0.44 * depth, draw.real("iron", 0.018, 0.026)
    bulge = draw.real("iron_bulge", -0.08, 0.08)
    for side in (-1.0, 1.0):
        line = curve(
            [
                (0.0, side * (z + 0.04)),
                (0.06, side * z),
                (0.5 * top, side * (z - 0.12 + bulge)),
                (top + 0.01, side * (z - 0.02)),
            ],
            6,
        )
        shape.add("base", sweep(rectangle(2, 2, 0.6, 2), np.insert(line, 0, x, axis=1), size))
        shape.add("base", box((0.07, 0.02, 0.09), (x, 0.01, side * (z + 0.04)), 0.005))
    shape.add("base", box((0.035, 0.035, 2 * z), (x, top - 0.005, 0)))
    level, reach = 0.5 * top, z - 0.12 + bulge
    shape.add("base", rod((x, level, -reach), (x, level, reach), 0.6 * size))


def _blocks(shape: Assembly, draw: Draw, length: float, depth: float, top: float) -> None:
    wide, inset = draw.real("block", 0.07, 0.2), draw.real("block_inset", 0.02, 0.2)
    waist = draw.real("block_waist", 0.75, 1.0)
    outline = rectangle(wide, 0.94 * depth, 0.012)
    heights = np.linspace(0, 1, 9)
    scales = [(1.0, waist + (1 - waist) * (2 * t - 1) ** 2) for t in heights]
    shape.add("base", stack(outline, [(length / 2 - inset - wide / 2, t * (top + 0.01), 0) for t in heights], scales))


def _sled(shape: Assembly, draw: Draw, length: float, depth: float, top: float) -> None:
    radius, x, z = draw.real("rail", 0.014, 0.022), draw.real("rail_at", 0.36, 0.44) * length, 0.42 * depth
    flat = draw.chance("flat_rail", 0.5)
    y, outline = radius, rectangle(2.6, 2, 0.3, 2) if flat else circle(1.0, 12)
    half = [(top + 0.004, 0.0), (top + 0.004, z - 0.04), (top - 0.04, z), (y + 0.04, z), (y, z - 0.04), (y, 0.0)]
    line = curve(half, 5)[:-1]
    loop = np.concatenate([line, curve([(h, -d) for h, d in half[::-1]], 5)[:-1]])
    shape.add("base", sweep(outline, np.insert(loop, 0, x, axis=1), radius, closed=True))
    shape.add("base", rod((-x, top - 0.01, 0), (x, top - 0.01, 0), 0.8 * radius))


def _trestle(shape: Assembly, draw: Draw, length: float, depth: float, top: float) -> None:
    x, spread, half = 0.38 * length, draw.real("spread", 0.38, 0.5) * depth, draw.real("beam", 0.02, 0.03)
    for side in (-1.0, 1.0):
        ends = [(x, 0, side * spread), (x, top + 0.01, -side * 0.7 * spread)]
        shape.add("base", stack(rectangle(2, 2, 0.2, 1), ends, [half, half]))
    shape.add("base", box((1.7 * half, 0.035, 1.7 * spread), (x, top - 0.005, 0)))
    level = 0.59 * top
    shape.add("base", box((2 * x, 0.05, 0.03), (0, level, 0), 0.004))


_BASES = {"legs": _legs, "iron": _iron, "blocks": _blocks, "sled": _sled, "trestle": _trestle}


def _add_back(shape: Assembly, draw: Draw, kind: str, length: float, depth: float, height: float, thick: float) -> None:
    tall, lean, z = draw.real("back_height", 0.34, 0.5), draw.real("back_lean", 5, 16), 0.5 * depth - 0.03
    parts = [box((0.04, tall + 0.7 * thick, 0.03), (0.42 * length, 0.5 * tall - 0.35 * thick, 0), 0.006)]
    if kind == "planks":
        count = draw.whole("back_planks", 2, 4)
        pitch = 0.8 * tall / count
        parts += [
            box((length, 0.8 * pitch, 0.022), (0, 0.2 * tall + (k + 0.5) * pitch, -0.014), 0.006) for k in range(count)
        ]
    elif kind == "panel":
        parts.append(box((length, 0.72 * tall, 0.05), (0, 0.64 * tall, -0.01), 0.02))
    else:
        parts += [box((length, 0.06, 0.03), (0, tall - 0.03, 0), 0.006), box((length, 0.04, 0.025), (0, 0.1, 0), 0.006)]
        xs = np.linspace(-0.38, 0.38, draw.whole("back_slats", 6, 15)) * length
        parts += [box((0.03, tall - 0.12, 0.014), (x, 0.5 * tall + 0.01, 0)) for x in xs if x > -1e-9]
    shape.add("back", *(part.moved(0, height, z).turned("x", lean, (0, height, z)) for part in parts))
    shape.add("back", box((0.05, 0.03, 0.1), (0.42 * length, height - thick - 0.004, z - 0.03)))


def _add_arms(
    shape: Assembly, draw: Draw, length: float, depth: float, height: float, thick: float, back: bool
) -> None:
    rise, x = draw.real("arm_height", 0.18, 0.25), 0.42 * length if back else 0.46 * length
    front, rear, seat = -0.4 * depth, 0.5 * depth, height - 0.6 * thick
    if draw.chance("curved_arms", 0.5):
        end = (seat, rear - 0.05) if not back else (seat + rise, rear + 0.02)
        line = curve(
            [
                (seat, front),
                (seat + 0.6 * rise, front - 0.03),
                (seat + rise, front + 0.06),
                (seat + rise, 0.3 * rear),
                end,
            ],
            6,
        )
        shape.add("arms", tube(np.insert(line, 0, x, axis=1), 0.016))
    else:
        shape.add("arms", box((0.06, 0.03, rear - front + 0.06), (x, seat + rise, 0.5 * (front + rear)), 0.01))
        shape.add("arms", box((0.035, rise, 0.035), (x, seat + 0.5 * rise, front + 0.03), 0.006))
        if not back:
            shape.add("arms", box((0.035, rise, 0.035), (x, seat + 0.5 * rise, rear - 0.05), 0.006))
