"""What the experiments of the plane share: the settings of their networks, and how these are measured on a lattice.

Legend: S seeds, R lattice points along an axis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from shapesys.config.base import Config, setting
from shapesys.laboratory.curve import Curve, Queries
from shapesys.laboratory.fitting import Error, Samples, Schedule, trained
from shapesys.laboratory.lattice import Lattice
from shapesys.laboratory.networks import Networks, Shape


class PlaneSettings(Config):
    """Of networks that learn the distance to a curve, and of the lattice on which they are measured."""

    width: int = setting(64, help="units of a hidden layer", ge=1)
    layers: int = setting(3, help="hidden layers", ge=1)
    radius: float = setting(0.5, help="of the circle that the networks start as", gt=0)
    steps: int = setting(500, help="steps of the descent", ge=1)
    rate: float = setting(5e-3, help="learning rate at first", gt=0)
    queries: int = setting(20_480, help="points with a known distance, for every seed", ge=2)
    weight: float = setting(0.1, help="of SALD's gradient term", ge=0)
    resolution: int = setting(161, help="lattice points along an axis of [-1, 1]^2", ge=8)

    @property
    def lattice(self) -> Lattice:
        return Lattice(self.resolution)

    def samples(self, curve: Curve, seeds: Sequence[int]) -> Samples:
        """Every seed's queries about a curve."""
        return Queries(self.queries).of(curve, seeds)

    def learned(self, errors: Mapping[str, Error], samples: Samples, seeds: Sequence[int]) -> dict[str, Networks]:
        """Networks by name of the error that they were trained with, from the same starts, in the same batches."""
        start = Networks(Shape(2, self.width, self.layers, self.radius), seeds)
        schedule = Schedule(self.steps, self.rate)
        return {name: trained(start, error, samples, schedule) for name, error in errors.items()}


@torch.no_grad()
def on_lattice(networks: Networks, lattice: Lattice) -> tuple[Tensor, Tensor]:
    """(S, R * R) values and (S, R * R, 2) spatial gradients."""
    return networks.with_gradients(lattice.points)
