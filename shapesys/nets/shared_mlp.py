"""The multilayer perceptron that point networks apply to every row alike: linear, batch norm, relu, and so on.

Norm, relu and the next product are one step each way here. Only what enters a norm is kept for the backward pass, a
third of what separate operations keep, and all between is remade in the cache. Rows may stand for several equal ones
(see `BatchNorm`), and the maximum over groups of rows is taken before the last norm, which keeps or turns their order.

Legend: R rows, C channels, G groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from shapesys.nets.ball_query import Groups
from shapesys.nets.batch_norm import BatchNorm, Moments, summed_over_workers
from shapesys.nets.linear import PointLinear, chunks, linear, product, working_dtype


class SharedMLP(nn.Module):
    """Layers of linear, batch norm and relu. Linear layers have no bias, which the norm would take away again.

    Args:
        inputs: channels that enter.
        widths: channels after each layer; at least one.
    """

    def __init__(self, inputs: int, widths: Sequence[int]) -> None:
        super().__init__()
        if not widths:
            raise ValueError("widths is empty; a shared MLP has at least one layer")
        self.linears = nn.ModuleList(
            PointLinear(before, after, bias=False) for before, after in zip([inputs, *widths[:-1]], widths, strict=True)
        )
        self.norms = nn.ModuleList(BatchNorm(width) for width in widths)
        self.outputs = widths[-1]

    @property
    def first_weight(self) -> Tensor:
        """(widths[0], inputs) what multiplies the input; its product with parts of the input may be had beforehand."""
        return self._layers()[0].weight

    def _layers(self) -> list[PointLinear]:
        return [cast(PointLinear, layer) for layer in self.linears]

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        return self.from_first(linear(x, self.first_weight))

    def from_first(self, first: Tensor) -> Tensor:
        """What `forward` makes of a product with `first_weight`: (..., widths[0]) -> (..., outputs)."""
        last = self.hidden(first.reshape(-1, first.shape[-1]), None)
        return self.norms[-1](last).relu().view(*first.shape[:-1], self.outputs)

    def hidden(self, first: Tensor, copies: Tensor | None) -> Tensor:
        """From the product with `first_weight` (R, widths[0]) to what enters the last norm (R, outputs)."""
        hidden = first
        for norm, layer in zip(list(self.norms)[:-1], self._layers()[1:], strict=True):
            hidden = norm_relu_linear(hidden, norm, layer.weight, copies)
        return hidden

    def pooled(self, first: Tensor, groups: Groups) -> Tensor:
        """The largest output of each group: rows (R, widths[0]) after the first product -> (G, outputs)."""
        return norm_relu_max(self.hidden(first, groups.copies), self.norms[-1], groups)


def norm_relu_linear(x: Tensor, norm: nn.Module, weight: Tensor, copies: Tensor | None = None) -> Tensor:
    """relu(norm(x)) W^T of rows (R, C) -> (R, O), first-order gradients only."""
    assert isinstance(norm, BatchNorm)
    found = norm.moments(x, copies)
    result: Tensor = _NormReluLinear.apply(x, norm.weight, norm.bias, weight, found, norm.eps, copies)
    return result


def norm_relu_max(x: Tensor, norm: nn.Module, groups: Groups) -> Tensor:
    """The maximum of relu(norm(x)) over each group's rows: (R, C) -> (G, C), first-order gradients only.

    Equal largest rows of a group share its gradient evenly.
    """
    assert isinstance(norm, BatchNorm)
    found = norm.moments(x, groups.copies)
    result: Tensor = _NormReluMax.apply(x, norm.weight, norm.bias, found, norm.eps, groups)
    return result


class _Affine:
    """A norm as its moments and parameters make it: normed = x * scale + shift, as torch's own computes it."""

    def __init__(self, weight: Tensor, bias: Tensor, found: Moments, eps: float) -> None:
        self.mean = found.mean
        self.inverse_std = (found.variance + eps).rsqrt()
        self.scale = weight * self.inverse_std
        self.shift = bias - self.mean * self.scale
        self.rows = found.rows

    def wide(self, x: Tensor) -> Tensor:
        return x.to(self.mean.dtype)

    def normed(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.shift, self.wide(x), self.scale)

    def shares(self, sums: Tensor, products: Tensor) -> tuple[Tensor, Tensor]:
        """What every row owes to mean and variance, c0 + c1 * x, from the sums over this worker's rows of the gradient
        and of gradient * (x - mean); nothing where the statistics are the running ones."""
        if self.rows == 0.0:
            return torch.zeros_like(sums), torch.zeros_like(products)
        sums, products = summed_over_workers(torch.stack([sums, products])).unbind()
        per_row = self.scale / self.rows
        c1 = per_row * products * self.inverse_std.square()
        return per_row * sums - c1 * self.mean, c1


def _pay_for_copies(of_x: Tensor, x: Tensor, copies: Tensor | None, shares: tuple[Tensor, Tensor]) -> None:
    """Take from rows that stand for several what the others owe; every row has paid for one already."""
    if copies is None:
        return
    several = (copies > 1).nonzero().view(-1)
    owed = torch.addcmul(shares[0], x[several].to(of_x.dtype), shares[1])
    of_x.index_add_(0, several, owed * (copies[several] - 1).to(of_x.dtype).unsqueeze(1), alpha=-1)


