"""Cars: seven bodies from hatchback to pickup. The bonnet points to -z; wheels stand on y = 0."""

from __future__ import annotations

import numpy as np

from shapesys.geometry.mesh import Floats
from shapesys.sources.procedural.assembly import Assembly
from shapesys.sources.procedural.draw import Draw
from shapesys.sources.procedural.solids import Solid, box, curve, lathe, loft, rod, superellipse, tube

PARTS = ("body", "cabin", "wheels", "trim")

_BODIES = {
    # length, height, ground clearance, bonnet height, boot height; cabin along z: foot, roof front, roof rear, foot
    "sedan": (4.6, 1.44, 0.2, 0.84, 0.92, (-0.9, -0.1, 1.0, 1.75)),
    "hatchback": (4.0, 1.5, 0.19, 0.9, 1.02, (-0.95, -0.2, 1.45, 1.93)),
    "wagon": (4.7, 1.48, 0.2, 0.86, 0.98, (-0.9, -0.1, 1.85, 2.28)),
    "coupe": (4.4, 1.3, 0.15, 0.76, 0.86, (-0.6, 0.2, 0.85, 1.9)),
    "suv": (4.6, 1.75, 0.28, 1.08, 1.15, (-0.95, -0.3, 1.75, 2.2)),
    "van": (4.7, 1.95, 0.22, 1.05, 1.15, (-1.75, -0.9, 2.05, 2.3)),
    "pickup": (5.2, 1.78, 0.3, 1.08, 1.08, (-0.9, -0.2, 0.55, 0.85)),
}


def build(draw: Draw) -> Assembly:
    """A car in metres, long along z."""
    shape = Assembly(PARTS)
    kind = draw.pick("kind", tuple(_BODIES))
    length, height, clear, bonnet, boot, foot_to_foot = _BODIES[kind]
    stretch = draw.real("stretch", 0.94, 1.06)
    length, cabin = length * stretch, tuple(z * stretch for z in foot_to_foot)
    height *= draw.real("tall", 0.96, 1.05)
    bonnet, boot = bonnet * draw.real("bonnet", 0.96, 1.04), boot * draw.real("boot", 0.97, 1.05)
    wide = draw.real("half_width", 0.85, 0.96)
    _add_body(shape, draw, length, clear, bonnet, boot, wide, kind)
    _add_cabin(shape, draw, cabin, min(bonnet, boot) - 0.1, height, wide, kind)
    if kind == "pickup":
        bed = box(
            (2 * wide - 0.3, 0.6, length / 2 - cabin[3] - 0.3),
            (0, boot + 0.02 - 0.42 + 0.3, (length / 2 + cabin[3]) / 2),
            0.05,
        )
        shape.cut("body", bed)
    _add_wheels(shape, draw, length, wide, kind, bonnet)
    _add_trim(shape, draw, length, height, clear, bonnet, boot, wide, cabin, kind)
    return shape


def _add_body(
    shape: Assembly, draw: Draw, length: float, clear: float, bonnet: float, boot: float, wide: float, kind: str
) -> None:
    """The lower body: sections across, from bumper to bumper, as high as the bonnet, the belt and the boot."""
    nose = draw.real("nose_drop", 0.84, 0.95)
    half, belt = length / 2, 0.5 * (bonnet + boot) + 0.02
    blunt = draw.real("blunt", 0.86, 0.95)
    # place along the length, roof of the section, floor of the section, share of the width
    stations = [
        (-1.0, 0.68 * nose * bonnet, clear + 0.16, 0.84 * blunt),
        (-0.985, 0.83 * nose * bonnet, clear + 0.07, 0.93 * blunt),
        (-0.94, 0.95 * nose * bonnet, clear, blunt + 0.03),
        (-0.88, 0.98 * nose * bonnet, clear, blunt + 0.05),
        (-0.75, 0.5 * (1 + nose) * bonnet, clear, 1.0),
        (-0.4, bonnet, clear, 1.0),
        (0.1, belt, clear, 1.0),
        (0.55, boot, clear, 1.0),
        (0.85, boot, clear, 0.99),
        (0.95, 0.985 * boot, clear + 0.02, 0.95),
        (0.985, 0.92 * boot, clear + 0.08, 0.91),
        (1.0, 0.85 * boot, clear + 0.17, 0.86),
    ]
    line = curve(stations, 4)
    power = draw.real("section_power", 4.0, 7.0)
    outline = superellipse(2, 2, power, 48)
    # The sides lean inwards above the waist.
    lean = 1 - 0.1 * np.clip(outline[:, 1], 0, 1)
    outline = outline * np.stack([lean, np.ones(len(lean))], axis=1)
    rings = np.empty((len(line), len(outline), 3))
    rings[..., 0] = wide * line[:, 3:4] * outline[:, 0]
    rings[..., 1] = 0.5 * (line[:, 1:2] + line[:, 2:3]) + 0.5 * (line[:, 1:2] - line[:, 2:3]) * outline[:, 1]
    rings[..., 2] = half * line[:, :1]
    shape.add("body", loft(rings))


