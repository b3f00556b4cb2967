"""What a furniture part is for, from its place and form alone: top, panel, leg, bar or shelf.

Data sets of assembled furniture number the parts of every item afresh: part 3 is a leg here and a seat there. A network
can learn roles but no such numbers, so every part gets the role that a person would most likely name. y is up, heights
are shares of the item's height, widths shares of the smaller side of its footprint.

A *board* is a part that is flat (its thinnest principal extent is far below the second), broad (the second is a good
share of the item's width) and that covers a good part of the rectangle it spans, which a frame of four rails does not.

1. ``top``: the highest level boards, all within `SAME_LEVEL` of the highest: seat, table top.
2. ``shelf``: the level boards below.
3. ``panel``: upright boards, backs, sides and doors. One that stands on the floor has to cover nearly all it spans;
   otherwise it is a frame with legs.
4. ``leg``: all else that stands on the floor, be it a leg, a side frame of two legs or a runner, and slender parts
   that stand upright below the top.
5. ``bar``: the rest: rails, stretchers, aprons, slats and small parts.

What is made to sit on has a back. All that is above the seat and not on the floor is ``panel`` there, so that the
spindles and slats of a back belong to it, but for slender parts with a twin on the other side of the seat, which are
armrests and count as ``bar``; and upright boards below the seat are ``bar``, being no back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from shapesys.geometry.mesh import Floats, Ints, Mesh
from shapesys.geometry.surface import sample_surface
from shapesys.geometry.topology import Flags


class Role(IntEnum):
    """What a part is for."""

    TOP = 0
    PANEL = 1
    LEG = 2
    BAR = 3
    SHELF = 4


RULE_VERSION = 1
"""Goes up when the rule gives other roles, so that stores know to prepare the items again."""

SAMPLES = 4000
CELLS = 24
"""Cells along each side of the rectangle that a part spans, for the share that it covers."""

TURNS = 30
"""Rectangles tried for the smallest around a part, over a quarter turn."""

FLAT = 0.45
"""Boards are thinner than this share of their second extent, ..."""

BROAD, BROAD_UPRIGHT = 0.22, 0.3
"""... broader than this share of the item's width (uprights wider, as aprons are no panels), ..."""

COVER = 0.4
"""... and cover at least this share of the rectangle they span, ..."""

COVER_ON_FLOOR = 0.66
"""... or this one where they stand on the floor upright; side frames with many rails reach 0.6."""

LEVEL, UPRIGHT = 0.8, 0.6
"""A board is level where its normal's vertical share is above the first, upright where it is below the second."""

FLOOR = 0.03
SAME_LEVEL = 0.08
RISE = 0.2
"""A seat that reaches this much higher than where it is level is seat and back in one."""


@dataclass(frozen=True)
class _Form:
    """One part.

    Attributes:
        low, high: (3,) corners of its box, in shares of the item's.
        axes: (3, 3) unit rows: along its length, its breadth and its thickness; extents: (3,) of the three.
        cover: share of the rectangle of length and breadth that it covers.
    """

    low: Floats
    high: Floats
    axes: Floats
    extents: Floats
    cover: float

    @property
    def middle(self) -> Floats:
        return 0.5 * (self.low + self.high)

    @property
    def on_floor(self) -> bool:
        return bool(self.low[1] < FLOOR)

    @property
    def tilt(self) -> float:
        """Vertical share of the direction of its thickness: 1 where it lies level."""
        return float(abs(self.axes[2, 1]))

    @property
    def is_board(self) -> bool:
        _, breadth, thickness = self.extents
        return bool(thickness < FLAT * breadth and breadth > BROAD and self.cover > COVER)

    @property
    def is_level_board(self) -> bool:
        return self.is_board and self.tilt > LEVEL

    @property
    def is_upright_board(self) -> bool:
        least = COVER_ON_FLOOR if self.on_floor else COVER
        return bool(self.is_board and self.extents[1] > BROAD_UPRIGHT and self.tilt < UPRIGHT and self.cover > least)

    @property
    def is_upright_bar(self) -> bool:
        return bool(self.extents[1] < 0.5 * self.extents[0] and abs(self.axes[0, 1]) > LEVEL)


def face_roles(parts: Sequence[Mesh], has_back: bool) -> list[Ints]:
    """The `Role` of each face (F,) int32 of each part of one item, all parts in one frame with y up.

    Args:
        has_back: whether the item is made to sit on, so that what is above its seat is a back.

    Raises:
        ShapeRejected: a part has no area.
    """
    low = np.min([part.bounds[0] for part in parts], axis=0)
    size = np.max([part.bounds[1] for part in parts], axis=0) - low
    forms = [_form(part, low, size) for part in parts]
    boards = [float(form.high[1]) for form in forms if form.is_level_board]
    shell = _shell(parts, forms) if has_back and not boards else None
    if shell is not None:
        boards = [(_level_height(parts[shell]) - float(low[1])) / float(size[1])]
    top = max(boards, default=1.0)
    roles = [Role.TOP if at == shell else _role(form, forms, top, has_back) for at, form in enumerate(forms)]
    return [
        _split_seat(part, RISE * float(size[1])) if has_back and role is Role.TOP else _all_faces(part, role)
        for part, role in zip(parts, roles, strict=True)
    ]