class _NormReluLinear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        gain: Tensor,
        bias: Tensor,
        weight: Tensor,
        found: Moments,
        eps: float,
        copies: Tensor | None,
    ) -> Tensor:
        ctx.save_for_backward(x, gain, bias, weight)
        ctx.extras = found, eps, copies
        affine = _Affine(gain, bias, found, eps)
        dtype = working_dtype(x)
        result = x.new_empty(len(x), len(weight), dtype=dtype)
        for rows in chunks(len(x), x.device):
            hidden = affine.normed(x[rows]).relu_().to(dtype)
            result[rows] = product(hidden, weight.to(dtype))
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, gain, bias, weight = ctx.saved_tensors
        found, eps, copies = ctx.extras
        affine = _Affine(gain, bias, found, eps)
        of_result = gradients[0].contiguous()
        of_x = torch.empty_like(x, dtype=affine.mean.dtype)
        of_weight = gain.new_zeros(weight.shape[::-1])
        sums, products = torch.zeros_like(affine.mean), torch.zeros_like(affine.mean)
        for rows in chunks(len(x), x.device):
            hidden = affine.normed(x[rows]).relu_()
            of_weight += product(hidden.to(of_result.dtype).t(), of_result[rows].t())
            passed = product(of_result[rows], weight.t().to(of_result.dtype)).to(hidden.dtype)
            passed = torch.ops.aten.threshold_backward.grad_input(passed, hidden, 0.0, grad_input=of_x[rows])
            sums += passed.sum(dim=0)
            products += torch.mul(passed, affine.wide(x[rows]), out=hidden).sum(dim=0)
        products -= affine.mean * sums
        shares = affine.shares(sums, products)
        for rows in chunks(len(x), x.device):
            part = torch.addcmul(-shares[0], of_x[rows], affine.scale, out=of_x[rows])
            part.addcmul_(affine.wide(x[rows]), shares[1], value=-1)
        _pay_for_copies(of_x, x, copies, shares)
        return of_x.to(x.dtype), products * affine.inverse_std, sums, of_weight.t(), None, None, None


class _NormReluMax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, bias: Tensor, found: Moments, eps: float, groups: Groups) -> Tensor:
        affine = _Affine(gain, bias, found, eps)
        extreme = _largest(x, groups, affine.scale < 0)
        ctx.save_for_backward(x, gain, bias, extreme)
        ctx.extras = found, eps, groups
        return affine.normed(extreme).relu_().to(x.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, gain, bias, extreme = ctx.saved_tensors
        found, eps, groups = ctx.extras
        affine = _Affine(gain, bias, found, eps)
        normed = affine.normed(extreme)
        passed = torch.ops.aten.threshold_backward(gradients[0].to(normed.dtype), normed, 0.0)
        sums, products = passed.sum(dim=0), (passed * (affine.wide(extreme) - affine.mean)).sum(dim=0)
        shares = affine.shares(sums, products)
        of_largest = passed * affine.scale
        of_x, hits = _to_largest(of_largest, x, extreme, groups, shares)
        if hits > extreme.numel():  # some group has equal largest rows
            of_x, _ = _to_largest(of_largest / _equals(x, extreme, groups), x, extreme, groups, shares)
        _pay_for_copies(of_x, x, groups.copies, shares)
        return of_x.to(x.dtype), products * affine.inverse_std, sums, None, None, None


def _largest(x: Tensor, groups: Groups, smallest: Tensor) -> Tensor:
    """(G, C) the largest of each group's rows, or the smallest in channels whose order the norm turns."""
    centroid = groups.centroid.unsqueeze(1).expand(-1, x.shape[1])
    empty = x.new_empty(len(groups.sizes), x.shape[1])
    result = empty.scatter_reduce(0, centroid, x, "amax", include_self=False)
    if bool(smallest.any()):
        lowest = empty.scatter_reduce(0, centroid, x, "amin", include_self=False)
        result = torch.where(smallest, lowest, result)
    return result


def _to_largest(
    gradient: Tensor,
    x: Tensor,
    extreme: Tensor,
    groups: Groups,
    shares: tuple[Tensor, Tensor],
) -> tuple[Tensor, int]:
    """(R, C) the groups' gradients (G, C) at the rows that are their extremes, less what each row owes to the
    statistics; and the number of places where a gradient went."""
    of_x = torch.empty_like(x, dtype=gradient.dtype)
    hits = torch.zeros((), dtype=torch.float64, device=x.device)
    for rows in chunks(len(x), x.device):
        centroid = groups.centroid[rows]
        hit = extreme.index_select(0, centroid).eq_(x[rows]).to(gradient.dtype)
        hits += hit.sum(dim=0).double().sum()
        part = torch.addcmul(-shares[0], hit, gradient.index_select(0, centroid), out=of_x[rows])
        part.addcmul_(x[rows].to(part.dtype), shares[1], value=-1)
    return of_x, int(hits)


def _equals(x: Tensor, extreme: Tensor, groups: Groups) -> Tensor:
    """(G, C) how many rows of each group are its extreme."""
    equals = torch.zeros_like(extreme, dtype=torch.float32)
    for rows in chunks(len(x), x.device):
        hit = extreme.index_select(0, groups.centroid[rows]).eq_(x[rows])
        equals.index_add_(0, groups.centroid[rows], hit.float())
    return equals
