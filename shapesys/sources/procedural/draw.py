"""Random design decisions that come out the same on every machine and every NumPy."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

Design = dict[str, float | int | str | bool]


class Draw:
    """Named random decisions of one shape, in the order they are taken.

    Uses the raw 64-bit stream of PCG64, which NumPy promises never to change, and not the distributions of
    `Generator`, which may.

    Attributes:
        design: name -> value of every decision taken so far: the shape's parameter vector.
    """

    def __init__(self, category: str, seed: int, attempt: int = 0) -> None:
        stable = int.from_bytes(hashlib.sha256(category.encode()).digest()[:8], "little")
        self._bits = np.random.PCG64(np.random.SeedSequence([stable, seed, attempt]))
        self.design: Design = {}

    def _unit(self) -> float:
        return (int(self._bits.random_raw()) >> 11) * 2.0**-53

    def real(self, name: str, low: float, high: float) -> float:
        """Uniform between low and high, kept to six decimals."""
        value = round(low + (high - low) * self._unit(), 6)
        self.design[name] = value
        return value

    def whole(self, name: str, low: int, high: int) -> int:
        """Uniform among low, ..., high, both included."""
        value = low + int(self._unit() * (high - low + 1))
        self.design[name] = value
        return value

    def pick(self, name: str, options: Sequence[str]) -> str:
        """One of the options; repeat an option to make it likelier."""
        value = options[int(self._unit() * len(options))]
        self.design[name] = value
        return value

    def chance(self, name: str, probability: float) -> bool:
        """True with this probability."""
        value = self._unit() < probability
        self.design[name] = value
        return value
