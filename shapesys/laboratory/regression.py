"""Sign-agnostic regression on the line: which loss keeps a sign change, and which loses it.

The unsigned distance to a point x0 is learned by networks that start as x. SAL (Atzmon and Lipman, CVPR 2020) explains
its loss by this case.

Legend: S seeds, N points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from shapesys.config.base import Config, setting
from shapesys.geometry.mesh import Floats
from shapesys.laboratory.claim import Claim
from shapesys.laboratory.fitting import Error, Samples, Schedule, absolute, sal, squared, trained
from shapesys.laboratory.networks import Networks, Shape

ERRORS: Mapping[str, Error] = {"sign-agnostic": sal, "L1": absolute, "L2": squared}


class Settings(Config):
    """Of the experiment."""

    place: float = setting(0.3, help="x0", gt=-1, lt=1)
    points: int = setting(201, help="samples, evenly over [-1, 1]", ge=16)
    width: int = setting(64, help="units of a hidden layer", ge=1)
    layers: int = setting(2, help="hidden layers", ge=1)
    steps: int = setting(500, help="steps of the descent", ge=1)
    rate: float = setting(1e-2, help="learning rate at first", gt=0)


@dataclass(frozen=True)
class Result:
    """Networks before and after.

    Attributes:
        x: (N,).
        place: x0.
        start: (S, N) values of the networks before.
        found: name of a loss -> (S, N) values after.
    """

    x: Floats
    place: float
    start: Floats
    found: Mapping[str, Floats]

    @property
    def unsigned(self) -> Floats:
        """(N,) |x - x0|."""
        return np.abs(self.x - self.place)

    def signed_error(self, name: str) -> Floats:
        """(S,) mean difference from x - x0 or from x0 - x, whichever is less."""
        both = (np.abs(self.found[name] - sign * (self.x - self.place)).mean(axis=1) for sign in (1.0, -1.0))
        return np.minimum(*both)

    def unsigned_error(self, name: str) -> Floats:
        """(S,) mean difference from |x - x0|."""
        return np.abs(self.found[name] - self.unsigned).mean(axis=1)

    def crossings(self, name: str) -> list[Floats]:
        """For each seed, the places where the network changes its sign."""
        return [_crossings(self.x, values) for values in self.found[name]]

    def claims(self) -> list[Claim]:
        crossings = self.crossings("sign-agnostic")
        farthest = max(float(np.abs(places - self.place).max(initial=0.0)) for places in crossings)
        once = float(np.mean([len(places) == 1 for places in crossings]))
        error = float(self.signed_error("sign-agnostic").max())
        claims = [
            Claim("sign-agnostic: mean |f ∓ (x − x₀)|, worst seed", error, most=0.01),  # noqa: RUF001
            Claim("sign-agnostic: share of seeds with one sign change", once, 1, 1),
            Claim("sign-agnostic: distance of the sign change from x₀, worst seed", farthest, most=0.02),
        ]
        for name in ("L1", "L2"):
            changes = max(len(places) for places in self.crossings(name))
            claims += [
                Claim(f"{name}: mean |f − h|, worst seed", float(self.unsigned_error(name).max()), most=0.05),  # noqa: RUF001
                Claim(f"{name}: sign changes, most of any seed", changes, 0, 0),
            ]
        return claims


def run(seeds: Sequence[int], settings: Settings | None = None) -> Result:
    """Fit every loss from the same starts."""
    chosen = settings or Settings()
    x = torch.linspace(-1.0, 1.0, chosen.points).expand(len(seeds), -1)
    samples = Samples(x.unsqueeze(-1), (x - chosen.place).abs(), (x - chosen.place).sign().unsqueeze(-1))
    # The ball [-4, 0]: of its two ends [-1, 1] holds one, of its centre it sees nothing, and the start there is a line.
    start = Networks(Shape(1, chosen.width, chosen.layers, radius=2.0, centre=-2.0), seeds)
    schedule = Schedule(chosen.steps, chosen.rate, batch=chosen.points)
    found = {name: _values(trained(start, error, samples, schedule), x) for name, error in ERRORS.items()}
    return Result(x[0].numpy(), chosen.place, _values(start, x), found)


def _values(networks: Networks, x: Tensor) -> Floats:
    values: Floats = networks(x.unsqueeze(-1)).detach().numpy()
    return values


def _crossings(x: Floats, values: Floats) -> Floats:
    """Where the straight lines between the points change their sign."""
    at = np.flatnonzero(np.diff(values < 0))
    share = values[at] / (values[at] - values[at + 1])
    return x[at] + share * (x[at + 1] - x[at])