def _role(form: _Form, forms: list[_Form], top: float, has_back: bool) -> Role:
    if form.is_level_board:
        return Role.TOP if form.high[1] > top - SAME_LEVEL else Role.SHELF
    if has_back and form.middle[1] > top and not form.on_floor:
        return Role.BAR if _is_armrest(form, forms) else Role.PANEL
    if form.is_upright_board and (not has_back or form.high[1] > top + RISE):
        return Role.PANEL
    if form.on_floor or (form.is_upright_bar and form.high[1] < top + SAME_LEVEL):
        return Role.LEG
    return Role.BAR


def _is_armrest(form: _Form, forms: list[_Form]) -> bool:
    """Whether a part above the seat lies level and has a twin at its height on the other side of the item."""
    if form.is_board or form.is_upright_bar:
        return False
    apart = np.abs([other.middle - form.middle for other in forms])
    return bool(((apart[:, 1] < FLOOR) & (apart[:, [0, 2]].max(axis=1) > 0.6)).any())


def _shell(parts: Sequence[Mesh], forms: list[_Form]) -> int | None:
    """Which part is seat and back in one: of the broad ones off the floor, the one with most level surface."""
    areas = [
        float(part.face_areas[_is_level(part)].sum()) * (form.extents[1] > 2 * BROAD and not form.on_floor)
        for part, form in zip(parts, forms, strict=True)
    ]
    best = int(np.argmax(areas))
    return best if areas[best] > 0.0 and forms[best].cover > COVER_ON_FLOOR else None


def _split_seat(seat: Mesh, rise: float) -> Ints:
    """(F,) roles of the faces of a seat: ``panel`` for what is above, where it is seat and back in one."""
    labels = _all_faces(seat, Role.TOP)
    height = _level_height(seat)
    if seat.bounds[1][1] > height + rise:
        labels[seat.triangles[:, :, 1].mean(axis=1) > height + 0.3 * rise] = int(Role.PANEL)
    return labels


def _level_height(part: Mesh) -> float:
    """Median height of a part's level faces, weighted by area."""
    level = _is_level(part)
    heights, areas = part.triangles[level][:, :, 1].mean(axis=1), part.face_areas[level]
    order = np.argsort(heights, kind="stable")
    share = np.cumsum(areas[order])
    return float(heights[order][np.searchsorted(share, 0.5 * share[-1])])


def _is_level(part: Mesh) -> Flags:
    return np.abs(part.face_normals[:, 1]) > LEVEL


def _all_faces(part: Mesh, role: Role) -> Ints:
    return np.full(len(part.faces), int(role), dtype=np.int32)


def _form(part: Mesh, low: Floats, size: Floats) -> _Form:
    points = sample_surface(part, SAMPLES, seed=0).points.astype(np.float64)
    points -= points.mean(axis=0)
    plane = np.linalg.eigh(points.T @ points)[1].T[::-1]
    flat, axes = _smallest_rectangle(points @ plane[:2].T, plane[:2])
    spans = np.ptp(flat, axis=0)
    cells = np.minimum((flat - flat.min(axis=0)) / np.maximum(spans, 1e-12) * CELLS, CELLS - 1).astype(np.int64)
    cover = len(np.unique(cells @ (CELLS, 1))) / CELLS**2
    extents = np.append(spans, np.ptp(points @ plane[2])) / min(size[0], size[2])
    bottom, top = (np.asarray(corner, dtype=np.float64) for corner in part.bounds)
    return _Form((bottom - low) / size, (top - low) / size, np.vstack([axes, plane[2]]), extents, cover)


def _smallest_rectangle(flat: Floats, axes: Floats) -> tuple[Floats, Floats]:
    """Points (n, 2) and axes (2, 3) of a plane turned so that the box around the points is smallest, long side first.

    Principal axes alone leave a square at any angle, and it would seem to cover half of the box around it.
    """
    angles = np.linspace(0, np.pi / 2, TURNS, endpoint=False)
    turns = np.stack([np.cos(angles), -np.sin(angles), np.sin(angles), np.cos(angles)], axis=1).reshape(-1, 2, 2)
    # One point in eight: the box is needed to a few per cent.
    spans = np.ptp(flat[::8] @ turns, axis=1)
    turn = turns[np.argmin(spans.prod(axis=1))]
    turned = flat @ turn
    order = np.argsort(-np.ptp(turned, axis=0), kind="stable")
    return turned[:, order], (turn.T @ axes)[order]
