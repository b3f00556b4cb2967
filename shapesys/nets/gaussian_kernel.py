"""Gaussian kernels between points, isotropic and anisotropic (TDGN, arXiv 2010.08276, equations 4 and 7).

    K(x, z) = exp(-sum_d (x_d - z_d)^2 / width_d^2)

without the factor 2 of a normal distribution, as the paper has it. One product of matrices gives all distances, and two
give all gradients; no table of differences exists. Positions are taken relative to the middle of the training points,
so that shapes far from the origin lose no digits.

Legend: B machines, M queries, N training points, D dimensions.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def gaussian_kernel(queries: Tensor, points: Tensor, width: Tensor) -> Tensor:
    """(B, M, N) between queries (B, M, D) and training points (B, N, D), in single precision at least.

    Args:
        width: (B, 1) of all dimensions, or (B, D) of each; not 0.
    """
    dtype = torch.promote_types(queries.dtype, torch.float32)
    kernel: Tensor = _Gaussian.apply(queries.to(dtype), points.to(dtype), width.to(dtype))
    return kernel


class _Gaussian(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, points: Tensor, width: Tensor) -> Tensor:
        middle, inverse = points.mean(dim=1, keepdim=True), width.reciprocal().unsqueeze(1)
        asked, trained = (queries - middle) * inverse, (points - middle) * inverse
        squared = torch.baddbmm(asked.square().sum(-1, keepdim=True), asked, trained.transpose(1, 2), alpha=-2.0)
        squared += trained.square().sum(-1).unsqueeze(1)
        kernel = squared.clamp_(min=0.0).neg_().exp_()
        ctx.save_for_backward(asked, trained, width, kernel)
        return kernel

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        asked, trained, width, kernel = ctx.saved_tensors
        weights = -2.0 * gradients[0] * kernel
        on_asked = asked * weights.sum(dim=2, keepdim=True) - weights @ trained
        on_trained = trained * weights.sum(dim=1).unsqueeze(2) - weights.transpose(1, 2) @ asked
        inverse = width.reciprocal()
        # Moving all positions together changes nothing, so that the middle has no gradient of its own.
        scaled = (on_asked * asked).sum(dim=1) + (on_trained * trained).sum(dim=1)
        on_width = -scaled * inverse
        if width.shape[1] == 1:
            on_width = on_width.sum(dim=1, keepdim=True)
        return on_asked * inverse.unsqueeze(1), on_trained * inverse.unsqueeze(1), on_width
