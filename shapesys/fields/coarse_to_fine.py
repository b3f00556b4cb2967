"""Find the cells a surface passes through without looking everywhere.

Cells that the surface may touch are refined level by level. At the finest level only cells that are predicted to be
crossed are evaluated, and the surface is then followed from cell to cell through every face whose corners differ in
sign, until it is closed. Hence every connected component of which one cell is found is found completely: the result
equals a dense evaluation unless a whole component is so small that the coarse levels never come near it. Where points
near the surface are known, the cells about them are evaluated too, so that what was seen is found however small it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shapesys.fields import memory
from shapesys.fields.field import SeenField
from shapesys.fields.lattice import CORNERS, Keys, Lattice, NodeValues, contains, distinct
from shapesys.fields.sampler import Sampler
from shapesys.geometry.mesh import Floats

Mask = NDArray[np.bool_]

CHILD_MARGIN = 0.4
"""In child diagonals: how far a child's predicted mean may exceed the tolerance and still be evaluated."""
CROSSING_MARGIN = 0.1
"""In finest cells: how near to zero a predicted corner counts as either sign."""
PREDICTION_BLOCK = 1 << 16


@dataclass(frozen=True)
class Pruning:
    """How the search prunes.

    Attributes:
        is_distance: values are distances; else only their signs are used.
        tolerance: a cell is refined when |mean of its corners| <= tolerance * its diagonal (0.6 lost no cell of exact
            and of learned fields; 0.5 does).
        precision: what the field is asked for above the finest level.
        memory_limit_gib: see `memory.require`.
    """

    is_distance: bool
    tolerance: float
    precision: str
    memory_limit_gib: float | None


@dataclass(frozen=True)
class Level:
    """What was done at one level."""

    resolution: int
    cells: int
    points: int
    precision: str


@dataclass(frozen=True)
class Surface:
    """Crossed cells in ascending order, their corners' signs, and the values that place the vertices."""

    cells: Keys
    inside: Mask
    nodes: NodeValues
    levels: tuple[Level, ...]


def search(sampler: Sampler, lattice: Lattice, halvings: int, pruning: Pruning) -> Surface:
    """Crossed cells of `lattice`, starting from the lattice that is `halvings` times coarser.

    Raises:
        ShapesysError: the finest level would not fit in memory.
    """
    current = lattice.coarsened(2**halvings)
    cells = current.all_cells()
    nodes, level = _evaluate(sampler, current, cells, NodeValues.empty(), pruning.precision)
    levels = [level]
    tolerance = pruning.tolerance * _slope(nodes.at(current.corners(cells)), current) if pruning.is_distance else 0.0
    for halving in reversed(range(halvings)):
        finer = lattice.coarsened(2**halving)
        values = nodes.at(current.corners(cells))
        _require_memory(values, halving + 1, pruning)
        finest = halving == 0
        cells = _descend(current, finer, cells, values, tolerance, finest)
        known = nodes.moved_to(current, finer)
        if finest:
            usable = known if pruning.precision == "float32" else NodeValues.empty()
            return _follow(sampler, lattice, _with_seen(cells, sampler, lattice), usable, levels)
        nodes, level = _evaluate(sampler, finer, cells, known, pruning.precision)
        levels.append(level)
        current = finer
    return _follow(sampler, lattice, cells, nodes, levels[:-1])


def _with_seen(cells: Keys, sampler: Sampler, lattice: Lattice) -> Keys:
    """And those about the points that were seen: a surface near a point passes its cell or one beside it."""
    if not isinstance(sampler.field, SeenField):
        return cells
    return distinct(np.concatenate([cells, lattice.dilated(lattice.cells_of(sampler.field.seen))]))


def crossed(inside: Mask) -> Mask:
    """(c,) cells (c, 8) whose corners differ in sign."""
    return np.asarray(inside.any(axis=1) & ~inside.all(axis=1))


def _descend(current: Lattice, finer: Lattice, cells: Keys, values: Floats, tolerance: float, finest: bool) -> Keys:
    """The cells of the finer lattice to evaluate, ascending."""
    mixed = crossed(values < 0)
    if tolerance:
        kept = mixed | (np.abs(values.mean(axis=1)) <= tolerance * current.diagonal)
        keep_child = _crossing_children if finest else _near_children
        blocks = range(0, len(cells), PREDICTION_BLOCK)
        chosen, values = cells[kept], values[kept]
        mask = [keep_child(values[i : i + PREDICTION_BLOCK], finer, tolerance) for i in blocks]
        wanted = np.concatenate(mask) if mask else np.ones((0, 8), dtype=bool)
    else:
        chosen = cells[mixed] if finest else current.dilated(cells[mixed])
        wanted = np.ones((len(chosen), 8), dtype=bool)
    children, within = current.children(chosen, finer)
    return np.sort(children[wanted & within])


