"""Tables: a top of five outlines on one of seven bases, with apron, shelf or drawers."""

from __future__ import annotations

import numpy as np

from shapesys.geometry.mesh import Floats
from shapesys.sources.procedural.assembly import Assembly
from shapesys.sources.procedural.draw import Draw
from shapesys.sources.procedural.solids import (
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

PARTS = ("top", "base", "frame", "storage")


def build(draw: Draw) -> Assembly:
    """A table standing on y = 0, its long side along x."""
    shape = Assembly(PARTS)
    use = draw.pick("use", ("dining", "dining", "coffee", "side", "bar"))
    low, high = {"dining": (0.70, 0.78), "coffee": (0.36, 0.48), "side": (0.5, 0.65), "bar": (0.95, 1.1)}[use]
    height = draw.real("height", low, high)
    depth = draw.real(
        "depth", *{"dining": (0.7, 1.0), "coffee": (0.5, 0.8), "side": (0.4, 0.55), "bar": (0.5, 0.7)}[use]
    )
    width = depth * draw.real("aspect", 1.0, 1.3 if use in ("side", "bar") else 2.1)
    thick = draw.real("thickness", 0.02, 0.06)
    outline = _top_outline(draw, width, depth)
    shape.add("top", slab(outline, height - thick, height, draw.real("bevel", 0.003, 0.02)))
    round_top = draw.design["top"] in ("round", "oval")
    base = draw.pick("base", ("legs", "legs", "pedestal", "hairpin", "tripod") if round_top else _SQUARE_BASES)
    inset = {"round": 0.66, "oval": 0.66, "octagon": 0.72, "rounded": 0.8, "rectangle": 0.9}[str(draw.design["top"])]
    x, z = inset * np.abs(outline).max(axis=0)
    _BASES[base](shape, draw, float(x), float(z), height - thick)
    return shape


def _top_outline(draw: Draw, width: float, depth: float) -> Floats:
    kind = draw.pick("top", ("rectangle", "rectangle", "rounded", "oval", "round", "octagon"))
    if kind == "round":
        return circle(depth / 2 * 1.1, 56)
    if kind == "octagon":
        return rectangle(width, depth, 0.25 * depth, 1)
    if kind == "oval":
        return superellipse(width, depth, draw.real("oval_power", 2.0, 3.2), 56)
    return rectangle(width, depth, 0.02 if kind == "rectangle" else 0.22 * depth, 6)


def _legs(shape: Assembly, draw: Draw, x: float, z: float, top: float) -> None:
    half = draw.real("leg_size", 0.02, 0.04)
    foot, splay = draw.real("leg_taper", 0.45, 1.0), draw.real("leg_splay", 0.0, 0.12) * top
    kind = draw.pick("legs", ("square", "round", "turned", "cabriole"))
    share = np.linspace(0, 1, 29 if kind in ("turned", "cabriole") else 2)
    sizes, push = half * (foot + (1 - foot) * share), splay * (1 - share)
    if kind == "turned":
        sizes = sizes * (1 + 0.4 * np.sin(share * 8 * np.pi) * (share > 0.125) * (share < 0.875))
    if kind == "cabriole":
        sizes = half * np.interp(share, [0, 0.04, 0.12, 0.6, 1], [1.0, 1.1, 0.55, 0.8, 1.4])
        push = 0.06 * top / 0.5 * np.sin(2 * np.pi * share * 0.95) * -0.5
    outline = rectangle(2, 2, 0.25, 2) if kind == "square" else circle(1.0, 16)
    x, z = x - half, z - half
    for side in (-1.0, 1.0):
        centres = [(x + p, t * (top + 0.01), side * (z + p)) for t, p in zip(share, push, strict=True)]
        shape.add("base", stack(outline, centres, list(sizes)))
    if draw.chance("apron", 0.6):
        _apron(shape, draw, x, z, top)
    extra = draw.pick("lower", ("none", "none", "shelf", "stretchers"))
    y = 0.22 * top
    reach = float(np.interp(0.22, share, push))
    if extra == "shelf":
        shape.add("frame", box((2 * (x + reach) + 0.01, 0.022, 2 * (z + reach) + 0.01), (0, y, 0), 0.006))
    elif extra == "stretchers":
        a, b = x + reach, z + reach
        shape.add("frame", rod((a, y, -b), (a, y, b), 0.5 * half), rod((-a, y, 0), (a, y, 0), 0.5 * half))


def _apron(shape: Assembly, draw: Draw, x: float, z: float, top: float) -> None:
    tall = draw.real("apron_height", 0.06, 0.13) * min(1.0, top / 0.6)
    y = top - tall / 2 + 0.005
    for side in (-1.0, 1.0):
        shape.add("frame", box((2 * x, tall, 0.022), (0, y, side * z)))
    shape.add("frame", box((0.022, tall, 2 * z), (x, y, 0)))
    drawers = draw.whole("drawers", 0, 3)
    span = 1.8 * x / max(drawers, 1)
    for middle in (np.arange(drawers) - 0.5 * (drawers - 1)) * span:
        shape.add("storage", box((0.9 * span, 0.74 * tall, 0.02), (middle, y, -z - 0.015), 0.004))
        shape.add("storage", rod((middle, y, -z - 0.02), (middle, y, -z - 0.045), 0.008, 0.014))


def _pedestal(shape: Assembly, draw: Draw, x: float, z: float, top: float) -> None:
    column, foot = draw.real("column", 0.03, 0.06), draw.real("foot", 0.55, 0.85) * z * 1.2
    flare = draw.pick("pedestal", ("tulip", "column", "vase"))
    waist = {
        "tulip": [(0.5 * foot, 0.035), (1.3 * column, 0.12), (0.8 * column, 0.45 * top), (1.4 * column, 0.85 * top)],
        "column": [(foot, 0.03), (column, 0.04), (column, 0.5 * top), (column, 0.9 * top)],
        "vase": [(0.6 * foot, 0.05), (column, 0.14), (2.2 * column, 0.36 * top), (0.9 * column, 0.75 * top)],
    }[flare]
    line = np.array([(foot, 0.014), *waist, (0.35 * z, top)])
    side = line if flare == "column" else curve(line, 6)
    shape.add("base", lathe([(0, 0), (foot, 0), *side, (0.35 * z, top + 0.01), (0, top + 0.01)], 44))


def _tripod(shape: Assembly, draw: Draw, x: float, z: float, top: float) -> None:
    column, feet = draw.real("column", 0.022, 0.038), draw.whole("feet", 3, 5)
    reach = draw.real("reach", 0.75, 1.05) * z
    shape.add(
        "base",
        lathe(
            [
                (0, 0.16 * top),
                (column, 0.16 * top),
                (1.35 * column, 0.3 * top),
                (column, 0.4 * top),
                (column, top - 0.02),
                (0.4 * z, top - 0.01),
                (0.4 * z, top + 0.005),
            ],
            28,
        ),
    )
    line = curve([(0.0, 0.3 * top), (0.4 * reach, 0.22 * top), (0.8 * reach, 0.07 * top), (reach, 0.022)], 5)
    leg = tube(np.insert(line, 2, 0.0, axis=1), list(np.linspace(0.024, 0.016, len(line))), 12)
    shape.add("base", *(leg.turned("y", 90 + k * 360 / feet) for k in range(feet)))


def _hairpin(shape: Assembly, draw: Draw, x: float, z: float, top: float) -> None:
    radius, wide, out = draw.real("wire", 0.006, 0.009), draw.real("hairpin", 0.05, 0.08), draw.real("splay", 0.0, 0.05)
    line = curve(
        [
            (-wide, top + 0.004),
            (-0.4 * wide, 0.3 * top),
            (-0.015, 0.015),
            (0.015, 0.015),
            (0.4 * wide, 0.3 * top),
            (wide, top + 0.004),
        ],
        6,
    )
    path = np.stack([line[:, 0], line[:, 1], out * (1 - line[:, 1] / top)], axis=1)
    pin = tube(path, radius, 10)
    for turn, side in ((45.0, 1.0), (135.0, -1.0)):
        shape.add("base", pin.turned("y", turn).moved(x - 0.06, 0, side * (z - 0.06)))
        shape.add("frame", box((0.13, 0.012, 0.13), (x - 0.06, top, side * (z - 0.06)), 0.004))


def _trestle(shape: Assembly, draw: Draw, x: float, z: float, top: float) -> None:
    half, spread = draw.real("beam", 0.02, 0.035), draw.real("spread", 0.5, 0.95)
    x, cross = 0.85 * x, draw.pick("trestle", ("x", "a", "i"))
    upper = {"x": -spread, "a": 0.12, "i": 0.0}[cross] * z
    for side in (-1.0, 1.0):
        ends = [(x, 0, side * spread * z), (x, top + 0.01, side * upper)]
        if cross == "i":
            ends = [(x, 0, side * 0.2 * z), (x, top + 0.01, side * 0.2 * z)]
        shape.add("base", stack(rectangle(2, 2, 0.2, 1), ends, [half, half]))
    if cross == "i":
        shape.add("base", box((2.4 * half, 0.05, 2 * spread * z), (x, 0.025, 0), 0.01))
    shape.add("frame", box((1.7 * half, 0.04, 1.7 * z), (x, top - 0.01, 0), 0.005))
    level = {"x": 0.5, "a": 0.3, "i": 0.3}[cross] * top
    shape.add("frame", box((2 * x, 0.05, 0.03), (0, level, 0), 0.005))
    if cross in ("i", "a"):
        wide = 0.4 * z if cross == "i" else 2 * z * (0.12 + (spread - 0.12) * 0.7)
        shape.add("frame", box((1.4 * half, 0.05, wide), (x, level, 0), 0.005))


def _panels(shape: Assembly, draw: Draw, x: float, z: float, top: float) -> None:
    thick = draw.real("panel", 0.02, 0.05)
    shape.add("base", box((thick, top + 0.01, 2 * z), (x - thick, (top + 0.01) / 2, 0), 0.004))
    kind = draw.pick("between", ("modesty", "shelf", "drawers"))
    if kind == "modesty":
        shape.add("frame", box((2 * x - thick, 0.6 * top, 0.02), (0, 0.7 * top, 0.6 * z)))
    elif kind == "shelf":
        shape.add("frame", box((2 * x - thick, 0.025, 1.9 * z), (0, draw.real("shelf", 0.2, 0.6) * top, 0)))
    else:
        _drawer_block(shape, draw, x - 0.5 * thick, z, top)


def _drawer_block(shape: Assembly, draw: Draw, x: float, z: float, top: float) -> None:
    """Two columns of drawers under the top, as in a desk."""
    wide, count = draw.real("column_width", 0.5, 0.75) * x, draw.whole("column_drawers", 2, 4)
    tall = 0.85 * top
    middle = x - 0.5 * wide
    shape.add("storage", box((wide, tall, 1.9 * z), (middle, top - 0.5 * tall + 0.005, 0.02 * z)))
    for k in range(count):
        y = top - tall * (k + 0.5) / count
        shape.add("storage", box((0.88 * wide, 0.84 * tall / count, 0.03), (middle, y, -0.94 * z), 0.006))
        shape.add("storage", rod((middle - 0.05, y, -0.97 * z - 0.025), (middle + 0.05, y, -0.97 * z - 0.025), 0.007))
        shape.add(
            "storage",
            *(rod((middle + s, y, -0.9 * z), (middle + s, y, -0.97 * z - 0.025), 0.006) for s in (-0.04, 0.04)),
        )


_SQUARE_BASES = ("legs", "legs", "legs", "trestle", "panels", "hairpin", "pedestal")
_BASES = {
    "legs": _legs,
    "pedestal": _pedestal,
    "tripod": _tripod,
    "hairpin": _hairpin,
    "trestle": _trestle,
    "panels": _panels,
}
