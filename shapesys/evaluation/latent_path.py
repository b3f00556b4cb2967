"""Paths from one latent code to another.

Legend: T codes along a path, D latent dimensions.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from shapesys.errors import UsageError, unknown_name
from shapesys.geometry.mesh import Floats

PathKind = Literal["linear", "spherical"]
PATHS: tuple[PathKind, ...] = get_args(PathKind)

_PARALLEL = 1e-6
"""Angle in radians within which two directions are one, or opposite to one another."""


def codes_between(first: Floats, second: Floats, fractions: Floats, path: PathKind = "linear") -> Floats:
    """Codes on the way from `first` (D,), at fraction 0, to `second` (D,), at 1: (T, D) float32 for (T,) fractions.

    ``linear`` is the straight line. ``spherical`` turns the direction of one code into that of the other at an even
    rate in the plane of both (Shoemake, SIGGRAPH 1985), and changes the length evenly: codes in between are as long as
    the given ones, where those of a straight line are shorter, so nearer to 0 than codes that were trained.

    Raises:
        UsageError: an unknown path; or a spherical one from or to the code 0, which has no direction, or between
            opposite directions, which no one plane holds.
    """
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    at = np.asarray(fractions, np.float64)[:, None]
    if path == "linear":
        return ((1.0 - at) * one + at * other).astype(np.float32)
    if path != "spherical":
        raise unknown_name("path", path, PATHS)
    lengths = np.linalg.norm(one), np.linalg.norm(other)
    if not all(lengths):
        raise UsageError("--path spherical: a code is 0, which has no direction to turn; choose --path linear")
    turned = _turned(one / lengths[0], other / lengths[1], at)
    return (((1.0 - at) * lengths[0] + at * lengths[1]) * turned).astype(np.float32)


def _turned(one: Floats, other: Floats, at: Floats) -> Floats:
    """(T, D) directions on the great circle from one (D,) to another, at fractions (T, 1) of their angle."""
    # The arc cosine of their product would lose half of the digits of a small angle.
    angle = 2.0 * np.arctan2(np.linalg.norm(one - other), np.linalg.norm(one + other))
    if angle < _PARALLEL:
        return np.repeat(one[None], len(at), axis=0)
    if np.pi - angle < _PARALLEL:
        raise UsageError(
            "--path spherical: the codes point in opposite directions, so any plane would do; choose --path linear"
        )
    turned: Floats = (np.sin((1.0 - at) * angle) * one + np.sin(at * angle) * other) / np.sin(angle)
    return turned
