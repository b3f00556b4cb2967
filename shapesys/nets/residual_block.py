"""The fully connected residual block of Occupancy Networks (Mescheder et al., CVPR 2019)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from shapesys.nets.linear import PointLinear


class ResidualBlock(nn.Module):
    """x W_s + W_1 relu(W_0 relu(x)) of every row; W_1 starts at zero, so that a block begins as its shortcut.

    Args:
        inputs: channels of x.
        outputs: of what is returned; without a W_s where they are as many.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = PointLinear(inputs, min(inputs, outputs))
        self.second = PointLinear(min(inputs, outputs), outputs)
        self.shortcut = None if inputs == outputs else PointLinear(inputs, outputs, bias=False)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        change = self.second(torch.relu(self.first(torch.relu(x))))
        kept: Tensor = x if self.shortcut is None else self.shortcut(x)
        return kept + change
