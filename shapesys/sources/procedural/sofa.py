"""Sofas and armchairs: one to four seats, six arms, four backs, on legs, a plinth or a sled. The sitter looks to -z."""

from __future__ import annotations

import numpy as np

from shapesys.geometry.mesh import Floats
from shapesys.sources.procedural.assembly import Assembly
from shapesys.sources.procedural.draw import Draw
from shapesys.sources.procedural.solids import Solid, box, circle, curve, rectangle, rod, stack, superellipse, tube

PARTS = ("seat", "back", "arms", "base")


def build(draw: Draw) -> Assembly:
    """A sofa in metres along x, standing on y = 0."""
    shape = Assembly(PARTS)
    seats = draw.whole("seats", 1, 4)
    inner = seats * draw.real("seat_width", 0.52, 0.66)
    depth, height = draw.real("depth", 0.78, 0.98), draw.real("seat_height", 0.38, 0.46)
    arm = draw.real("arm_width", 0.09, 0.22)
    foot = _add_base(shape, draw, inner, depth, arm)
    thick = draw.real("cushion", 0.12, 0.18)
    shape.add(
        "seat", box((inner + 0.04, height - thick - foot + 0.01, depth), (0, 0.5 * (foot + height - thick), 0), 0.03)
    )
    _add_seat(shape, draw, seats, inner, depth, height, thick)
    tall = draw.real("back_height", 0.36, 0.52)
    _add_back(shape, draw, seats, inner, depth, height, tall, foot)
    _add_arms(shape, draw, inner, depth, height, tall, arm, foot)
    return shape


def _add_base(shape: Assembly, draw: Draw, inner: float, depth: float, arm: float) -> float:
    """Adds what the sofa stands on and returns its height."""
    kind = draw.pick("base", ("tapered", "block", "plinth", "sled", "turned"))
    tall = draw.real("foot_height", 0.08, 0.18)
    x, z = 0.5 * inner - 0.08, 0.5 * depth - 0.1
    if kind == "plinth":
        tall *= 0.5
        shape.add("base", box((inner - 0.06, tall + 0.01, depth - 0.1), (0, 0.5 * tall + 0.005, 0)))
        return tall
    for side in (-1.0, 1.0):
        for at in (x, 0.0) if inner > 1.7 else (x,):
            place = {"tapered": (0.03 if at else 0.0, 0.03), "block": (0.0, 0.0)}.get(kind, (0.0, 0.0))
            if kind == "sled":
                line = curve([(tall + 0.02, -z), (0.06, -z), (0.016, -z + 0.06), (0.016, 0.0)], 4)
                path = np.insert(np.concatenate([line, line[-2::-1] * (1, -1)]), 0, at, axis=1)
                shape.add("base", *([tube(path, 0.016)] if side > 0 else []))
                continue
            outline = rectangle(2, 2, 0.1, 1) if kind == "block" else circle(1.0, 18)
            share, size = {"tapered": ([0, 1], [0.016, 0.032]), "block": ([0, 1], [0.035, 0.035])}.get(
                kind, ([0, 0.2, 0.45, 0.7, 1], [0.02, 0.036, 0.026, 0.045, 0.03])
            )
            centres = [(at + place[0] * (1 - t), t * (tall + 0.02), side * (z + place[1] * (1 - t))) for t in share]
            shape.add("base", stack(outline, centres, size))
    return tall


def _pillow(wide: float, tall: float, deep: float, puff: float) -> Solid:
    """A cushion, thickest in its middle, lying in the x, z plane."""
    share = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 9))
    scale = (1 - np.abs(share) ** 3.0) ** (1 / 3.0)
    outline = superellipse(wide, deep, 7.0, 40)
    solid = stack(outline, [(0, 0.5 * tall * s, 0) for s in share], list(1 - 0.12 * (1 - np.maximum(scale, 0.01))))
    middle = np.prod(
        [1 - np.minimum(1, np.abs(solid.vertices[:, k]) / (0.5 * size)) ** 2 for k, size in ((0, wide), (2, deep))],
        axis=0,
    )
    lift = puff * middle * np.sign(solid.vertices[:, 1])
    return Solid(solid.vertices + np.stack([0 * lift, lift, 0 * lift], axis=1), solid.faces)


def _add_seat(shape: Assembly, draw: Draw, seats: int, inner: float, depth: float, height: float, thick: float) -> None:
    count = 1 if draw.chance("one_cushion", 0.25) else seats
    pitch, front = inner / count, draw.real("overhang", 0.0, 0.04)
    puff = draw.real("puff", 0.0, 0.03)
    for x in (np.arange(count) - 0.5 * (count - 1)) * pitch:
        if x > -1e-9:
            cushion = _pillow(pitch * 0.985 + 0.012 * (count == 1), thick, depth - 0.16, puff)
            shape.add("seat", cushion.moved(x, height - 0.5 * thick, -0.08 - front))


