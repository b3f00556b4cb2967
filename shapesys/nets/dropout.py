"""Dropout with few random bits: the masks cost a tenth of a matrix product instead of a whole one."""

from __future__ import annotations

import torch
from torch import Tensor

LANES = 4  # 16-bit lanes in one 64-bit draw
STEPS = 1 << 16


def quantised(probability: float) -> float:
    """The drop probability in 1/65536 steps, which is what the masks realise and what the rescaling inverts."""
    return round(probability * STEPS) / STEPS


def kept_lanes(shape: torch.Size, probability: float, device: torch.device) -> Tensor:
    """int16 tensor of ones (kept, with chance 1 - `quantised(probability)`) and zeros, from the default generator.

    One 64-bit draw serves four elements; the generator's state alone decides the mask, so a checkpointed state resumes
    the same sequence.
    """
    count = shape.numel()
    draws = torch.empty(-(-count // LANES), dtype=torch.int64, device=device).random_(-(2**63), None)
    lanes = draws.view(torch.int16)[:count]
    threshold = round(probability * STEPS) - STEPS // 2
    return torch.ge(lanes, threshold, out=torch.empty_like(lanes)).view(shape)


def relu_dropout_(pre: Tensor, probability: float) -> Tensor:
    """relu, then dropout without its rescaling, in place on a contiguous pre-activation that no one else has saved.

    The caller multiplies by 1 / (1 - `quantised(probability)`), most cheaply on the next layer's weights. Dropped
    elements are zeroed before the relu, whose own gradient is zero there, so no mask is kept for the backward pass.
    """
    if probability == 0.0:
        return pre.relu_()
    if torch.compiler.is_compiling():
        return pre.relu() * torch.empty_like(pre).bernoulli_(1.0 - quantised(probability))
    kept = kept_lanes(pre.shape, probability, pre.device)
    if pre.element_size() == kept.element_size():
        pre.detach().view(torch.int16).mul_(kept)  # bits times 0 or 1: a fifth of the cost of a mixed product
    else:
        pre.detach().mul_(kept)
    return pre.relu_()
