"""Batch norm whose statistics are those of the whole step, however many workers share it, on CPU and on CUDA.

torch's `SyncBatchNorm` refuses tensors on the CPU. Here the sums of all workers are added up in forward and backward,
so that two workers with unequal shares normalise, and differentiate, exactly as one with everything.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BatchNorm(nn.Module):
    """y = (x - mean) / sqrt(variance + eps) * weight + bias, over all axes but the channels'.

    In training mode mean and variance are the batch's over all workers; `running_mean` and `running_variance` follow
    them, and are used in evaluation mode. The running variance is unbiased, the batch's biased, as in torch.

    Args:
        channels: C.
        axis: where the channels are: -1 for points (..., C), 1 for images (B, C, h, w).
        momentum: share of the newest batch in the running statistics.
        eps: added to the variance.
    """

    running_mean: Tensor
    running_variance: Tensor

    def __init__(self, channels: int, axis: int = -1, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.axis = axis
        self.momentum = momentum
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_variance", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape with C channels on `axis` -> the same shape."""
        if self.training and _workers() > 1:
            return self._synchronised(x)
        if self.axis != -1:
            return self._native(x)
        return self._native(x.reshape(-1, x.shape[-1])).view(x.shape)

    def _native(self, x: Tensor) -> Tensor:
        return F.batch_norm(
            x, self.running_mean, self.running_variance, self.weight, self.bias, self.training, self.momentum, self.eps
        )

    def _synchronised(self, x: Tensor) -> Tensor:
        axis = self.axis % x.ndim
        others = [other for other in range(x.ndim) if other != axis]
        shape = [1] * x.ndim
        shape[axis] = -1
        wide = x if x.dtype == torch.float64 else x.float()
        count = torch.full((1,), wide.numel() / wide.shape[axis], dtype=wide.dtype, device=x.device)
        total, count = _summed(torch.cat([wide.sum(others), count])).split([wide.shape[axis], 1])
        mean = total / count
        centred = wide - mean.view(shape)
        variance = _summed(centred.square().sum(others)) / count
        self._follow(mean.detach(), variance.detach(), float(count))
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale.view(shape) + self.bias.view(shape)).to(x.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: float) -> None:
        unbiased = variance * (count / max(count - 1.0, 1.0))
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_variance.lerp_(unbiased.to(self.running_variance.dtype), self.momentum)


def set_momentum(module: nn.Module, momentum: float) -> None:
    """Give every batch norm below a module this momentum."""
    for part in module.modules():
        if isinstance(part, BatchNorm):
            part.momentum = momentum


def _workers() -> int:
    ready = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if ready else 1


class _Sum(torch.autograd.Function):
    """Sum over workers; what every worker's loss owes to it comes back summed as well."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        torch.distributed.all_reduce(total)
        return total


def _summed(x: Tensor) -> Tensor:
    summed: Tensor = _Sum.apply(x)  # type: ignore[no-untyped-call]
    return summed
