"""Dropout with few random bits: the masks cost a tenth of a matrix product instead of a whole one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Noise = Sequence[torch.Generator]
"""One generator per shape of a batch, or none: then the default generator serves all."""

LANES = 4  # 16-bit lanes in one 64-bit draw
STEPS = 1 << 16


def quantised(probability: float) -> float:
    """The drop probability in 1/65536 steps, which is what the masks realise and what the rescaling inverts."""
    return round(probability * STEPS) / STEPS


def shape_noise(seeds: Tensor | None, device: torch.device) -> Noise:
    """One generator per shape from seeds (B,) int64, so that a shape's masks do not depend on its neighbours."""
    if seeds is None:
        return ()
    return [torch.Generator(device).manual_seed(seed) for seed in seeds.tolist()]


def kept_lanes(shape: torch.Size, probability: float, device: torch.device, noise: Noise = ()) -> Tensor:
    """int16 tensor of ones (kept, with chance 1 - `quantised(probability)`) and zeros.

    One 64-bit draw serves four elements. With `noise`, the leading dimension is cut evenly among its generators;
    otherwise the default generator draws everything. Generator state alone decides the mask.
    """
    parts = len(noise) or 1
    per_part = shape.numel() // parts
    draws = torch.empty(parts, -(-per_part // LANES), dtype=torch.int64, device=device)
    generators: Sequence[torch.Generator | None] = noise or [None]
    for row, generator in zip(draws, generators, strict=True):
        row.random_(-(2**63), None, generator=generator)
    lanes = draws.view(torch.int16)[:, :per_part]
    threshold = round(probability * STEPS) - STEPS // 2
    kept = torch.empty(lanes.shape, dtype=torch.int16, device=device)
    return torch.ge(lanes, threshold, out=kept).view(shape)


def relu_dropout_(pre: Tensor, probability: float, noise: Noise = ()) -> Tensor:
    """relu, then dropout without its rescaling, in place on a contiguous pre-activation that no one else has saved.

    The caller multiplies by 1 / (1 - `quantised(probability)`), most cheaply on the next layer's weights. Dropped
    elements are zeroed before the relu, whose own gradient is zero there, so no mask is kept for the backward pass.
    """
    if probability == 0.0:
        return pre.relu_()
    if torch.compiler.is_compiling():
        return pre.relu() * torch.empty_like(pre).bernoulli_(1.0 - quantised(probability))
    kept = kept_lanes(pre.shape, probability, pre.device, noise)
    if pre.element_size() == kept.element_size():
        pre.detach().view(torch.int16).mul_(kept)  # bits times 0 or 1: a fifth of the cost of a mixed product
    else:
        pre.detach().mul_(kept)
    return pre.relu_()


def dropout(x: Tensor, probability: float, training: bool, noise: Noise = ()) -> Tensor:
    """x (B, ...) with elements zeroed at random and the others scaled up, as `nn.Dropout`, by each shape's noise."""
    if not training or probability == 0.0:
        return x
    kept = kept_lanes(x.shape, probability, x.device, noise)
    return x * kept.to(x.dtype).mul_(1.0 / (1.0 - quantised(probability)))
