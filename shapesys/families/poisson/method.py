"""The settings of Poisson reconstruction in the place where other families have a network."""

from __future__ import annotations

from shapesys.families.base import Batch, Objective, Terms, TrainingData
from shapesys.families.poisson.config import PoissonConfig


class PoissonMethod(Objective):
    """Settings, and no parameters."""

    def __init__(self, config: PoissonConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, batch: Batch) -> Terms:
        """Never asked for: nothing is trained.

        Raises:
            TypeError: always.
        """
        raise TypeError("Poisson reconstruction has no parameters, and so no loss")


def build(config: PoissonConfig, data: TrainingData) -> PoissonMethod:
    """The settings, whatever the data."""
    return PoissonMethod(config)
