"""Aeroplanes: airliners, propeller planes, business jets and fighters. The nose points to -z, the wings along x."""

from __future__ import annotations

import numpy as np

from shapesys.geometry.mesh import Floats
from shapesys.sources.procedural.assembly import Assembly
from shapesys.sources.procedural.draw import Draw
from shapesys.sources.procedural.solids import (
    Solid,
    Vec,
    airfoil,
    ball,
    circle,
    curve,
    lathe,
    rectangle,
    rod,
    stack,
    superellipse,
)

PARTS = ("fuselage", "wing", "tail", "engine", "gear")


def build(draw: Draw) -> Assembly:
    """An aeroplane about one unit long, its fuselage around the z axis."""
    shape = Assembly(PARTS)
    kind = draw.pick("kind", ("airliner", "airliner", "propeller", "business", "fighter"))
    radius = draw.real("fuselage_radius", *_RADIUS[kind])
    _add_fuselage(shape, draw, kind, radius)
    wing = _add_wing(shape, draw, kind, radius)
    _add_tail(shape, draw, kind, radius)
    _add_engines(shape, draw, kind, radius, wing)
    if draw.chance("gear", 0.3):
        _add_gear(shape, draw, kind, radius)
    return shape


_RADIUS = {
    "airliner": (0.047, 0.066),
    "propeller": (0.055, 0.075),
    "business": (0.044, 0.058),
    "fighter": (0.04, 0.055),
}


def _add_fuselage(shape: Assembly, draw: Draw, kind: str, radius: float) -> None:
    """Rings along z: (place along the length, size, height of the middle), both in fuselage radii."""
    stations = {
        "airliner": [
            (0.0, 0.03, -0.3),
            (0.02, 0.4, -0.22),
            (0.06, 0.75, -0.1),
            (0.13, 1.0, 0.0),
            (0.4, 1.0, 0.0),
            (0.66, 1.0, 0.0),
            (0.85, 0.62, 0.3),
            (0.97, 0.25, 0.55),
            (1.0, 0.08, 0.6),
        ],
        "business": [
            (0.0, 0.03, -0.35),
            (0.04, 0.4, -0.25),
            (0.12, 0.8, -0.05),
            (0.2, 1.0, 0.0),
            (0.55, 1.0, 0.0),
            (0.8, 0.68, 0.15),
            (0.95, 0.3, 0.3),
            (1.0, 0.1, 0.35),
        ],
        "propeller": [
            (0.0, 0.45, -0.1),
            (0.03, 0.68, -0.1),
            (0.2, 0.85, -0.05),
            (0.36, 1.0, 0.0),
            (0.55, 0.92, 0.05),
            (0.8, 0.45, 0.2),
            (0.96, 0.2, 0.3),
            (1.0, 0.1, 0.3),
        ],
        "fighter": [
            (0.0, 0.03, -0.1),
            (0.08, 0.35, -0.05),
            (0.22, 0.75, 0.0),
            (0.4, 1.0, 0.0),
            (0.7, 1.05, 0.0),
            (0.92, 0.85, 0.0),
            (1.0, 0.68, 0.0),
        ],
    }[kind]
    line = curve(stations, 6)
    line[:, 1] = np.maximum(line[:, 1], 0.02)
    power = draw.real("section_power", 2.0, 2.8 if kind in ("fighter", "propeller") else 2.1)
    tall = draw.real("section_height", 0.95, 1.2 if kind == "propeller" else 1.08)
    outline = superellipse(2, 2 * tall, power, 36)
    shape.add(
        "fuselage",
        stack(outline, [(0, h * radius, z - 0.5) for z, _, h in line], [s * radius for _, s, _ in line], "z"),
    )
    if kind in ("fighter", "propeller"):
        at, long = (-0.2, 0.24) if kind == "fighter" else (draw.real("canopy", -0.16, -0.06), 0.3)
        high = draw.real("canopy_height", 0.55, 0.9) * radius
        shape.add(
            "fuselage",
            ball(1.0, segments=28).stretched(0.62 * radius, high, long / 2).moved(0, 0.72 * radius * tall, at),
        )


def _surface(stations: list[tuple[Vec, float]], thickness: float, upright: bool = False) -> Solid:
    """A wing through ((x, y, z) of the leading edge, chord) stations; standing up like a fin where `upright`."""
    outline = airfoil(thickness)
    if upright:
        return stack(outline[:, ::-1], [edge for edge, _ in stations], [chord for _, chord in stations], "y")
    return stack(outline, [edge for edge, _ in stations], [chord for _, chord in stations], "x")


