"""The peer: PointNet's classifier without transforms as it is usually written, in 1x1 convolutions."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F


class PlainPointNet(nn.Module):
    """(B, C, N) points as channels -> (B, 1) logits; batch norm after every layer, dropout before the last."""

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        widths = [channels, 64, 64, 64, 128, 1024]
        self.convolutions = nn.ModuleList(nn.Conv1d(i, o, 1) for i, o in pairwise(widths))
        self.norms = nn.ModuleList(nn.BatchNorm1d(o) for o in widths[1:])
        self.first, self.second, self.last = nn.Linear(1024, 512), nn.Linear(512, 256), nn.Linear(256, 1)
        self.first_norm, self.second_norm = nn.BatchNorm1d(512), nn.BatchNorm1d(256)

    def forward(self, x: Tensor) -> Tensor:
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = F.relu(norm(convolution(x)))
        x = F.relu(self.first_norm(self.first(x.amax(dim=2))))
        x = F.dropout(F.relu(self.second_norm(self.second(x))), 0.3, self.training)
        scores: Tensor = self.last(x)
        return scores
