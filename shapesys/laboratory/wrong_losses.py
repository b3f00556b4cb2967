"""|f - h| and (f - h)^2 in the plane: losses that see the sign of f leave no inside, and no zero level set.

Legend: S seeds, R lattice points along an axis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shapesys.geometry.mesh import Floats
from shapesys.laboratory.claim import Claim
from shapesys.laboratory.curve import BOOT, Curve
from shapesys.laboratory.fitting import Error, absolute, sal, squared
from shapesys.laboratory.lattice import Lattice
from shapesys.laboratory.plane import PlaneSettings, on_lattice

ERRORS: Mapping[str, Error] = {"L1": absolute, "L2": squared, "SAL": sal}
_SQUARE = 4.0
"""Area of [-1, 1]^2."""
_NOTHING = 1e-3
"""A share of the square below which there is no inside: some lattice points at which a network dips below 0."""


@dataclass(frozen=True)
class Result:
    """What each loss led to.

    Attributes:
        curve: closed, whose distance was learned.
        lattice: of all values.
        values: loss -> (S, R, R).
    """

    curve: Curve
    lattice: Lattice
    values: Mapping[str, Floats]

    def inside(self, loss: str) -> Floats:
        """(S,) share of the lattice where a network is negative."""
        share: Floats = (self.values[loss] < 0).mean(axis=(1, 2))
        return share

    def claims(self) -> list[Claim]:
        true = self.curve.area() / _SQUARE
        off = float(np.abs(self.inside("SAL") / true - 1.0).max())
        text = "share of the square that is inside, most of any seed"
        plain = [Claim(f"{loss}: {text}", float(self.inside(loss).max()), most=_NOTHING) for loss in ("L1", "L2")]
        return [*plain, Claim(f"SAL: difference of that share from {true:.4f}, relative, worst seed", off, most=0.1)]


def run(seeds: Sequence[int], settings: PlaneSettings | None = None) -> Result:
    """Train every loss from the same starts, with the same queries."""
    chosen = settings or PlaneSettings()
    found = chosen.learned(ERRORS, chosen.samples(BOOT, seeds), seeds)
    lattice = chosen.lattice
    values = {loss: lattice.square(on_lattice(networks, lattice)[0]) for loss, networks in found.items()}
    return Result(BOOT, lattice, values)