def _add_wing(shape: Assembly, draw: Draw, kind: str, radius: float) -> dict[str, float]:
    """Adds the wing and tells where it is: root leading edge, chord, sweep per span, dihedral, height."""
    place = {
        "airliner": ("low",),
        "business": ("low",),
        "fighter": ("middle", "middle", "high"),
        "propeller": ("low", "high", "high", "bi"),
    }
    height = draw.pick("wing_height", place[kind])
    form = draw.pick(
        "wing_form",
        {
            "airliner": ("swept",),
            "business": ("swept", "straight"),
            "fighter": ("delta", "swept", "trapezoid"),
            "propeller": ("straight", "straight", "elliptic"),
        }[kind],
    )
    span = draw.real(
        "half_span",
        *{"airliner": (0.43, 0.56), "business": (0.4, 0.5), "fighter": (0.28, 0.38), "propeller": (0.5, 0.68)}[kind],
    )
    chord = draw.real(
        "root_chord", *{"delta": (0.42, 0.55), "swept": (0.18, 0.24), "trapezoid": (0.26, 0.34)}.get(form, (0.14, 0.19))
    )
    taper = {
        "delta": 0.08,
        "swept": draw.real("taper", 0.22, 0.38),
        "trapezoid": 0.3,
        "straight": draw.real("taper_straight", 0.6, 1.0),
        "elliptic": 0.2,
    }[form]
    sweep = np.tan(
        np.deg2rad(draw.real("sweep", *{"delta": (45, 58), "swept": (26, 38), "trapezoid": (28, 40)}.get(form, (0, 5))))
    )
    rise = np.tan(np.deg2rad(draw.real("dihedral", *{"fighter": (-4, 2), "propeller": (1, 6)}.get(kind, (3, 7)))))
    level = {"low": -0.55, "middle": -0.05, "high": 0.75, "bi": -0.6}[height] * radius
    front = {"fighter": -0.08, "propeller": -0.22}.get(kind, -0.13) + draw.real("wing_shift", -0.03, 0.03)
    if form == "delta":
        front -= 0.06
    share = np.linspace(0, 1, 11 if form == "elliptic" else 2)
    chords = chord * (np.sqrt(1 - (0.98 * share) ** 2) if form == "elliptic" else 1 + (taper - 1) * share)
    lead = front + (0.35 * (chord - chords) if form == "elliptic" else sweep * span * share)
    stations: list[tuple[Vec, float]] = [
        ((span * t, level + rise * span * t, z), c) for t, z, c in zip(share, lead, chords, strict=True)
    ]
    thickness = 0.06 if kind == "fighter" else draw.real("wing_thickness", 0.1, 0.14)
    if form == "swept" and kind == "airliner":
        stations.insert(1, ((0.32 * span, level + 0.32 * rise * span, front + 0.32 * sweep * span), chord * 0.66))
        stations[0] = (stations[0][0], chord * 1.15)
    first = stations[0]
    across: list[tuple[Vec, float]] = [((-0.6 * radius, first[0][1], first[0][2]), first[1]), *stations]
    shape.add("wing", _surface(across, thickness))
    _add_wing_tip(shape, draw, kind, stations[-1], radius)
    if height in ("high", "bi") and kind == "propeller":
        _add_struts(shape, draw, height == "bi", radius, across, span, level, rise, front, chord, thickness)
    return {"span": span, "level": level, "rise": rise, "front": front, "sweep": sweep, "chord": chord, "taper": taper}


def _add_wing_tip(shape: Assembly, draw: Draw, kind: str, tip: tuple[Vec, float], radius: float) -> None:
    (x, y, z), chord = tip
    if kind in ("airliner", "business") and draw.chance("winglets", 0.6):
        tall, out = draw.real("winglet", 0.05, 0.085), draw.real("winglet_cant", 0.05, 0.5)
        outline = airfoil(0.1)[:, ::-1]
        centres = [(x - 0.006, y - 0.004, z + 0.004), (x + out * tall, y + tall, z + 0.05)]
        shape.add("wing", stack(outline, centres, [0.94 * chord, 0.4 * chord], "y"))
    elif kind == "fighter" and draw.chance("missiles", 0.6):
        body = lathe([(0.0, -0.09), (0.008, -0.07), (0.01, -0.04), (0.01, 0.09), (0.0, 0.09)], 14).turned("x", 90)
        shape.add("wing", body.moved(x, y, z + 0.5 * chord))


def _add_struts(
    shape: Assembly, draw: Draw, double: bool, radius: float, stations: list[tuple[Vec, float]],
    span: float, level: float, rise: float, front: float, chord: float, thickness: float,
) -> None:  # fmt: skip
    x, z = 0.55 * span, front + 0.35 * chord
    if not double:
        foot, head = (0.7 * radius, -0.75 * radius, z), (x, level + rise * x, z)
        shape.add("wing", rod(foot, head, 0.007))
        return
    lift = draw.real("gap", 2.4, 3.2) * radius
    upper: list[tuple[Vec, float]] = [((a, b + lift, c - 0.02), size) for (a, b, c), size in stations]
    shape.add("wing", _surface(upper, thickness))
    for along in (0.15, 0.6):
        for out in (0.3 * x, 1.1 * x):
            foot = (out, level + rise * out, front + along * chord)
            shape.add("wing", rod(foot, (out, foot[1] + lift, foot[2] - 0.02), 0.005))


