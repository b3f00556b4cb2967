"""Network and loss of ConvONet.

Legend: B shapes, N queries per shape, M surface points, T cells of all maps, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from shapesys.errors import ShapesysError
from shapesys.families.base import Batch, Objective, Terms, TrainingData
from shapesys.families.convonet.config import ConvONetConfig
from shapesys.families.convonet.windows import TrainingWindows, training_windows
from shapesys.families.fields.occupancy import noisy_inputs, occupancy_terms
from shapesys.families.fields.occupancy_config import LEVEL
from shapesys.nets.feature_maps import read_features

MOST_IN_VAIN = 20
"""Steps in a row without a query in any window."""


class ConvONetObjective(Objective):
    """Cross entropy of the inside bits of queries, given a noisy cloud."""

    def __init__(self, config: ConvONetConfig) -> None:
        super().__init__()
        self.config = config
        self.space = config.space()
        self.encoder = config.encoder()
        self.decoder = config.decoder()
        self._in_vain = 0

    def forward(self, batch: Batch) -> Terms:
        """The loss as released: summed over a shape's queries, averaged over shapes.

        Args:
            batch: points (B, N, 3), inside (B, N), surface (B, M, 3), noise_seed (B,).

        The statistics `iou` and `accuracy` are of the queries, at the level 0.2 of the released validation.
        """
        if self.config.core:
            return self._of_windows(training_windows(batch, self.config))
        clouds = noisy_inputs(batch, self.config.input_points, self.config.input_noise)
        logits = self.logits(batch["points"], self.encoder(clouds))
        return occupancy_terms(logits, batch["inside"], LEVEL)

    def _of_windows(self, windows: TrainingWindows) -> Terms:
        """The same of a window of each scene. The statistic `windows` is the share of them with any query."""
        self._refuse_no_queries(windows)
        logits = self.logits(windows.queries, self.encoder(windows.clouds))
        terms = occupancy_terms(logits, windows.inside, LEVEL, windows.weights)
        return Terms(terms.losses, {**terms.statistics, "windows": windows.weights.mean()})

    def _refuse_no_queries(self, windows: TrainingWindows) -> None:
        """Stop what would learn nothing.

        Raises:
            ShapesysError: step after step, no query lay in a window.
        """
        self._in_vain = 0 if bool(windows.weights.any()) else self._in_vain + 1
        if self._in_vain >= MOST_IN_VAIN:
            raise ShapesysError(
                f"in {self._in_vain} steps no query lay within {0.5 * self.config.answered:g} of a window's centre, "
                "for which it answers; where scenes are in another unit, change --model.core and --model.side; else "
                "prepare with more queries near surfaces (--inside.near-share), or take more of them "
                "(--train.points-per-shape)"
            )

    def logits(self, queries: Tensor, table: Tensor) -> Tensor:
        """(B, N) logits of being inside, of queries (B, N, 3) amid features (B, T, C)."""
        features = read_features(table, *self.space.reads(queries))
        logits: Tensor = self.decoder(self.space.positions(queries), features)
        return logits.to(torch.promote_types(logits.dtype, torch.float32))


def build(config: ConvONetConfig, data: TrainingData) -> ConvONetObjective:
    """Fresh weights."""
    return ConvONetObjective(config)
