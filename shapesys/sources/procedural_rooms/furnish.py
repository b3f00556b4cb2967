"""Furniture for a room: what there is, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from shapesys.geometry.mesh import Floats, Mesh
from shapesys.sources.procedural import design, generate
from shapesys.sources.procedural.draw import Draw
from shapesys.sources.procedural_rooms.scene import Footprint, Thing, placed, standing
from shapesys.sources.procedural_rooms.shell import Shell

FURNITURE = ("bench", "bookshelf", "bottle", "chair", "lamp", "mug", "sofa", "table")
"""Classes of furniture, each a category of `shapesys.sources.procedural`."""

LENGTH = {"bottle": (0.2, 0.32), "mug": (0.08, 0.11)}
"""Heights in metres of what is not generated in its own size."""

STANDING_LAMPS = ("floor", "arc")
TRIES = 24
SHAPE_SEEDS = 2**31
GAP = 0.05
"""Metres that stay free around each piece."""


@dataclass
class _Plan:
    """The room while it is being furnished; `tables` are those that things can stand on, with their box's sides."""

    draw: Draw
    around: Shell
    taken: list[Footprint]
    things: list[Thing] = field(default_factory=list)
    tables: list[tuple[Footprint, Floats]] = field(default_factory=list)
    drawn: int = 0

    def name(self, what: str) -> str:
        """A new name for each decision."""
        self.drawn += 1
        return f"{what}_{self.drawn}"

    def add(self, kind: str, mesh: Mesh, size: Floats, place: Footprint) -> bool:
        """Put a piece where it is, unless something is there or a wall."""
        room = self.around
        if not place.within(room.width, room.depth) or any(map(place.grown(GAP).overlaps, self.taken)):
            return False
        self.taken.append(place)
        self.things.append(Thing(kind, placed(mesh, place)))
        if kind == "table":
            self.tables.append((place, size))
        return True


def furnished(draw: Draw, around: Shell) -> list[Thing]:
    """Furniture for a living room, a dining room or a study; what finds no place is left out."""
    plan = _Plan(draw, around, list(around.kept_clear))
    use = draw.pick("use", ("living", "dining", "study"))
    _FURNISH[use](plan)
    for _ in range(draw.whole("free_chairs", 0, 2)):
        _free(plan, "chair")
    if draw.chance("lamp", 0.7):
        _against_wall(plan, "lamp")
    for table in plan.tables:
        _set_table(plan, *table)
    return plan.things


def _living(plan: _Plan) -> None:
    for _ in range(plan.draw.whole("sofas", 1, 2)):
        _against_wall(plan, "sofa")
    _against_wall(plan, "bookshelf")
    _free(plan, "table")
    if plan.draw.chance("bench", 0.4):
        _against_wall(plan, "bench")


def _dining(plan: _Plan) -> None:
    _free(plan, "table", centred=True)
    for table in list(plan.tables):
        _chairs_around(plan, *table)
    for _ in range(plan.draw.whole("bookshelves", 0, 2)):
        _against_wall(plan, "bookshelf")
    if plan.draw.chance("bench", 0.5):
        _against_wall(plan, "bench")


def _study(plan: _Plan) -> None:
    _against_wall(plan, "table")
    for table in list(plan.tables):
        _chairs_around(plan, *table)
    for _ in range(plan.draw.whole("bookshelves", 1, 3)):
        _against_wall(plan, "bookshelf")
    if plan.draw.chance("sofa", 0.5):
        _against_wall(plan, "sofa")


_FURNISH = {"living": _living, "dining": _dining, "study": _study}


def _shape(plan: _Plan, kind: str) -> tuple[Mesh, Floats]:
    """A piece of furniture in its own size, standing at the origin, and the sides of its box."""
    seed = plan.draw.whole(plan.name(kind), 0, SHAPE_SEEDS - 1)
    while kind == "lamp" and design(kind, seed)["kind"] not in STANDING_LAMPS:
        seed = (seed + 1) % SHAPE_SEEDS
    mesh = generate(kind, seed)
    if kind not in LENGTH:
        return standing(mesh)
    height = plan.draw.real(plan.name("height"), *LENGTH[kind])
    low, high = mesh.bounds
    return standing(mesh, height / float(high[1] - low[1]))