def _add_tail(shape: Assembly, draw: Draw, kind: str, radius: float) -> None:
    layout = draw.pick(
        "tail",
        {
            "airliner": ("low", "low", "t"),
            "business": ("t", "t", "cross"),
            "fighter": ("low", "twin"),
            "propeller": ("low", "low", "t", "v"),
        }[kind],
    )
    tall, chord = draw.real("fin_height", 0.13, 0.18), draw.real("fin_chord", 0.12, 0.17)
    lean = draw.real("fin_sweep", 0.2, 0.5) if kind == "propeller" else draw.real("fin_sweep", 0.6, 0.9)
    rear, root = 0.485 - chord, 0.3 * radius
    span, small = draw.real("tail_span", 0.15, 0.21), 0.66 * chord
    if layout in ("twin", "v"):
        cant = 14 if layout == "twin" else 48
        fin = _surface([((0, 0, rear), chord), ((0, tall, rear + lean * tall), 0.4 * chord)], 0.08, upright=True)
        x = 0.6 * radius if layout == "twin" else 0.0
        shape.add("tail", fin.turned("z", -cant).moved(x, root if layout == "twin" else 0.5 * root))
        if layout == "v":
            shape.add("tail", ball(0.2 * radius, (0, 0.4 * radius, 0.4), 12))
            return
    else:
        upright: list[tuple[Vec, float]] = [((0, 0, rear), chord), ((0, root + tall, rear + lean * tall), 0.45 * chord)]
        shape.add("tail", _surface(upright, 0.09, upright=True))
    share = {"t": 0.97, "cross": 0.45}.get(layout, 0.0)
    level = root + share * tall if share else 0.25 * radius
    front = rear + lean * tall * share + (0.0 if share else 0.02)
    back = 0.55 * lean * span
    shape.add(
        "tail",
        _surface(
            [((-0.3 * radius, level, front), small), ((span, level + 0.08 * span, front + back), 0.45 * small)], 0.09
        ),
    )


def _nacelle(size: float, long: float, hollow: bool = True) -> list[tuple[str, Solid]]:
    """An engine pod around z from its intake at 0, as (what to do, solid)."""
    skin = curve([(0.86, 0.0), (1.0, 0.12), (0.98, 0.45), (0.7, 0.85), (0.5, 1.0)], 5) * (size, long)
    pod = lathe([(0.0, 0.0), *skin, (0.0, 1.12 * long)], 28).turned("x", 90)
    hole = lathe(
        [
            (0.0, -0.1 * long),
            (0.8 * size, -0.1 * long),
            (0.74 * size, 0.14 * long),
            (0.22 * size, 0.14 * long),
            (0.0, 0.0),
        ],
        24,
    )
    return [("add", pod), ("cut", hole.turned("x", 90))] if hollow else [("add", pod)]


def _mount(shape: Assembly, solids: list[tuple[str, Solid]], x: float, y: float, z: float) -> None:
    for what, solid in solids:
        (shape.add if what == "add" else shape.cut)("engine", solid.moved(x, y, z))


def _add_engines(shape: Assembly, draw: Draw, kind: str, radius: float, wing: dict[str, float]) -> None:
    if kind == "fighter":
        _jet_exhaust(shape, draw, radius)
    elif kind == "propeller":
        _propellers(shape, draw, radius, wing)
    elif kind == "business" or draw.design["tail"] == "t":
        size, long = draw.real("engine_radius", 0.024, 0.032), draw.real("engine_length", 0.13, 0.17)
        x, y, z = radius + 0.75 * size, 0.55 * radius, 0.2
        shape.add("engine", _pylon(x, y, z + 0.25 * long, 0.4 * long))
        _mount(shape, _nacelle(size, long), x, y, z)
    else:
        size, long = draw.real("engine_radius", 0.026, 0.036), draw.real("engine_length", 0.12, 0.16)
        four = draw.chance("four_engines", 0.35)
        for share in (0.33, 0.62) if four else (0.34,):
            x = share * wing["span"]
            y, z = wing["level"] + wing["rise"] * x, wing["front"] + wing["sweep"] * x
            small = 0.85 if four else 1.0
            drop = 1.25 * size * small
            pylon = _surface([((0, -drop, -0.3 * long), 0.8 * long), ((0, 0.004, 0.0), 0.7 * long)], 0.1, upright=True)
            shape.add("engine", pylon.moved(x, y, z + 0.01))
            _mount(shape, _nacelle(size * small, long * small), x, y - drop, z - 0.62 * long)


