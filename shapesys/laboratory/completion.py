"""Curves with a part missing, and how the zero level set of SAL and of SALD closes them.

The loss is 0 wherever f is the distance or its negative, on whichever side. Where data is missing f has to change its
sign all the same, at points of positive distance, and what that costs grows with the length of the crossing: in the
plane the least of all is the straight segment from end to end (SALD, Atzmon and Lipman, ICLR 2021).

Legend: S seeds, R lattice points along an axis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from shapesys.config.base import setting
from shapesys.geometry.mesh import Floats
from shapesys.laboratory.claim import Claim
from shapesys.laboratory.curve import Curve
from shapesys.laboratory.fitting import sal, sald
from shapesys.laboratory.lattice import Lattice, length
from shapesys.laboratory.plane import PlaneSettings, on_lattice

_PIECES = 96
"""Of the arc."""
_NEAREST = 1e-4
"""A distance to an end that exceeds the distance to the curve by no more is the distance to the curve."""


class Settings(PlaneSettings):
    """Of the experiment."""

    arc_radius: float = setting(0.7, help="of the circle", gt=0, lt=1)
    half_angle: float = setting(60.0, help="half of the arc that is missing, in degrees", gt=0, lt=90)
    square: float = setting(0.6, help="half of the square's side", gt=0, lt=1)
    cut: float = setting(0.45, help="length that is missing of either side at the corner", gt=0)

    def open_curves(self) -> dict[str, OpenCurve]:
        """The curves with a part missing, by name."""
        half = math.radians(self.half_angle)
        kept, removed = (self._arc(begin, end) for begin, end in ((half, 2.0 * math.pi - half), (half, -half)))
        side, short = self.square, self.square - self.cut
        corners = torch.tensor([(side, short), (side, -side), (-side, -side), (-side, side), (short, side)])
        corner = torch.tensor([(side, short), (side, side), (short, side)])
        return {
            "circle without an arc": OpenCurve(kept, removed),
            "square without a corner": OpenCurve(corners, corner),
        }

    def _arc(self, begin: float, end: float) -> Tensor:
        angles = torch.linspace(begin, end, _PIECES + 1)
        return self.arc_radius * torch.stack([angles.cos(), angles.sin()], dim=1)


@dataclass(frozen=True)
class OpenCurve:
    """A path whose ends are to be joined.

    Attributes:
        corners: (m, 2) of the path.
        removed: (k, 2) of the part that was taken away, from end to end.
    """

    corners: Tensor
    removed: Tensor

    @cached_property
    def curve(self) -> Curve:
        return Curve.through(self.corners, closed=False)

    @property
    def ends(self) -> Tensor:
        """(2, 2)."""
        return self.corners[[0, -1]]

    @property
    def segment(self) -> float:
        """Length of the straight segment from end to end."""
        return float((self.ends[1] - self.ends[0]).norm())

    @property
    def stretch_of_removed(self) -> float:
        """Length of the part that was taken away, as a multiple of the straight segment's."""
        return length([self.removed.numpy()]) / self.segment

    def in_gap(self, points: Floats) -> Floats:
        """(N, 2) -> (N,) whether nothing of the curve is nearer than one of its ends."""
        placed = torch.as_tensor(points, dtype=torch.float32)
        to_ends = (placed[:, None] - self.ends).norm(dim=-1).amin(dim=1)
        inside: Floats = (to_ends <= self.curve.distance(placed)[0] + _NEAREST).numpy()
        return inside


@dataclass(frozen=True)
class Completed:
    """Zero level sets about one curve.

    Attributes:
        open_curve: that was learned.
        values: loss -> (S, R, R).
        paths: loss -> for each seed, the connected parts of its zero level set.
    """

    open_curve: OpenCurve
    values: Mapping[str, Floats]
    paths: Mapping[str, list[list[Floats]]]

    def closed(self, loss: str) -> list[bool]:
        """For each seed, whether the zero level set is one path that ends where it begins."""
        return [len(parts) == 1 and bool((parts[0][0] == parts[0][-1]).all()) for parts in self.paths[loss]]

    def stretch(self, loss: str) -> list[float]:
        """For each seed, the zero level set's length in the gap as a multiple of the straight segment's."""
        found = self.open_curve
        return [length(parts, found.in_gap) / found.segment for parts in self.paths[loss]]


@dataclass(frozen=True)
class Result:
    """Every open curve with what closed it, by name."""

    lattice: Lattice
    curves: Mapping[str, Completed]

    def claims(self) -> list[Claim]:
        claims = []
        for name, found in self.curves.items():
            full = found.open_curve.stretch_of_removed
            text = f"length in the gap / segment (missing part: {full:.2f}), farthest of seeds"
            farthest = max(found.stretch("SALD"), key=lambda times: abs(times - 1.0))
            closed = sum(found.closed("SALD")) / len(found.paths["SALD"])
            claims += [
                Claim(f"{name}, SALD: {text}", farthest, least=0.95, most=1.08),
                Claim(f"{name}, SALD: share of seeds whose zero level set is one closed curve", closed, 1, 1),
            ]
        return claims


def run(seeds: Sequence[int], settings: Settings | None = None) -> Result:
    """Train both losses on each curve."""
    chosen = settings or Settings()
    curves = {name: _completed(curve, seeds, chosen) for name, curve in chosen.open_curves().items()}
    return Result(chosen.lattice, curves)


def _completed(open_curve: OpenCurve, seeds: Sequence[int], settings: Settings) -> Completed:
    samples, lattice = settings.samples(open_curve.curve, seeds), settings.lattice
    found = settings.learned({"SAL": sal, "SALD": sald(settings.weight)}, samples, seeds)
    values = {loss: lattice.square(on_lattice(networks, lattice)[0]) for loss, networks in found.items()}
    paths = {loss: [lattice.zero_set(own) for own in each] for loss, each in values.items()}
    return Completed(open_curve, values, paths)
