"""Batch norm whose statistics are those of the whole step, however many workers share it, on CPU and on CUDA.

torch's `SyncBatchNorm` refuses tensors on the CPU. Here the sums of all workers are added up in forward and backward,
so that two workers with unequal shares normalise, and differentiate, exactly as one with everything. Rows may stand for
several equal ones, which then count as often as they would have stood there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shapesys.errors import ShapesysError

STATISTICS_ROWS = 2048
"""Rows summed at once: few enough to stay near a core, and to lose no digits of float32."""


@dataclass(frozen=True)
class Moments:
    """Mean and biased variance (C,) to normalise with, and how many rows of all workers they are of; 0: of none,
    because they are the running ones, through which no gradient flows."""

    mean: Tensor
    variance: Tensor
    rows: float


class BatchNorm(nn.Module):
    """y = (x - mean) / sqrt(variance + eps) * weight + bias, over all axes but the channels'.

    In training mode mean and variance are the batch's over all workers; `running_mean` and `running_variance` follow
    them, and are used in evaluation mode. The running variance is unbiased, the batch's biased, as in torch.

    Args:
        channels: C.
        axis: where the channels are: -1 for points (..., C), 1 for images (B, C, h, w).
        momentum: share of the newest batch in the running statistics.
        eps: added to the variance.
        affine: whether weight and bias are learned; else they are 1 and 0, and no part of what is saved.
    """

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_variance: Tensor

    def __init__(
        self, channels: int, axis: int = -1, momentum: float = 0.1, eps: float = 1e-5, affine: bool = True
    ) -> None:
        super().__init__()
        self.axis = axis
        self.momentum = momentum
        self.eps = eps
        for name, value in (("weight", torch.ones(channels)), ("bias", torch.zeros(channels))):
            if affine:
                self.register_parameter(name, nn.Parameter(value))
            else:
                self.register_buffer(name, value, persistent=False)
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_variance", torch.ones(channels))

    def forward(self, x: Tensor, copies: Tensor | None = None) -> Tensor:
        """x of any shape with C channels on `axis` -> the same shape.

        Args:
            copies: how many equal rows each row of x stands for, of x's shape without its last axis, where the
                channels then are; None for one.

        Raises:
            ShapesysError: one row alone in training, which is its own mean.
        """
        if self.training and (copies is not None or workers() > 1):
            return self._counted(x, copies)
        if self.axis != -1 or x.ndim == 2:
            return self._native(x)
        return self._native(x.reshape(-1, x.shape[-1])).view(x.shape)

    def _native(self, x: Tensor) -> Tensor:
        if self.training and x.numel() == x.shape[self.axis]:
            raise ShapesysError(
                "batch norm needs two shapes or more in each micro-batch; raise train.shapes_per_step, lower "
                "train.accumulate, or prepare more shapes"
            )
        return F.batch_norm(
            x, self.running_mean, self.running_variance, self.weight, self.bias, self.training, self.momentum, self.eps
        )

    @torch.no_grad()
    def moments(self, x: Tensor, copies: Tensor | None = None) -> Moments:
        """What `forward` would normalise rows x (R, C) with, for layers that differentiate it themselves.

        Follows the batch as `forward` does. In evaluation mode these are the running statistics.
        """
        if not self.training:
            return Moments(self.running_mean, self.running_variance, 0.0)
        rows, mean, squares = _local_moments(x, copies)
        if workers() > 1:
            pooled, count = _added(torch.cat([mean * rows, rows.view(1)])).split([len(mean), 1])
            squares = _added(squares + rows * (mean - pooled / count).square())
            mean, rows = pooled / count, count
        found = Moments(mean, squares / rows, float(rows))
        self._follow(found.mean, found.variance, found.rows)
        return found

    def folded(self, mean: Tensor, squares: Tensor, rows: int) -> tuple[Tensor, Tensor]:
        """Scale and shift (C,) such that x * scale + shift is the norm of x, for layers that never hold x.

        Follows the batch as `forward` does in training mode. Gradients flow to mean and squares.

        Args:
            mean: (C,) of this worker's rows x.
            squares: (C,) their summed squared differences from it.
            rows: how many they are.
        """
        count = float(rows)
        if workers() > 1:
            ours = torch.cat([mean * count, mean.new_tensor([count])])
            total, everyone = _summed(ours).split([len(mean), 1])
            overall = total / everyone
            squares = _summed(squares + count * (mean - overall).square())
            mean, count = overall, float(everyone.detach())
        variance = squares / count
        self._follow(mean.detach(), variance.detach(), count)
        return self._fold(mean, variance)

    def folded_running(self) -> tuple[Tensor, Tensor]:
        """As `folded`, with the running statistics, as `forward` in evaluation mode."""
        return self._fold(self.running_mean, self.running_variance)

    def _fold(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        scale = self.weight * (variance + self.eps).rsqrt()
        return scale, self.bias - mean * scale

    def _counted(self, x: Tensor, copies: Tensor | None) -> Tensor:
        axis = self.axis % x.ndim
        others = [other for other in range(x.ndim) if other != axis]
        shape = [1] * x.ndim
        shape[axis] = -1
        wide = x if x.dtype == torch.float64 else x.float()
        weight = wide.new_ones(()) if copies is None else copies.to(wide.dtype).unsqueeze(-1)
        share = wide.numel() / wide.shape[axis] if copies is None else weight.sum()
        count = torch.as_tensor(share, dtype=wide.dtype, device=x.device).view(1)
        total, count = _summed(torch.cat([(wide * weight).sum(others), count])).split([wide.shape[axis], 1])
        mean = total / count
        centred = wide - mean.view(shape)
        variance = _summed((centred.square() * weight).sum(others)) / count
        self._follow(mean.detach(), variance.detach(), float(count.detach()))
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


def workers() -> int:
    """Processes that share a step; 1 outside of distributed training."""
    ready = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if ready else 1


def summed_over_workers(x: Tensor) -> Tensor:
    """The sum of all workers' x, without gradients; x itself on one."""
    return _added(x) if workers() > 1 else x


def _local_moments(x: Tensor, copies: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Rows counted with their copies (), their mean (C,), and the summed squares around it (C,).

    One pass over x, around the mean of its first rows instead of zero, so that no digits cancel.
    """
    dtype = torch.promote_types(x.dtype, torch.float32)
    count = x.new_tensor(len(x), dtype=dtype) if copies is None else copies.sum(dtype=dtype)
    around = x[:STATISTICS_ROWS].to(dtype).mean(dim=0)
    step = STATISTICS_ROWS if x.device.type == "cpu" else max(len(x), 1)
    sums, squares = torch.zeros_like(around), torch.zeros_like(around)
    for start in range(0, len(x), step):
        offset = x[start : start + step].to(dtype) - around
        weight = offset.new_ones(len(offset)) if copies is None else copies[start : start + step].to(dtype)
        sums += weight @ offset
        squares += weight @ offset.square_()
    shift = sums / count
    return count, around + shift, (squares - sums * shift).clamp_min(0.0)


def _added(x: Tensor) -> Tensor:
    total = x.clone()
    torch.distributed.all_reduce(total)
    return total


class _Sum(torch.autograd.Function):
    """Sum over workers; what every worker's loss owes to it comes back summed as well."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _added(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _added(gradients[0])


def _summed(x: Tensor) -> Tensor:
    if workers() == 1:
        return x
    summed: Tensor = _Sum.apply(x)
    return summed
