"""Random points of a space."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from shapesys.tuning.space import Knob, Point, Space, point_key, size, whole_numbers


def random_points(space: Space, seed: int) -> Iterator[Point]:
    """Different points in an order that depends on the space and the seed alone; ends when no other is left."""
    whole, left = whole_numbers(space), size(space)
    seen: set[str] = set()
    for draw in itertools.count():
        if len(seen) == left:
            return
        generator = np.random.default_rng([seed, draw])
        point = {path: _draw(knob, path in whole, generator) for path, knob in space.knobs.items()}
        if point_key(point) not in seen:
            seen.add(point_key(point))
            yield point


def _draw(knob: Knob, whole: bool, generator: np.random.Generator) -> Any:
    if knob.choices is not None:
        return knob.choices[int(generator.integers(len(knob.choices)))]
    low, high = knob.ends
    # Half a unit beyond the ends, so that rounding leaves them as likely as their neighbours.
    reach = 0.5 if whole else 0.0
    share = generator.uniform()
    value = _between(low - reach, high + reach, share, knob.log)
    inside = min(max(round(value) if whole else value, low), high)
    return int(inside) if whole else float(inside)


def _between(low: float, high: float, share: float, log: bool) -> float:
    if log:
        return math.exp(_between(math.log(low), math.log(high), share, log=False))
    return low + share * (high - low)
