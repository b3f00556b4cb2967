"""Products of rows with a weight, with gradients: the fastest exact path of each device.

On CPUs torch multiplies float32 matrices with MKL, which holds back on processors of other makers. oneDNN, which torch
also brings and itself uses for bfloat16 and for compiled models, has no such limit: the same products in float32, twice
as fast where it matters, equally fast elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CPU_ROWS = 4096
"""Rows taken at once on a CPU: what is made of them stays near the core until it is used."""


NARROW = 32
"""Up to so many channels products are never reduced in precision."""


class PointLinear(nn.Module):
    """y = x W^T (+ b) for every row of x (..., inputs); torch's own start for weights."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        bound = 1.0 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        product = linear(x, self.weight)
        return product if self.bias is None else product + self.bias.to(product.dtype)


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """x W^T of (..., I) and (O, I), with gradients of the first order, in autocast's precision where it is on.

    Few channels, which are positions and what is known beside them, stay in full precision: that costs nothing, and
    rounded to bfloat16 a point would move by half a per cent of its distance from the origin.
    """
    dtype = x.dtype if x.shape[-1] <= NARROW else working_dtype(x)
    rows = x.reshape(-1, x.shape[-1]).to(dtype).contiguous()
    if not fast_products(rows):
        with torch.autocast(x.device.type, enabled=False):
            return F.linear(rows, weight.to(dtype)).view(*x.shape[:-1], len(weight))
    result: Tensor = _Linear.apply(rows, weight.contiguous())
    return result.view(*x.shape[:-1], len(weight))


def in_full(layer: nn.Linear, positions: Tensor) -> Tensor:
    """A layer of positions (..., 3) in its weights' precision, even under autocast: coordinates need their digits."""
    with torch.autocast(positions.device.type, enabled=False):
        return cast(Tensor, layer(positions.to(layer.weight.dtype)))


def working_dtype(x: Tensor) -> torch.dtype:
    """The precision in which x enters products: autocast's for what it may reduce, else its own."""
    device = x.device.type
    if torch.is_autocast_enabled(device) and x.dtype != torch.float64:
        return torch.get_autocast_dtype(device)
    return x.dtype


def fast_products(x: Tensor) -> bool:
    """Whether `product` has a faster path than torch's for x."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and _has_onednn()


@cache
def _has_onednn() -> bool:
    """The operator is torch's own and not promised to stay: another version may lack it."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def product(x: Tensor, weight: Tensor) -> Tensor:
    """x W^T of (R, I) and (O, I) of one precision, without gradients; either may be a transposed contiguous matrix,
    or rows of one, but no columns of one: oneDNN has no fast path for those."""
    if fast_products(x):
        fast: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")
        return fast
    return F.linear(x, weight)


def chunks(rows: int, device: torch.device) -> Iterator[slice]:
    """Cut rows into runs that fit a core's cache; one run elsewhere."""
    step = CPU_ROWS if device.type == "cpu" else max(rows, 1)
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, weight: Tensor) -> Tensor:
        return product(x, weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, int | None], x: Tensor, weight: Tensor) -> tuple[Tensor, int]:
        """Many networks' rows and weights: one product each, since those of a batch have no fast path here."""
        parts = [
            [one] * info.batch_size if dim is None else list(one.movedim(dim, 0).unbind())
            for one, dim in zip((x, weight), in_dims, strict=True)
        ]
        products = [_Linear.apply(rows.contiguous(), own.contiguous()) for rows, own in zip(*parts, strict=True)]
        return torch.stack(products), 0

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor]:
        x, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        of_weight = weight.new_zeros(weight.shape[::-1])
        for rows in chunks(len(x), x.device):
            of_weight += product(x[rows].t(), gradient[rows].t())
        of_x = product(gradient, weight.t()) if ctx.needs_input_grad[0] else None
        return of_x, of_weight.t()
