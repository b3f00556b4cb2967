"""Feature propagation: from coarse points back to fine ones (PointNet++, Qi et al., NeurIPS 2017, section 3.4).

The first product is taken per coarse point, before interpolation: W [sum_k w_k g_k, f] = sum_k w_k (Wg g_k) + Wf f.

Legend: B shapes, N points, S coarse points, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from shapesys.nets.linear import linear
from shapesys.nets.point_ops import Weighting, three_interpolate, three_nearest
from shapesys.nets.shared_mlp import SharedMLP


class FeaturePropagation(nn.Module):
    """Interpolates coarse features from the three nearest, joins the points' own, and applies a shared MLP.

    Args:
        coarse: channels of the coarse features.
        own: channels of the points' own features; 0 for none.
        widths: channels of the MLP.
        weighting: see `three_nearest`.
    """

    def __init__(self, coarse: int, own: int, widths: tuple[int, ...], weighting: Weighting = "floor") -> None:
        super().__init__()
        self.coarse = coarse
        self.weighting: Weighting = weighting
        self.mlp = SharedMLP(coarse + own, widths)

    def forward(self, points: Tensor, coarse_points: Tensor, own: Tensor | None, coarse: Tensor) -> Tensor:
        """points (B, N, 3), coarse points (B, S, 3), own features (B, N, C) or None, coarse ones (B, S, C')
        -> (B, N, widths[-1])."""
        weight = self.mlp.first_weight
        first = linear(coarse, weight[:, : self.coarse])
        if coarse.shape[1] == 1:
            first = first.expand(-1, points.shape[1], -1)
        else:
            with torch.autocast(points.device.type, enabled=False):
                first = three_interpolate(first, *three_nearest(points, coarse_points, self.weighting))
        if own is not None:
            first = first + linear(own, weight[:, self.coarse :])
        return self.mlp.from_first(first)
