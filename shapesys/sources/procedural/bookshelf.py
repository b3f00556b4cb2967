"""Bookshelves and cabinets: bays and levels, open or closed backs, doors, drawers, feet, ladders and book rows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from shapesys.geometry.mesh import Floats
from shapesys.sources.procedural.assembly import Assembly
from shapesys.sources.procedural.draw import Draw
from shapesys.sources.procedural.solids import Solid, box, rectangle, rod, stack

PARTS = ("frame", "shelf", "back", "door", "content")


def build(draw: Draw) -> Assembly:
    """A bookshelf in metres, standing on y = 0, open towards -z."""
    shape = Assembly(PARTS)
    bays, levels = draw.whole("bays", 1, 4), draw.whole("levels", 2, 6)
    width = bays * draw.real("bay_width", 0.34, 0.62)
    height = levels * draw.real("level_height", 0.27, 0.38)
    depth, board = draw.real("depth", 0.22, 0.38), draw.real("board", 0.016, 0.034)
    foot = _add_feet(shape, draw, width, depth)
    style = draw.pick("style", ("case", "case", "case", "open", "industrial", "leaning"))
    lean = (0.55 * depth if style == "leaning" else 0.0) / height
    _add_frame(shape, draw, style, width, height, depth, board, foot)
    levels_at = foot + board / 2 + np.arange(levels + 1) * (height - board) / levels
    for y in levels_at if style == "case" else levels_at[:-1] if style == "leaning" else levels_at:
        deep = depth * (1 - 0.5 * (y - foot) / height) if lean else depth
        shape.add("shelf", box((width - 0.5 * board, board, deep - 0.012), (0, y, 0.5 * (depth - deep))))
    _add_dividers(shape, draw, style, bays, width, depth, board, levels_at)
    if style == "case" and draw.chance("backed", 0.75):
        shape.add(
            "back", box((width - 0.4 * board, height - 0.4 * board, 0.012), (0, foot + height / 2, depth / 2 - 0.012))
        )
    if style == "case":
        _add_fronts(shape, draw, bays, width, depth, board, levels_at)
    _add_content(shape, draw, style, bays, width, depth, board, levels_at)
    return shape


def _add_feet(shape: Assembly, draw: Draw, width: float, depth: float) -> float:
    kind = draw.pick("feet", ("none", "none", "plinth", "legs", "blocks"))
    if kind == "none":
        return 0.0
    tall = draw.real("foot_height", 0.05, 0.1) * (1.8 if kind == "legs" else 1.0)
    if kind == "plinth":
        shape.add("frame", box((width - 0.03, tall + 0.005, depth - 0.05), (0, 0.5 * tall, 0.01)))
        return tall
    x, z = 0.5 * width - 0.04, 0.5 * depth - 0.04
    for side in (-1.0, 1.0):
        if kind == "legs":
            shape.add("frame", rod((x + 0.02, 0, side * (z + 0.015)), (x, tall + 0.008, side * z), 0.011, 0.02, 14))
        else:
            shape.add("frame", box((0.06, tall + 0.008, 0.06), (x, 0.5 * tall + 0.004, side * z), 0.008))
    return tall


def _add_frame(
    shape: Assembly, draw: Draw, style: str, width: float, height: float, depth: float, board: float, foot: float
) -> None:
    x = width / 2
    if style == "case":
        over = draw.real("side_rise", 0.0, 0.02) if draw.chance("raised_sides", 0.3) else 0.0
        shape.add("frame", box((board, height + over, depth), (x, foot + 0.5 * (height + over), 0), 0.003))
        if draw.chance("cornice", 0.35):
            shape.add("frame", box((width + 0.1, 0.045, depth + 0.05), (0, foot + height + 0.012, -0.01), 0.012))
        return
    post = 0.014 if style == "industrial" else draw.real("post", 0.014, 0.022)
    outline = rectangle(2, 2, 0.3, 2)
    tall = foot + height + (0.0 if style == "leaning" else 0.04)
    for front in (True, False):
        z = -depth / 2 + post if front else depth / 2 - post
        top = z + 0.55 * depth if front and style == "leaning" else z
        shape.add("frame", stack(outline, [(x, 0.0, z), (x, tall, top)], [post, post]))
    if style == "industrial":
        low, high = foot + 0.04, foot + height - 0.04
        for side in (-1.0, 1.0):
            shape.add(
                "frame",
                rod(
                    (-x, low if side > 0 else high, depth / 2 - post),
                    (x, high if side > 0 else low, depth / 2 - post),
                    0.006,
                ),
            )
        shape.add("frame", rod((x, low, -depth / 2 + post), (x, high, depth / 2 - post), 0.006))


def _bay_edges(bays: int, width: float, board: float) -> list[tuple[float, float]]:
    """Left and right of each bay that begins at x >= 0 or straddles it, between the boards."""
    at = np.linspace(-width / 2, width / 2, bays + 1)
    return [(a + board / 2, b - board / 2) for a, b in pairwise(at) if b > 1e-9 and a > -b - 1e-9]


def _add_dividers(
    shape: Assembly, draw: Draw, style: str, bays: int, width: float, depth: float, board: float, levels: Floats
) -> None:
    if style == "leaning":
        return
    staggered = style == "open" and draw.chance("staggered", 0.5)
    for k in range(1, bays):
        x = -width / 2 + k * width / bays
        for row, (low, high) in enumerate(pairwise(levels)):
            shift = (0.22 * width / bays) * (1 if row % 2 else -1) * np.sign(round(x, 6)) if staggered else 0.0
            shape.add("frame", box((0.9 * board, high - low, depth - 0.02), (x + shift, 0.5 * (low + high), 0)))


def _add_fronts(
    shape: Assembly, draw: Draw, bays: int, width: float, depth: float, board: float, levels: Floats
) -> None:
    """Doors or drawers in the lowest rows, for some."""
    kind = draw.pick("fronts", ("none", "none", "doors", "drawers"))
    if kind == "none":
        return
    rows = draw.whole("front_rows", 1, max(1, (len(levels) - 1) // 2))
    draw.design["fronts_up_to"] = rows
    for left, right in _bay_edges(bays, width, board):
        if kind == "drawers":
            for low, high in pairwise(levels[: rows + 1]):
                shape.add("door", *_front(left, right, low, high, depth, knob=0.5))
        else:
            middle = 0.5 * (left + right)
            shape.add("door", *_front(left, middle - 0.003, levels[0], levels[rows], depth, knob=0.88))
            shape.add("door", *_front(middle + 0.003, right, levels[0], levels[rows], depth, knob=0.12))


def _front(left: float, right: float, low: float, high: float, depth: float, knob: float) -> list[Solid]:
    x, y = 0.5 * (left + right), 0.5 * (low + high)
    at = left + knob * (right - left)
    panel = box((right - left + 0.008, high - low - 0.01, 0.03), (x, y, -depth / 2 + 0.006), 0.004)
    # The inside of a closed compartment is filled: a hidden void would be a second surface that no scan sees.
    filling = box((right - left + 0.01, high - low, depth - 0.03), (x, y, 0.004))
    return [panel, filling, rod((at, y, -depth / 2), (at, y, -depth / 2 - 0.035), 0.008, 0.014)]


def _add_content(
    shape: Assembly, draw: Draw, style: str, bays: int, width: float, depth: float, board: float, levels: Floats
) -> None:
    """Rows of books, the same on both sides of the middle, as everything here is symmetric."""
    if not draw.chance("books", 0.4):
        return
    first = int(draw.design.get("fronts_up_to", 0))
    deep = 0.4 * depth if style == "leaning" else 0.6 * depth
    for row, (low, high) in enumerate(pairwise(levels)):
        if row < first or not draw.chance(f"row_{row}", 0.6):
            continue
        left, right = _bay_edges(bays, width, board)[-1]
        space, start = high - low - board, max(left, 0.0)
        count = draw.whole(f"books_{row}", 3, 7)
        x = right - 0.04
        for k in range(count):
            thick, tall = draw.real(f"book_{row}_{k}", 0.022, 0.045), draw.real(f"tall_{row}_{k}", 0.6, 0.88) * space
            if x - thick < start + 0.01:
                break
            shape.add(
                "content",
                box(
                    (thick + 0.002, tall, deep),
                    (x - thick / 2, low + board / 2 + tall / 2 - 0.004, depth / 2 - 0.027 - deep / 2),
                ),
            )
            x -= thick