def _add_cabin(
    shape: Assembly, draw: Draw, cabin: tuple[float, ...], belt: float, height: float, wide: float, kind: str
) -> None:
    """The greenhouse: outlines seen from above, shrinking from the belt to the roof."""
    inset = draw.real("tumblehome", 0.7, 0.82) + (0.08 if kind == "van" else 0.0)
    share = np.array([0.0, 0.25, 0.5, 0.75, 0.92, 0.985, 1.0])
    fronts = np.interp(share, [0, 0.92, 1], [cabin[0], cabin[1], cabin[1] + 0.28])
    rears = np.interp(share, [0, 0.92, 1], [cabin[3], cabin[2], cabin[2] - 0.28])
    widths = wide * np.interp(share, [0, 0.92, 1], [0.93, inset, inset - 0.14])
    heights = belt + (height - belt) * share
    outline = superellipse(2, 2, 5.0, 48)
    bulge = 0.05 * (1 - outline[:, 0] ** 2) * np.sign(outline[:, 1])
    rings = np.empty((len(share), len(outline), 3))
    rings[..., 0] = widths[:, None] * outline[:, 0]
    rings[..., 1] = heights[:, None]
    rings[..., 2] = 0.5 * (fronts + rears)[:, None] + 0.5 * (rears - fronts)[:, None] * outline[:, 1] + bulge
    shape.add("cabin", loft(rings))
    swollen = rings * (1.012, 1.0, 1.0)
    swollen[..., 1] += 0.012
    shape.add("body", loft(swollen[-3:]))
    _add_pillars(shape, draw, rings, kind)


