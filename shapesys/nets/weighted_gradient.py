"""Features whose gradient is weighted on its way back, point by point; forwards, nothing happens.

The saliency-modified gradient of ISSN-CSL (arXiv 2012.07290, section 5.2): g_i = s_i dL/df_i.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def weighted_gradient(x: Tensor, weights: Tensor) -> Tensor:
    """x (B, N, C), bit by bit; its gradient is that of the result times weights (B, N), which get none themselves."""
    if weights.shape != x.shape[:2]:
        raise ValueError(f"weights {tuple(weights.shape)} must have one value per point of {tuple(x.shape)}")
    same: Tensor = _Weighted.apply(x, weights)
    return same


class _Weighted(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(weights)
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (weights,) = ctx.saved_tensors
        [gradient] = gradients
        return gradient * weights.to(gradient.dtype).unsqueeze(2), None
