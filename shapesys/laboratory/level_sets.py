"""SAL and SALD from the same few queries about a curve of the plane: whose level sets are nearer to the distance's.

SALD (Atzmon and Lipman, ICLR 2021) shows this figure with curves of its own; the curve, the queries and the network's
size are ours.

Legend: S seeds, R lattice points along an axis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from shapesys.config.base import setting
from shapesys.geometry.mesh import Floats
from shapesys.laboratory.claim import Claim
from shapesys.laboratory.curve import BOOT, Curve
from shapesys.laboratory.fitting import sal, sald
from shapesys.laboratory.lattice import Lattice
from shapesys.laboratory.networks import Networks
from shapesys.laboratory.plane import PlaneSettings, on_lattice


class Settings(PlaneSettings):
    """Of the experiment."""

    queries: int = setting(400, help="points with a known distance, for every seed", ge=2)
    steps: int = setting(800, help="steps of the descent", ge=1)


@dataclass(frozen=True)
class Learned:
    """What a loss led to.

    Attributes:
        values: (S, R, R) of the networks.
        value_error: (S,) mean ||f| - h| over the lattice.
        gradient_error: (S,) mean |grad f - grad h| up to a sign, over the lattice.
    """

    values: Floats
    value_error: Floats
    gradient_error: Floats


@dataclass(frozen=True)
class Result:
    """Level sets of both.

    Attributes:
        curve: whose distance was learned.
        lattice: of all values.
        distance: (R, R) h.
        queries: (N, 2) of the first seed.
        learned: ``SAL`` and ``SALD``.
    """

    curve: Curve
    lattice: Lattice
    distance: Floats
    queries: Floats
    learned: Mapping[str, Learned]

    def claims(self) -> list[Claim]:
        plain, with_derivatives = self.learned["SAL"], self.learned["SALD"]
        claims = []
        for name in ("value_error", "gradient_error"):
            before, after = getattr(plain, name), getattr(with_derivatives, name)
            text = {"value_error": "mean ||f| − h|", "gradient_error": "mean gradient error"}[name]  # noqa: RUF001
            claims += [
                Claim(f"{text}: SALD / SAL, mean of seeds", float(after.mean() / before.mean()), most=0.8),
                Claim(f"{text}: SALD / SAL, worst seed", float((after / before).max()), most=1.0),
            ]
        return claims


def run(seeds: Sequence[int], settings: Settings | None = None) -> Result:
    """Train both from the same starts, with the same queries, for as many steps."""
    chosen = settings or Settings()
    samples = chosen.samples(BOOT, seeds)
    found = chosen.learned({"SAL": sal, "SALD": sald(chosen.weight)}, samples, seeds)
    lattice = chosen.lattice
    distance, direction = BOOT.distance(lattice.points)
    learned = {name: _measured(networks, lattice, distance, direction) for name, networks in found.items()}
    return Result(BOOT, lattice, lattice.square(distance), samples.points[0].numpy(), learned)


def _measured(networks: Networks, lattice: Lattice, distance: Tensor, direction: Tensor) -> Learned:
    values, gradients = on_lattice(networks, lattice)
    off = (gradients - direction).norm(dim=-1).minimum((gradients + direction).norm(dim=-1))
    return Learned(
        lattice.square(values),
        (values.abs() - distance).abs().mean(dim=1).numpy(),
        off.mean(dim=1).numpy(),
    )
