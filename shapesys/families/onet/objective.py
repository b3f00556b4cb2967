"""Network and loss of Occupancy Networks.

Legend: B shapes, N queries per shape, M surface points, C channels of a code.
"""

from __future__ import annotations

import torch
from torch import Tensor

from shapesys.families.base import Batch, Objective, Terms, TrainingData
from shapesys.families.fields.encoded import shown
from shapesys.families.fields.occupancy import occupancy_terms
from shapesys.families.fields.occupancy_config import LEVEL
from shapesys.families.onet.config import ONetConfig


class ONetObjective(Objective):
    """Cross entropy of the inside bits of queries, given a noisy cloud or a picture."""

    def __init__(self, config: ONetConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = config.encoder_network()
        self.decoder = config.decoder()

    def forward(self, batch: Batch) -> Terms:
        """The loss as released: summed over a shape's queries, averaged over shapes.

        Args:
            batch: points (B, N, 3), inside (B, N), noise_seed (B,); surface (B, M, 3) or picture (B, 3, S, S).

        The statistics `iou` and `accuracy` are of the queries, at the level 0.2 of the released validation.
        """
        logits = self.logits(batch["points"], self.encoder(shown(batch, self.config)))
        return occupancy_terms(logits, batch["inside"], LEVEL)

    def logits(self, queries: Tensor, code: Tensor) -> Tensor:
        """(B, N) logits of being inside, of queries (B, N, 3) given codes (B, C)."""
        logits: Tensor = self.decoder(queries, code)
        return logits.to(torch.promote_types(logits.dtype, torch.float32))


def build(config: ONetConfig, data: TrainingData) -> ONetObjective:
    """Fresh weights."""
    return ONetObjective(config)
