"""Activations with their derivatives, so that a decoder's spatial derivatives are sums and products of what it knows.

A field's gradient is a product of weights and slopes s'(h), its Laplacian needs s''(h) as well; the losses made of them
need one derivative more. All are closed forms of what the activation itself computes: a sigmoid for softplus,
sine and cosine for the sine. Nothing here asks autograd for a derivative of a derivative.

Legend: h pre-activations, R rows, H units.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, cast, get_args

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

Activation = Literal["relu", "softplus100", "sine30"]
"""relu; softplus with beta 100 (IGR, SAL, SALD); sin(30 h) (SIREN, DiGS)."""
ACTIVATIONS: tuple[str, ...] = get_args(Activation)

BETA = 100.0
OMEGA = 30.0


class Jet(NamedTuple):
    """What is known of units about a point.

    Attributes:
        value: (R, H).
        tangents: (3, R, H) derivatives along x, y and z.
        laplacian: (R, H) sum of second derivatives along x, y and z.
    """

    value: Tensor
    tangents: Tensor
    laplacian: Tensor


def activate(pre: Tensor, kind: Activation) -> Tensor:
    """s(h), differentiable any number of times."""
    return cast(Tensor, pre.relu() if kind == "relu" else _Value.apply(pre, kind))


def activate_with_slope(pre: Tensor, kind: Activation) -> tuple[Tensor, Tensor]:
    """s(h) and s'(h), both differentiable once: what is asked of their gradients' gradient counts as constant."""
    return cast(tuple[Tensor, Tensor], _ValueAndSlope.apply(pre, kind))


def activate_jet(pre: Jet, kind: Activation) -> Jet:
    """The jet behind an activation, by the chain rule; differentiable once."""
    value, tangents, laplacian, _, _ = cast(tuple[Tensor, ...], _OfJet.apply(*pre, kind))
    return Jet(value, tangents, laplacian)


def activated(pre: Tensor, kind: str) -> Tensor:
    """s(h) without autograd; may overwrite h."""
    if kind == "relu":
        return pre.relu_()
    if kind == "sine30":
        return pre.mul_(OMEGA).sin_()
    return F.softplus(pre, BETA)


def _value_and_slope(pre: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    if kind == "relu":
        return pre.relu(), (pre > 0).to(pre.dtype)
    if kind == "sine30":
        angle = OMEGA * pre
        return angle.sin(), angle.cos_().mul_(OMEGA)
    return F.softplus(pre, BETA), (BETA * pre).sigmoid_()


def _second(value: Tensor, slope: Tensor, kind: str) -> Tensor:
    """s'' from s and s'."""
    if kind == "relu":
        return torch.zeros_like(slope)
    if kind == "sine30":
        return value * -(OMEGA**2)
    return torch.addcmul(slope, slope, slope, value=-1.0).mul_(BETA)


def _third(slope: Tensor, kind: str) -> Tensor:
    """s''' from s'."""
    if kind == "relu":
        return torch.zeros_like(slope)
    if kind == "sine30":
        return slope * -(OMEGA**2)
    return torch.addcmul(slope, slope, slope, value=-1.0).mul_(BETA**2).mul_(1.0 - 2.0 * slope)


class _Value(torch.autograd.Function):
    @staticmethod
    def forward(pre: Tensor, kind: str) -> Tensor:
        return _value_and_slope(pre, kind)[0]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, str], output: Tensor) -> None:
        pre, ctx.kind = inputs
        ctx.save_for_backward(pre)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        # Of operations that autograd knows, for whoever asks for derivatives of derivatives all the same.
        (pre,) = ctx.saved_tensors
        slope = torch.sigmoid(BETA * pre) if ctx.kind == "softplus100" else OMEGA * torch.cos(OMEGA * pre)
        return gradients[0] * slope, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int, None], pre: Tensor, kind: str) -> tuple[Tensor, int]:
        """Of many networks at once: what is elementwise needs no rule but to be told so."""
        return cast(Tensor, _Value.apply(pre, kind)), in_dims[0]


class _ValueAndSlope(torch.autograd.Function):
    @staticmethod
    def forward(pre: Tensor, kind: str) -> tuple[Tensor, Tensor]:
        return _value_and_slope(pre, kind)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, str], output: tuple[Tensor, Tensor]) -> None:
        _, ctx.kind = inputs
        ctx.save_for_backward(*output)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        value, slope = ctx.saved_tensors
        of_value, of_slope = gradients
        # A ReLU's slope is constant but at 0.
        result = of_value * slope
        return (result if ctx.kind == "relu" else result.addcmul_(of_slope, _second(value, slope, ctx.kind))), None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int, None], pre: Tensor, kind: str) -> tuple[tuple[Tensor, Tensor], int]:
        """Of many networks at once."""
        return cast(tuple[Tensor, Tensor], _ValueAndSlope.apply(pre, kind)), in_dims[0]


class _OfJet(torch.autograd.Function):
    """Gives slope and second derivative too, which its gradient needs: they are only kept where they are outputs."""

    @staticmethod
    def forward(pre: Tensor, tangents: Tensor, laplacian: Tensor, kind: str) -> tuple[Tensor, ...]:
        value, slope = _value_and_slope(pre, kind)
        second = _second(value, slope, kind)
        square = _dot(tangents, tangents)
        return value, tangents * slope, square.mul_(second).addcmul_(slope, laplacian), slope, second

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, str], output: tuple[Tensor, ...]) -> None:
        _, tangents, laplacian, ctx.kind = inputs
        slope, second = output[3:]
        ctx.mark_non_differentiable(slope, second)
        ctx.save_for_backward(slope, second, tangents, laplacian)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        slope, second, tangents, laplacian = ctx.saved_tensors
        of_value, of_tangents, of_laplacian = gradients[:3]
        inner = _dot(of_tangents, tangents).addcmul_(of_laplacian, laplacian)
        of_pre = (of_value * slope).addcmul_(inner, second)
        curving = of_laplacian * second
        if ctx.kind != "relu":
            of_pre.addcmul_(of_laplacian * _third(slope, ctx.kind), _dot(tangents, tangents))
        of_inner = (of_tangents * slope).addcmul_(curving.unsqueeze(0), tangents, value=2.0)
        return of_pre, of_inner, of_laplacian * slope, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], pre: Tensor, tangents: Tensor, laplacian: Tensor, kind: str
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        """Of many networks at once, whose axis stands behind that of x, y and z: (3, S, R, H)."""
        given = zip((pre, tangents, laplacian), in_dims[:3], strict=True)
        values = [_leading(one, dim, info.batch_size) for one, dim in given]
        found = _OfJet.apply(values[0], values[1].transpose(0, 1), values[2], kind)
        return cast(tuple[Tensor, ...], found), (0, 1, 0, 0, 0)


def _leading(values: Tensor, dim: int | None, size: int) -> Tensor:
    """With the networks' axis in front; the same for all of them where they have none."""
    return values.expand(size, *values.shape) if dim is None else values.movedim(dim, 0)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """(3, R, H) and (3, R, H) -> (R, H)."""
    return (a[0] * b[0]).addcmul_(a[1], b[1]).addcmul_(a[2], b[2])