def _add_pillars(shape: Assembly, draw: Draw, rings: Floats, kind: str) -> None:
    """Bars along the cabin's upright lines: at its four corners, and between the doors."""
    around = rings.shape[1]
    corners = [around // 8, around - around // 8]
    sides = {"coupe": [0.1], "pickup": [], "van": [-0.25, 0.3], "wagon": [-0.1, 0.5], "suv": [-0.1, 0.5]}.get(
        kind, [0.05]
    )
    thick = draw.real("pillar", 0.035, 0.055)
    shape.add("body", *(tube(rings[:-1, k], thick, 10) for k in corners))
    middle, reach = rings[:-1, :, 2].mean(axis=1), np.ptp(rings[:-1, :, 2], axis=1) / 2
    for share in sides:
        line = np.stack([rings[:-1, :, 0].max(axis=1) - 0.012, rings[:-1, 0, 1], middle + share * reach], axis=1)
        shape.add("body", tube(line, 0.8 * thick, 10))


def _add_wheels(shape: Assembly, draw: Draw, length: float, wide: float, kind: str, bonnet: float) -> None:
    radius = draw.real("wheel", 0.3, 0.35) + (0.05 if kind in ("suv", "pickup") else 0.0)
    # The arch stays below the bonnet, whose nose is lower than its foot.
    radius = min(radius, 0.41 * bonnet * 0.5 * (1 + float(draw.design["nose_drop"])))
    front, rear = -length * draw.real("front_axle", 0.3, 0.33), length * draw.real("rear_axle", 0.27, 0.31)
    tyre, hub = 0.22, draw.real("rim", 0.58, 0.72) * radius
    spokes = draw.whole("spokes", 4, 7)
    for z in (front, rear):
        arch = rod((wide - 0.32, radius, z), (wide + 0.3, radius, z), radius * 1.17, segments=36)
        shape.cut("body", arch)
    for z in (front, rear):
        for solid in _wheel(radius, tyre, hub, spokes):
            shape.add("wheels", solid.moved(wide - 0.115, radius, z))
        shape.add("wheels", rod((0, radius, z), (wide - 0.15, radius, z), 0.06))


def _wheel(radius: float, tyre: float, hub: float, spokes: int) -> list[Solid]:
    half, inner = tyre / 2, 0.9 * hub
    profile = [
        (0.0, -half),
        (0.9 * radius, -half),
        (radius, -0.7 * half),
        (radius, 0.7 * half),
        (0.92 * radius, half),
        (hub, half),
        (inner, 0.9 * half),
        (inner, 0.35 * half),
        (0.0, 0.35 * half),
    ]
    rim = lathe(profile, 36).turned("z", -90)
    spoke = box((0.09, 1.86 * inner / 2, 0.16 * hub + 0.02), (0.6 * half, 0.93 * inner / 2, 0), 0.0)
    centre = rod((0.2 * half, 0, 0), (0.95 * half, 0, 0), 0.26 * hub, 0.2 * hub, 18)
    return [rim, centre, *(spoke.turned("x", k * 360 / spokes) for k in range(spokes))]


def _add_trim(
    shape: Assembly, draw: Draw, length: float, height: float, clear: float, bonnet: float, boot: float, wide: float,
    cabin: tuple[float, ...], kind: str,
) -> None:  # fmt: skip
    half = length / 2
    mirror = box((0.17, 0.11, 0.08), (wide + 0.0, max(bonnet, boot) + 0.08, cabin[0] + 0.45), 0.035)
    arm = rod(
        (wide - 0.25, max(bonnet, boot) - 0.03, cabin[0] + 0.47),
        (wide - 0.05, max(bonnet, boot) + 0.06, cabin[0] + 0.46),
        0.025,
    )
    shape.add("trim", mirror, arm)
    if draw.chance("bumpers", 0.5):
        for z, side in ((-half + 0.06, -1), (half - 0.06, 1)):
            shape.add("trim", box((1.7 * wide, 0.16, 0.22), (0, clear + 0.24, z + 0.02 * side), 0.06))
    lamp = draw.pick("lamps", ("round", "wide"))
    y = 0.6 * bonnet + 0.04
    lens = rod((0, 0, -0.1), (0, 0, 0.2), 0.11, segments=24) if lamp == "round" else box((0.36, 0.13, 0.3), radius=0.04)
    shape.add("trim", lens.moved(0.62 * wide, y, -0.985 * half + 0.07))
    shape.add("trim", box((0.2, 0.22, 0.12), (0.72 * wide, 0.72 * boot, half - 0.07), 0.03))
    roof = draw.pick(
        "roof", ("bare", "bare", "rails", "rack") if kind in ("suv", "wagon", "van") else ("bare", "bare", "spoiler")
    )
    if roof == "rails" or roof == "rack":
        x, front, rear = 0.55 * wide, cabin[1] + 0.35, cabin[2] - 0.35
        line = curve(
            [
                (height - 0.05, front),
                (height + 0.05, front + 0.15),
                (height + 0.05, rear - 0.15),
                (height - 0.05, rear),
            ],
            4,
        )
        shape.add("trim", _bar(line, x))
        if roof == "rack":
            shape.add(
                "trim", *(rod((-x, height + 0.05, z), (x, height + 0.05, z), 0.025) for z in (front + 0.3, rear - 0.3))
            )
    elif roof == "spoiler" and kind in ("sedan", "coupe"):
        z = half - 0.3
        shape.add(
            "trim",
            box((1.5 * wide, 0.04, 0.22), (0, boot + 0.16, z), 0.015),
            box((0.05, 0.3, 0.12), (0.5 * wide, boot + 0.03, z)),
        )


def _bar(line: Floats, x: float) -> Solid:
    return tube(np.insert(line, 0, x, axis=1), 0.025)