def _near_children(values: Floats, finer: Lattice, tolerance: float) -> Mask:
    """(c, 8) children whose predicted mean is near enough to zero to be evaluated."""
    predicted = values @ _PREDICTION.mean(axis=1).T
    return np.abs(predicted) <= (tolerance + CHILD_MARGIN) * finer.diagonal


def _crossing_children(values: Floats, finer: Lattice, tolerance: float) -> Mask:
    """(c, 8) children whose predicted corners have, or nearly have, both signs."""
    predicted = (values @ _PREDICTION.reshape(64, 8).T).reshape(-1, 8, 8)
    margin = CROSSING_MARGIN * finer.spacing
    return (predicted.min(axis=2) <= margin) & (predicted.max(axis=2) >= -margin)


def _trilinear_prediction() -> Floats:
    """(child, corner of child, corner of parent) weights."""
    place = (CORNERS[:, None, None] + CORNERS[None, :, None]) / 2.0
    weights = np.where(CORNERS[None, None] == 1, place, 1.0 - place)
    return weights.prod(axis=3).astype(np.float32)


_PREDICTION = _trilinear_prediction()


def _slope(values: Floats, lattice: Lattice) -> float:
    """How much steeper than a distance the field is near its surface (median over coarse cells), at least 1."""
    near = np.abs(values.mean(axis=1)) <= lattice.diagonal
    if not near.any():
        return 1.0
    signs = 2.0 * CORNERS - 1.0
    gradient = values[near] @ signs / (4.0 * lattice.spacing)
    return max(1.0, float(np.median(np.linalg.norm(gradient, axis=1))))


def _evaluate(
    sampler: Sampler, lattice: Lattice, cells: Keys, known: NodeValues, precision: str
) -> tuple[NodeValues, Level]:
    """`known` extended to all corners of the cells."""
    missing = known.missing(lattice.distinct_corners(cells))
    columns = sampler.columns(lattice, missing, precision)
    level = Level(max(lattice.cells), len(cells), len(missing), precision)
    return known.joined(missing, columns), level


def _follow(sampler: Sampler, lattice: Lattice, seeds: Keys, nodes: NodeValues, levels: list[Level]) -> Surface:
    """Evaluate the seeds in full precision, then whatever the surface reaches from them through cell faces."""
    found, signs = [np.empty(0, dtype=np.int64)], [np.empty((0, 8), dtype=bool)]
    frontier = seen = seeds
    points = 0
    while len(frontier):
        nodes, level = _evaluate(sampler, lattice, frontier, nodes, "float32")
        points += level.points
        inside = nodes.at(lattice.corners(frontier)) < 0
        mixed = crossed(inside)
        found.append(frontier[mixed])
        signs.append(inside[mixed])
        reached = _reached(lattice, found[-1], signs[-1])
        frontier = reached[~contains(seen, reached)]
        seen = distinct(np.concatenate([seen, frontier]))
    cells, inside = np.concatenate(found), np.concatenate(signs)
    order = np.argsort(cells, kind="stable")
    finest = Level(max(lattice.cells), len(seen), points, "float32")
    return Surface(cells[order], inside[order], nodes, (*levels, finest))


def _reached(lattice: Lattice, cells: Keys, inside: Mask) -> Keys:
    """Cells behind a face whose four corners differ in sign, sorted."""
    reached = []
    for axis in range(3):
        for step in (-1, 1):
            face = inside[:, CORNERS[:, axis] == (step > 0)]
            reached.append(lattice.neighbours(cells[crossed(face)], axis, step))
    return distinct(np.concatenate(reached))


def _require_memory(values: Floats, halvings_left: int, pruning: Pruning) -> None:
    """The crossed cells seen now, refined as a surface is (four for one), tell what the finest level will take."""
    expected = int(crossed(values < 0).sum()) * 4**halvings_left
    memory.require(expected * memory.BYTES_PER_CELL, pruning.memory_limit_gib, f"extracting about {expected:,} cells")