def _add_back(
    shape: Assembly, draw: Draw, seats: int, inner: float, depth: float, height: float, tall: float, foot: float
) -> None:
    kind, lean = (
        draw.pick("back", ("cushions", "cushions", "solid", "camel", "channels")),
        draw.real("back_lean", 6, 16),
    )
    z, bottom = 0.5 * depth - 0.08, foot + 0.03 - height
    frame = box((inner + 0.04, tall - bottom - 0.03, 0.12), (0, 0.5 * (tall - 0.03 + bottom), 0), 0.04)
    parts = [frame]
    if kind == "cushions":
        count = 1 if seats == 1 else draw.whole("back_cushions", 2, seats)
        pitch = inner / count
        deep, puff = draw.real("back_cushion", 0.14, 0.2), draw.real("back_puff", 0.01, 0.04)
        for x in (np.arange(count) - 0.5 * (count - 1)) * pitch:
            if x > -1e-9:
                cushion = _pillow(0.97 * pitch, deep, tall, puff).turned("x", 90)
                parts.append(cushion.moved(x, 0.5 * tall, -0.12))
    elif kind == "camel":
        xs: Floats = np.linspace(-0.5, 0.5, 25)
        top: Floats = tall + draw.real("hump", 0.05, 0.14) * np.cos(np.pi * xs) ** 2
        wide = inner + 0.02
        parts.append(
            stack(
                rectangle(2, 2, 0.5, 4),
                [(wide * s, 0.5 * (t + bottom), -0.05) for s, t in zip(xs, top, strict=True)],
                [(0.1, 0.5 * (t - bottom)) for t in top],
                "x",
            )
        )
    elif kind == "channels":
        count = max(3, int(inner / draw.real("channel", 0.12, 0.2)))
        pitch = inner / count
        middles: Floats = (np.arange(count) - 0.5 * (count - 1)) * pitch
        parts += [
            stack(
                superellipse(1.06 * pitch, 0.2, 2.6, 24),
                [(x, y, -0.06) for y in (bottom, 0.97 * tall, tall + 0.02)],
                [1, 1, 0.8],
            )
            for x in middles
            if x > -1e-9
        ]
    else:
        parts.append(box((inner, tall, 0.2), (0, 0.5 * tall, -0.06), 0.07))
    shape.add("back", *(part.moved(0, height, z).turned("x", lean, (0, height, z)) for part in parts))


def _add_arms(
    shape: Assembly, draw: Draw, inner: float, depth: float, height: float, tall: float, arm: float, foot: float
) -> None:
    kind = draw.pick("arms", ("box", "rolled", "slope", "round", "frame", "none"))
    rise, x = draw.real("arm_rise", 0.14, 0.28), 0.5 * inner + 0.5 * arm
    top, deep = height + rise, depth + 0.02
    if kind == "box":
        shape.add("arms", box((arm, top - foot, deep), (x, 0.5 * (top + foot), 0), min(0.05, 0.3 * arm)))
    elif kind == "rolled":
        radius = max(0.5 * arm, 0.075)
        roll = rod((x + 0.02, top - radius, -0.5 * deep), (x + 0.02, top - radius, 0.5 * deep), radius, segments=32)
        shape.add(
            "arms",
            roll,
            box((arm * 0.8, top - radius - foot, deep - 0.03), (x - 0.1 * arm, 0.5 * (top - radius + foot), 0), 0.02),
        )
    elif kind in ("slope", "round"):
        zs = np.linspace(-0.5, 0.5, 17) * deep
        drop = (1 - (zs / deep + 0.5)) * (0.6 if kind == "slope" else 0.0)
        end = np.maximum(1 - np.abs(2 * zs / deep) ** 8, 0.0) ** (1 / 8) if kind == "round" else np.ones(len(zs))
        tops = np.maximum(
            (foot + (top + 0.3 * tall * (kind == "slope") - foot) * np.maximum(end, 0.55)) - drop * rise, height - 0.1
        )
        rings = [(x, 0.5 * (t + foot), z) for t, z in zip(tops, zs, strict=True)]
        shape.add("arms", stack(rectangle(2, 2, 0.35, 5), rings, [(0.5 * arm, 0.5 * (t - foot)) for t in tops], "z"))
    elif kind == "frame":
        at, bar = 0.5 * inner + 0.045, rectangle(0.05, 0.045, 0.012, 2)
        ends = (-0.42 * depth, 0.44 * depth)
        shape.add("arms", *(stack(bar, [(at, foot + 0.01, z), (at, top - 0.01, z)], [1, 1]) for z in ends))
        shape.add("arms", box((0.07, 0.035, depth), (at, top, 0), 0.014))
        shape.add(
            "arms",
            *(
                rod((at - 0.1, 0.5 * (foot + height) - 0.05, z), (at, 0.5 * (foot + height) - 0.05, z), 0.018)
                for z in ends
            ),
        )