def _pylon(x: float, y: float, z: float, chord: float) -> Solid:
    return _surface([((0.0, y, z), chord), ((x, y, z), chord)], 0.12)


def _jet_exhaust(shape: Assembly, draw: Draw, radius: float) -> None:
    twin = draw.chance("twin_jets", 0.5)
    size = (0.52 if twin else 0.66) * radius
    x = 0.5 * radius if twin else 0.0
    pipe = lathe([(0, 0.0), (1.05 * size, 0.0), (size, 0.1), (0.8 * size, 0.14), (0, 0.14)], 28).turned("x", 90)
    shape.add("engine", pipe.moved(x, 0, 0.42))
    bore = rod((0, 0, 0.09), (0, 0, 0.2), 0.62 * size, 0.74 * size, 24)
    shape.cut("engine", bore.moved(x, 0, 0.42))
    intake = draw.pick("intake", ("side", "belly"))
    if intake == "side":
        duct = stack(
            rectangle(0.9 * radius, 1.2 * radius, 0.3 * radius),
            [(0.95 * radius, -0.1 * radius, z) for z in (-0.1, 0.12, 0.34)],
            [1, 0.95, 0.4],
            "z",
        )
        mouth = stack(
            rectangle(0.66 * radius, 0.96 * radius, 0.25 * radius),
            [(1.0 * radius, -0.1 * radius, z) for z in (-0.2, -0.05)],
            [1, 0.8],
            "z",
        )
    else:
        duct = stack(
            rectangle(1.3 * radius, 0.8 * radius, 0.3 * radius),
            [(0, -1.0 * radius, z) for z in (-0.12, 0.12, 0.34)],
            [1, 0.95, 0.4],
            "z",
        )
        mouth = stack(
            rectangle(1.06 * radius, 0.56 * radius, 0.2 * radius),
            [(0, -1.05 * radius, z) for z in (-0.2, -0.07)],
            [1, 0.8],
            "z",
        )
    shape.add("engine", duct)
    shape.cut("engine", mouth)


def _propellers(shape: Assembly, draw: Draw, radius: float, wing: dict[str, float]) -> None:
    blades = draw.whole("blades", 2, 4)
    twin = draw.design["wing_height"] != "bi" and draw.chance("twin_propellers", 0.4)
    reach = draw.real("blade", 0.1, 0.13)
    if twin:
        x = 0.32 * wing["span"]
        y, z = wing["level"] + wing["rise"] * x, wing["front"]
        _mount(shape, _nacelle(0.62 * radius, 0.2, hollow=False), x, y, z - 0.08)
        _propeller(shape, blades, reach, 0.3 * radius, x, y, z - 0.08)
        shape.add(
            "fuselage", ball(1.0, segments=24).stretched(0.6 * radius, 0.6 * radius, 0.1).moved(0, -0.1 * radius, -0.5)
        )
    else:
        _propeller(shape, blades, reach, 0.36 * radius, 0.0, -0.1 * radius, -0.5)


def _propeller(shape: Assembly, blades: int, reach: float, hub: float, x: float, y: float, z: float) -> None:
    spinner = lathe(curve([(0.0, 0.0), (0.7, 0.35), (1.0, 0.9), (1.0, 1.3)], 4) * (hub, 0.04), 20).turned("x", 90)
    shape.add("engine", spinner.moved(x, y, z - 0.04))
    outline = circle(1.0, 12, 0.28)
    share = np.linspace(0, 1, 7)
    width: Floats = 0.013 * np.interp(share, [0, 0.3, 0.8, 1], [0.5, 1.0, 0.9, 0.35])
    blade = stack(outline, [(0, reach * t, 0) for t in share], list(width)).turned("y", 25)
    # One blade up, so that a single propeller is its own mirror image but for the pitch, which both halves share.
    for k in range(blades):
        shape.add("engine", blade.turned("z", k * 360 / blades).moved(x, y, z - 0.012))


def _add_gear(shape: Assembly, draw: Draw, kind: str, radius: float) -> None:
    drop, tyre = draw.real("gear_drop", 1.1, 1.5) * radius, 0.3 * radius
    x, z = (1.0 if kind == "propeller" else 0.8) * radius, -0.02 if kind != "propeller" else -0.12
    low = -radius - drop + tyre
    wheel = rod((-0.35 * tyre, 0, 0), (0.35 * tyre, 0, 0), tyre, segments=20)
    shape.add("gear", rod((0.4 * radius, -0.4 * radius, z), (x, low, z), 0.1 * radius), wheel.moved(x, low, z))
    nose = -0.36 if kind != "propeller" else -0.4
    shape.add("gear", rod((0, -0.3 * radius, nose), (0, low, nose), 0.09 * radius), wheel.moved(0, low, nose))
