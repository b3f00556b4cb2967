"""Colours as a scanner would record them: one paint per object, uneven light, noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shapesys.geometry.mesh import Floats, Ints

PALETTE: dict[str, tuple[tuple[float, float, float], ...]] = {
    "floor": ((0.62, 0.46, 0.31), (0.45, 0.33, 0.24), (0.66, 0.64, 0.60), (0.36, 0.38, 0.42)),
    "wall": ((0.90, 0.89, 0.85), (0.82, 0.86, 0.88), (0.88, 0.82, 0.72), (0.74, 0.80, 0.72)),
    "ceiling": ((0.95, 0.95, 0.94),),
    "door": ((0.86, 0.84, 0.80), (0.48, 0.33, 0.22)),
    "window": ((0.93, 0.93, 0.93), (0.40, 0.40, 0.42)),
    "bench": ((0.60, 0.44, 0.28), (0.35, 0.24, 0.17)),
    "bookshelf": ((0.86, 0.85, 0.82), (0.55, 0.40, 0.26), (0.28, 0.22, 0.20)),
    "bottle": ((0.16, 0.42, 0.24), (0.70, 0.78, 0.84), (0.45, 0.20, 0.12)),
    "chair": ((0.58, 0.42, 0.27), (0.22, 0.22, 0.24), (0.80, 0.78, 0.74), (0.62, 0.20, 0.18)),
    "lamp": ((0.88, 0.84, 0.70), (0.25, 0.25, 0.27)),
    "mug": ((0.80, 0.22, 0.20), (0.92, 0.91, 0.88), (0.20, 0.36, 0.60)),
    "sofa": ((0.36, 0.42, 0.50), (0.58, 0.52, 0.44), (0.42, 0.22, 0.22), (0.30, 0.40, 0.32)),
    "table": ((0.62, 0.46, 0.30), (0.34, 0.24, 0.18), (0.84, 0.83, 0.80)),
}
"""Class -> paints it may have, red, green and blue from 0 to 1."""

PAINT_SPREAD = 0.04
LIGHT_SPREAD = 0.05
NOISE = 0.02


def painted(kinds: Sequence[str], which: Ints, seed: int) -> Floats:
    """(n, 3) colours in [0, 1] of points that lie on object `which` (n,) of these classes.

    Surfaces of the room share one paint per class; every piece of furniture has its own.
    """
    rng = np.random.default_rng([seed, 1])
    shared = {kind: _paint(kind, rng) for kind in ("floor", "wall", "ceiling", "door", "window")}
    paints = np.array([shared[kind] if kind in shared else _paint(kind, rng) for kind in kinds])
    light = 1.0 + LIGHT_SPREAD * rng.standard_normal(len(kinds))
    noise = NOISE * rng.standard_normal((len(which), 3))
    return np.clip(paints[which] * light[which, None] + noise, 0.0, 1.0)


def _paint(kind: str, rng: np.random.Generator) -> Floats:
    paints = np.array(PALETTE[kind])
    found: Floats = paints[rng.integers(len(paints))] + PAINT_SPREAD * rng.standard_normal(3)
    return found
