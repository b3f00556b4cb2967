"""Networks and loss of TDGN.

Legend: B shapes, N training points, M queries, C features.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from shapesys.families.base import Batch, Objective, Terms, TrainingData
from shapesys.families.fields.encoded import shown
from shapesys.families.fields.occupancy import occupancy_terms
from shapesys.families.tdgn.config import TDGNConfig
from shapesys.families.tdgn.machine import Machines, train_machines
from shapesys.nets.svm import SvmStatus
from shapesys.nets.training_set import labels_of

LEVEL = 0.5
"""Probability of being inside on the surface: where the machine says 0."""
BETA = 5.0
"""Scale of what the machine says, at first."""


class TDGNObjective(Objective):
    """Cross entropy of the inside bits of queries, as a machine classifies them that was trained on written points.

    Attributes:
        log_beta: () logarithm of the scale of equation 6, which stays positive so.
    """

    labels: Tensor

    def __init__(self, config: TDGNConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = config.encoder_network()
        self.generator = config.generator()
        self.embedding = config.bend()
        self.log_beta = nn.Parameter(torch.tensor(math.log(BETA)))
        self.register_buffer("labels", labels_of(config.points), persistent=False)

    def forward(self, batch: Batch) -> Terms:
        """Equation 6: summed over a shape's queries, averaged over shapes.

        Args:
            batch: points (B, M, 3), inside (B, M), noise_seed (B,); surface (B, n, 3) or picture (B, 3, S, S).

        Statistics beside `iou` and `accuracy`: `support`, the share of training points with a weight, `beta`, and
        `without_free`, the share of machines whose weights do not move with their points.
        """
        code = self.encoder(shown(batch, self.config))
        machines = self.machines(code)
        terms = occupancy_terms(self.logits(batch["points"], machines, code), batch["inside"], LEVEL)
        more = {
            "support": (machines.alpha.detach() > 0).float().mean(),
            "beta": self.log_beta.detach().exp(),
            "without_free": (machines.status & int(SvmStatus.NO_FREE) > 0).float().mean().to(code.device),
        }
        return Terms(terms.losses, {**terms.statistics, **more})

    def machines(self, code: Tensor) -> Machines:
        """Of codes (B, C)."""
        points, width = self.generator(code)
        return train_machines(points, self.embedded(points, code), width, self.labels, self.config)

    def embedded(self, positions: Tensor, code: Tensor) -> Tensor:
        """(B, M, 3) where positions (B, M, 3), in units of half the side, are classified."""
        return positions if self.embedding is None else self.embedding(positions, code)

    def logits(self, queries: Tensor, machines: Machines, code: Tensor) -> Tensor:
        """(B, M) logits of being inside, of queries (B, M, 3)."""
        said = machines.say(self.embedded(queries / (0.5 * self.config.side), code))
        return self.log_beta.exp() * said


def build(config: TDGNConfig, data: TrainingData) -> TDGNObjective:
    """Fresh weights."""
    return TDGNObjective(config)
