"""Maxima with their places, and pooling over the points of a cloud with them.

torch's maximum with indices runs on CPUs at a twentieth of the speed of the one without. There, value and place share
one integer, whose maximum needs no index; blocks are few enough to stay near the core.

Legend: B groups, N places, C channels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CPU_BLOCK = 1 << 18


def largest(x: Tensor) -> tuple[Tensor, Tensor]:
    """(B, C) the largest of x (B, N, C) along N, and its place, an integer of torch's choice or int32; no gradients.

    Among equals, the last on CPUs below double precision, any elsewhere.
    """
    if not packs(x):
        return x.max(dim=1)
    step = max(1, CPU_BLOCK // (x.shape[0] * x.shape[2]))
    best: Tensor | None = None
    for start in range(0, x.shape[1], step):
        block = x[:, start : start + step]
        keys = tagged(block, torch.arange(start, start + block.shape[1]).unsqueeze(1)).amax(dim=1)
        best = keys if best is None else torch.maximum(best, keys)
    assert best is not None
    values, places = untagged(best)
    return values.to(x.dtype), places


def max_and_mean(x: Tensor) -> Tensor:
    """(B, 2 C) maximum and mean of x (B, N, C) over N; the gradient of a maximum goes to one place."""
    pooled: Tensor = _Pooled.apply(x, True)
    return pooled


def max_over_points(x: Tensor) -> Tensor:
    """(B, C) maximum of x (B, N, C) over N; the gradient of a maximum goes to one place."""
    pooled: Tensor = _Pooled.apply(x, False)
    return pooled


class _Pooled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, with_mean: bool) -> Tensor:
        values, places = largest(x)
        ctx.save_for_backward(places)
        ctx.shape = x.shape
        return torch.cat([values, x.mean(dim=1)], dim=1) if with_mean else values

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (places,) = ctx.saved_tensors
        size, channels = ctx.shape[1:]
        of_max, of_mean = gradients[0][:, :channels], gradients[0][:, channels:]
        if of_mean.shape[1]:
            of_x = (of_mean / size).unsqueeze(1).expand(-1, size, -1).contiguous()
        else:
            of_x = of_max.new_zeros(ctx.shape)
        return of_x.scatter_add_(1, places.long().unsqueeze(1), of_max.unsqueeze(1)), None


def packs(x: Tensor) -> bool:
    """Whether value and place of x are to share one integer."""
    return x.device.type == "cpu" and x.dtype != torch.float64


def tagged(x: Tensor, tags: Tensor) -> Tensor:
    """int64 in the order of x, at most float32, with a tag of 32 bits in the lower half."""
    bits = x.float().contiguous().view(torch.int32)
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # negative floats grow as their bits shrink
    return ordered.to(torch.int64).bitwise_left_shift_(32).bitwise_or_(tags)


def untagged(keys: Tensor) -> tuple[Tensor, Tensor]:
    """The float32 values and int32 tags of `tagged`."""
    ordered = (keys >> 32).to(torch.int32)
    return (ordered ^ ((ordered >> 31) & 0x7FFFFFFF)).view(torch.float32), keys.to(torch.int32)