def _against_wall(plan: _Plan, kind: str) -> None:
    """With its back, which all furniture has towards +z, to a wall."""
    mesh, size = _shape(plan, kind)
    for _ in range(TRIES):
        wall = plan.around.walls[plan.draw.whole(plan.name("wall"), 0, 3)]
        slack = 0.5 * (wall.length - size[0])
        along = plan.draw.real(plan.name("along"), -slack, slack) if slack > 0 else 0.0
        gap = plan.draw.real(plan.name("gap"), 0.005, 0.06)
        x, z = np.array([along, wall.distance - gap - 0.5 * size[2]]) @ Footprint(0, 0, 0, 0, wall.yaw).axes
        if plan.add(kind, mesh, size, Footprint(float(x), float(z), 0.5 * size[0], 0.5 * size[2], wall.yaw)):
            return


def _free(plan: _Plan, kind: str, centred: bool = False) -> None:
    """Anywhere on the floor, turned by any angle; near the middle and along a wall where `centred`."""
    mesh, size = _shape(plan, kind)
    reach = 0.12 if centred else 0.45
    for _ in range(TRIES):
        x = plan.draw.real(plan.name("x"), -reach, reach) * plan.around.width
        z = plan.draw.real(plan.name("z"), -reach, reach) * plan.around.depth
        quarter = plan.draw.whole(plan.name("quarter"), 0, 1) * 0.5 * np.pi
        yaw = quarter if centred else plan.draw.real(plan.name("yaw"), 0.0, 2 * np.pi)
        if plan.add(kind, mesh, size, Footprint(x, z, 0.5 * size[0], 0.5 * size[2], yaw)):
            return


def _chairs_around(plan: _Plan, table: Footprint, size: Floats) -> None:
    """A chair of one design at each side of a table that has room for it, facing the table."""
    mesh, chair = _shape(plan, "chair")
    for quarter in range(4):
        if not plan.draw.chance(plan.name("seat"), 0.85):
            continue
        out = (table.half_z, table.half_x)[quarter % 2] + 0.5 * chair[2] + plan.draw.real(plan.name("out"), 0.06, 0.3)
        yaw = table.yaw + 0.5 * np.pi * quarter
        x, z = np.array([table.x, table.z]) + np.array([0.0, out]) @ Footprint(0, 0, 0, 0, yaw).axes
        turned = yaw + np.deg2rad(plan.draw.real(plan.name("askew"), -15.0, 15.0))
        plan.add("chair", mesh, chair, Footprint(float(x), float(z), 0.5 * chair[0], 0.5 * chair[2], turned))


def _set_table(plan: _Plan, table: Footprint, size: Floats) -> None:
    """Bottles and mugs on a table, well within the ellipse that any top covers."""
    taken: list[Footprint] = []
    for _ in range(plan.draw.whole(plan.name("served"), 0, 5)):
        kind = plan.draw.pick(plan.name("served"), ("mug", "mug", "bottle"))
        mesh, box = _shape(plan, kind)
        for _ in range(TRIES):
            radius = 0.75 * plan.draw.real(plan.name("radius"), 0.0, 1.0) ** 0.5
            angle = plan.draw.real(plan.name("angle"), 0.0, 2 * np.pi)
            x, z = radius * np.array([table.half_x * np.cos(angle), table.half_z * np.sin(angle)]) @ table.axes
            yaw = plan.draw.real(plan.name("yaw"), 0.0, 2 * np.pi)
            place = Footprint(table.x + float(x), table.z + float(z), 0.5 * box[0], 0.5 * box[2], yaw)
            if not any(map(place.overlaps, taken)):
                taken.append(place)
                plan.things.append(Thing(kind, placed(mesh, place, float(size[1]))))
                break
