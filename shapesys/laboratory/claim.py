"""What a figure claims, and whether the numbers bear it out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Claim:
    """A sentence with a number and the interval in which that number bears it out.

    Attributes:
        text: what is claimed; names the number.
        value: what was measured.
        least, most: inclusive ends of the interval.
    """

    text: str
    value: float
    least: float = -math.inf
    most: float = math.inf

    @property
    def holds(self) -> bool:
        """Whether the number lies within; NaN lies nowhere."""
        return self.least <= self.value <= self.most

    @property
    def wanted(self) -> str:
        """The interval in words."""
        if self.least == self.most:
            return f"{self.least:g}"
        ends = [f"≥ {self.least:g}"] * math.isfinite(self.least) + [f"≤ {self.most:g}"] * math.isfinite(self.most)
        return ", ".join(ends)


class Result(Protocol):
    """What an experiment gives: arrays to draw, and the claims that they are to bear out."""

    def claims(self) -> Sequence[Claim]:
        """Every claim of the figure, whether it holds or not."""
