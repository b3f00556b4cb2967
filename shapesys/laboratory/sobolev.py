"""Sobolev training of f(x) = max{ax, bx} + c: what derivatives are worth in samples (Czarnecki et al., NeurIPS 2017).

Right of 0 the slope is the greater of a and b, left of 0 the lesser. A sample with its derivative tells one slope and,
with it, c: two, one on each side, determine the function. Without derivatives two values stand against three unknowns,
and functions that meet both are a family of one parameter.

Legend: D fits, C numbers of samples, K samples, N points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from shapesys.config.base import Config, setting
from shapesys.geometry.mesh import Floats
from shapesys.laboratory.claim import Claim
from shapesys.laboratory.fitting import Error, Samples, Schedule, sobolev, squared, trained
from shapesys.laboratory.functions import Functions
from shapesys.laboratory.networks import Networks, Shape

VALUES, DERIVATIVES = "values alone", "values and derivatives"
ERRORS: Mapping[str, Error] = {VALUES: squared, DERIVATIVES: sobolev}


class Settings(Config):
    """Of the experiment."""

    right: float = setting(1.6, help="slope right of 0")
    left: float = setting(-0.4, help="slope left of 0, less than the other")
    offset: float = setting(0.2, help="c")
    counts: tuple[int, ...] = setting((2, 4, 8, 16, 32), help="numbers of samples, as many on either side of 0")
    fits: int = setting(8, help="fits for every seed, each from samples and a start of its own", ge=1)
    points: int = setting(401, help="points over [-1, 1] at which errors are taken", ge=16)
    formula_steps: int = setting(600, help="steps of the formula's descent", ge=1)
    formula_rate: float = setting(0.1, help="its learning rate at first", gt=0)
    network_steps: int = setting(400, help="steps of the networks' descent", ge=1)
    network_rate: float = setting(5e-3, help="their learning rate at first", gt=0)

    def target(self, x: Tensor) -> Tensor:
        """The function that is to be recovered."""
        return torch.maximum(self.right * x, self.left * x) + self.offset

    def samples(self, count: int, seeds: Sequence[int]) -> Samples:
        """Each seed's own, by turns left and right of 0."""
        drawn = [torch.rand(count, 1, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        points = torch.stack(drawn)
        points[:, ::2] *= -1.0
        slopes = torch.where(points > 0, self.right, self.left)
        return Samples(points, self.target(points).squeeze(-1), slopes)


@dataclass(frozen=True)
class Fits:
    """What was fitted with one kind of knowledge.

    Attributes:
        formula: (C, D) mean |difference| from the target over [-1, 1], of the formula.
        network: (C, D) of networks.
        at_samples: (D,) mean |difference| of the formula at its samples, for the least number.
        through: (m, N) the formula from several starts, all fitted to the first fit's samples, the least number.
        learned: (N,) the first fit's network, for the least number.
    """

    formula: Floats
    network: Floats
    at_samples: Floats
    through: Floats
    learned: Floats


@dataclass(frozen=True)
class Result:
    """Fits with derivatives and without.

    Attributes:
        x: (N,) evenly over [-1, 1].
        target: (N,).
        counts: C numbers of samples.
        places: (K,) the least number of samples, of the first fit.
        levels: (K,) the target there.
        fits: by what is known.
    """

    x: Floats
    target: Floats
    counts: tuple[int, ...]
    places: Floats
    levels: Floats
    fits: Mapping[str, Fits]

    def claims(self) -> list[Claim]:
        few, known, plain = self.counts[0], self.fits[DERIVATIVES], self.fits[VALUES]
        met = max(float(fit.at_samples.max()) for fit in self.fits.values())
        share = float((known.network.mean(axis=1) / plain.network.mean(axis=1)).max())
        exact, free = float(known.formula[0].max()), float(np.median(plain.formula[0]))
        near, far = float(np.median(known.network[0])), float(np.median(plain.network[0]))
        return [
            Claim(f"formula, {few} samples: error at the samples, worst fit of both kinds", met, most=1e-3),
            Claim(f"formula, {few} samples with derivatives: mean error, worst fit", exact, most=1e-3),
            Claim(f"formula, {few} samples: mean error, median fit", free, least=0.05),
            Claim(f"network, {few} samples with derivatives: mean error, median fit", near, most=0.05),
            Claim(f"network, {few} samples: mean error, median fit", far, least=0.1),
            Claim("network: error with derivatives / without, worst number of samples", share, most=1.0),
        ]


class Formula(Functions):
    """D functions max{ax, bx} + c.

    Args:
        seeds: D seeds, one for the start of each.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        super().__init__()
        drawn = [torch.randn(3, 1, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        self.parts = nn.Parameter(torch.stack(drawn))

    def forward(self, points: Tensor) -> Tensor:
        return self.with_gradients(points)[0]

    def with_gradients(self, points: Tensor) -> tuple[Tensor, Tensor]:
        a, b, c = self.parts.unbind(dim=1)
        x = points.squeeze(-1)
        slopes = torch.where(a * x >= b * x, a, b)
        return slopes * x + c, slopes.unsqueeze(-1)


def run(seeds: Sequence[int], settings: Settings | None = None) -> Result:
    """Fit the formula and networks to ever more samples, with derivatives and without."""
    chosen = settings or Settings()
    each = [seed * chosen.fits + fit for seed in seeds for fit in range(chosen.fits)]
    x = torch.linspace(-1.0, 1.0, chosen.points)
    first = chosen.samples(chosen.counts[0], each[:1])
    return Result(
        x.numpy(),
        chosen.target(x).numpy(),
        chosen.counts,
        first.points.flatten().numpy(),
        first.values.flatten().numpy(),
        {known: _fits(error, each, chosen, x) for known, error in ERRORS.items()},
    )


def _fits(error: Error, seeds: Sequence[int], settings: Settings, x: Tensor) -> Fits:
    """Everything that is fitted with one kind of knowledge; the same samples and starts for either kind."""
    formula, networks = Formula(seeds), Networks(Shape(1, radius=1.0), seeds)
    to_formula = Schedule(settings.formula_steps, settings.formula_rate)
    to_networks = Schedule(settings.network_steps, settings.network_rate)
    samples = [settings.samples(count, seeds) for count in settings.counts]
    found = [trained(formula, error, own, to_formula) for own in samples]
    learned = [trained(networks, error, own, to_networks)(x[:, None]).detach() for own in samples]
    # The same samples for all: what these leave open shows in how the fits differ.
    few = settings.samples(settings.counts[0], [seeds[0]] * settings.fits)
    through = trained(Formula(seeds[: settings.fits]), error, few, to_formula)
    target = settings.target(x)
    return Fits(
        formula=np.stack([_mean_difference(one(x[:, None]), target) for one in found]),
        network=np.stack([_mean_difference(values, target) for values in learned]),
        at_samples=_mean_difference(found[0](samples[0].points), samples[0].values),
        through=through(x[:, None]).detach().numpy(),
        learned=learned[0][0].numpy(),
    )


def _mean_difference(values: Tensor, target: Tensor) -> Floats:
    """(D, N) -> (D,)."""
    found: Floats = (values - target).abs().mean(dim=1).detach().numpy()
    return found
