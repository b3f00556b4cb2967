"""Network and loss of ConvONet.

Legend: B shapes, N queries per shape, M surface points, T cells of all maps, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from shapesys.families.base import Batch, Objective, Term, Terms, TrainingData
from shapesys.families.convonet.config import FEED_FORWARD_LEVEL, ConvONetConfig
from shapesys.families.fields.occupancy import noisy_inputs, occupancy_statistics
from shapesys.nets.feature_maps import read_features


class ConvONetObjective(Objective):
    """Cross entropy of the inside bits of queries, given a noisy cloud."""

    def __init__(self, config: ConvONetConfig) -> None:
        super().__init__()
        self.config = config
        self.space = config.space()
        self.encoder = config.encoder()
        self.decoder = config.decoder()

    def forward(self, batch: Batch) -> Terms:
        """The loss as released: summed over a shape's queries, averaged over shapes.

        Args:
            batch: points (B, N, 3), inside (B, N), surface (B, M, 3), noise_seed (B,).

        The statistics `iou` and `accuracy` are of the queries, at the level 0.2 of the released validation.
        """
        clouds = noisy_inputs(batch, self.config.input_points, self.config.input_noise)
        logits = self.logits(batch["points"], self.encoder(clouds))
        inside = batch["inside"].to(logits.dtype)
        entropy = F.binary_cross_entropy_with_logits(logits, inside, reduction="none").sum(dim=1).mean()
        return Terms({"occupancy": Term(entropy)}, occupancy_statistics(logits, inside, FEED_FORWARD_LEVEL))

    def logits(self, queries: Tensor, table: Tensor) -> Tensor:
        """(B, N) logits of being inside, of queries (B, N, 3) amid features (B, T, C)."""
        features = read_features(table, *self.space.reads(queries))
        logits: Tensor = self.decoder(queries, features)
        return logits.to(torch.promote_types(logits.dtype, torch.float32))


def build(config: ConvONetConfig, data: TrainingData) -> ConvONetObjective:
    """Fresh weights."""
    return ConvONetObjective(config)
