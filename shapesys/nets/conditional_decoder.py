"""The decoder of Occupancy Networks (Mescheder et al., CVPR 2019): a query's position, and norms that a code steers.

Nothing in it is local: what tells shapes apart is how each norm scales and shifts every channel.

Legend: B shapes, N queries, C channels of the code, H hidden units.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from shapesys.nets.batch_norm import BatchNorm
from shapesys.nets.linear import PointLinear, in_full


class ConditionalDecoder(nn.Module):
    """3,548,417 parameters for the published 512 channels of the code, 256 hidden units and 5 blocks.

    It starts without regard to the code, and its blocks as their shortcuts.

    Args:
        code: C.
        hidden: H.
        blocks: residual blocks.
    """

    def __init__(self, code: int = 512, hidden: int = 256, blocks: int = 5) -> None:
        super().__init__()
        self.position = nn.Linear(3, hidden)
        self.blocks = nn.ModuleList(ConditionalBlock(code, hidden) for _ in range(blocks))
        self.norm = ConditionalNorm(code, hidden)
        self.out = PointLinear(hidden, 1)

    def forward(self, queries: Tensor, code: Tensor) -> Tensor:
        """Queries (B, N, 3) and codes (B, C) -> logits (B, N) of being inside."""
        x = in_full(self.position, queries)
        for block in self.blocks:
            x = block(x, code)
        logits: Tensor = self.out(self.norm(x, code).relu())
        return logits.squeeze(-1)


class ConditionalBlock(nn.Module):
    """x + W_1 relu(norm(W_0 relu(norm(x)))), the norms steered by the code; W_1 starts at zero."""

    def __init__(self, code: int, hidden: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(ConditionalNorm(code, hidden) for _ in range(2))
        self.first = PointLinear(hidden, hidden)
        self.second = PointLinear(hidden, hidden)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """(B, N, H) and (B, C) -> (B, N, H)."""
        before, between = self.norms
        change: Tensor = self.second(between(self.first(before(x, code).relu()), code).relu())
        return x + change


class ConditionalNorm(nn.Module):
    """Batch norm over all shapes' queries, then a scale and a shift of each channel that depend on the shape's code.

    They start as 1 and 0 for every code.

    Args:
        code: C.
        hidden: H.
    """

    def __init__(self, code: int, hidden: int) -> None:
        super().__init__()
        self.norm = BatchNorm(hidden, affine=False)
        self.scale, self.shift = nn.Linear(code, hidden), nn.Linear(code, hidden)
        for layer, bias in ((self.scale, 1.0), (self.shift, 0.0)):
            nn.init.zeros_(layer.weight)
            nn.init.constant_(layer.bias, bias)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """(B, N, H) and (B, C) -> (B, N, H)."""
        with torch.autocast(x.device.type, enabled=False):
            code = code.to(self.scale.weight.dtype)
            scale, shift = self.scale(code).unsqueeze(1), self.shift(code).unsqueeze(1)
        if self.training:
            return torch.addcmul(shift, self.norm(x), scale)
        # Both scales and both shifts as one: the running statistics are the same for all queries.
        usual_scale, usual_shift = self.norm.folded_running()
        return torch.addcmul(torch.addcmul(shift, scale, usual_shift), x, scale * usual_scale)
