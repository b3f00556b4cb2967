"""The peer: DeepSDF's decoder as it is usually written."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shapesys.nets.implicit_decoder import ImplicitDecoder

LATENT, HIDDEN = 256, 512


class PlainDecoder(nn.Module):
    """Code tiled over the points and concatenated, library weight norm and dropout; two heads as in ISSN."""

    def __init__(self) -> None:
        super().__init__()
        widths = [(LATENT + 3, HIDDEN)] + [(HIDDEN, HIDDEN)] * 7
        widths[3] = (HIDDEN, HIDDEN - LATENT - 3)
        self.layers = nn.ModuleList(nn.utils.parametrizations.weight_norm(nn.Linear(i, o)) for i, o in widths)
        self.head = nn.Linear(HIDDEN, 2)

    def forward(self, codes: Tensor, points: Tensor) -> Tensor:
        tiled = codes[:, None].expand(-1, points.shape[1], -1).reshape(-1, LATENT)
        entering = torch.cat([tiled, points.reshape(-1, 3)], dim=1)
        x = entering
        for index, layer in enumerate(self.layers):
            if index == 4:
                x = torch.cat([x, entering], dim=1)
            x = F.dropout(F.relu(layer(x)), 0.2, self.training)
        raw = self.head(x)
        return torch.cat([raw[:, :1].tanh(), raw[:, 1:]], dim=1).view(*points.shape[:2], 2)

    @torch.no_grad()
    def load(self, decoder: ImplicitDecoder) -> PlainDecoder:
        """Take over the weights of our decoder, so that both compute the same field."""
        for mine, theirs in zip(self.layers, decoder.layers, strict=True):
            mine.parametrizations.weight.original0.copy_(theirs.gain)
            mine.parametrizations.weight.original1.copy_(theirs.weight)
            mine.bias.copy_(theirs.bias)
        self.head.load_state_dict(decoder.head.state_dict())
        return self
