"""Gradient and Laplacian of a decoder's first output in space, as closed forms of its layers.

Losses of derivatives (IGR, SIREN, DiGS) are usually written by asking autograd for the spatial gradient and then for
the gradient of that; DiGS asks a third time, for the divergence. SALD's released code carries three columns of
derivatives upward instead. Here both derivatives are computed in the forward
pass by the chain rule, so that training needs autograd once:

- the gradient is a product of the layers' weights and slopes, taken from the output downward: three numbers per point
  come of one vector, where carrying x, y and z upward would need three;
- the Laplacian goes upward with value and tangents: of s(h) it is s'(h) lap(h) + s''(h) |grad h|^2, and a linear layer
  passes it on. Neither it nor its gradient needs anything of the third order.

Legend: B shapes, N points per shape, D latent dimensions, R = B N rows.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from shapesys.nets.activations import Jet, activate_jet, activate_with_slope
from shapesys.nets.implicit_decoder import POINT_DIM, ImplicitDecoder
from shapesys.nets.linear import linear
from shapesys.nets.read_out import read_out, read_out_curvature, read_out_slope


class WithGradient(NamedTuple):
    """What a decoder says, and how its first output changes in space.

    Attributes:
        output: (B, N, outputs) of every head.
        gradient: (B, N, 3) of the first.
    """

    output: Tensor
    gradient: Tensor


class WithLaplacian(NamedTuple):
    """The same, and how that output bends.

    Attributes:
        output: (B, N, outputs) of every head.
        gradient: (B, N, 3) of the first.
        laplacian: (B, N) of the first: the divergence of its gradient.
    """

    output: Tensor
    gradient: Tensor
    laplacian: Tensor


def with_gradient(decoder: ImplicitDecoder, codes: Tensor, points: Tensor) -> WithGradient:
    """Outputs of a decoder and the spatial gradient of the first.

    Args:
        codes: (B, D).
        points: (B, N, 3).

    Returns:
        Both differentiable once, with respect to parameters and codes; not with respect to points.

    Raises:
        ValueError: inputs that the decoder does not take, or one that drops units in training: their gradient is noise.
    """
    with decoder.precise(points.device):
        return _with_gradient(_Layers.of(decoder, codes, points), points.shape)


def _with_gradient(layers: _Layers, shape: torch.Size) -> WithGradient:
    decoder = layers.decoder
    pre, slopes = layers.shares[0], []
    for index in range(1, len(layers.hidden)):
        value, slope = activate_with_slope(pre, decoder.activation)
        slopes.append(slope)
        pre = layers.pre_activation(index, value)
    value, slope = activate_with_slope(pre, decoder.activation)
    slopes.append(slope)
    raw = layers.raw(value)
    gradient = _downward(layers, slopes)
    gradient = gradient * read_out_slope(raw[:, :1], decoder.read_out)
    return WithGradient(layers.output(raw), gradient.view(shape))


def with_laplacian(decoder: ImplicitDecoder, codes: Tensor, points: Tensor) -> WithLaplacian:
    """Outputs of a decoder, and the spatial gradient and Laplacian of the first; arguments as of `with_gradient`."""
    with decoder.precise(points.device):
        return _with_laplacian(_Layers.of(decoder, codes, points), points.shape)


def _with_laplacian(layers: _Layers, shape: torch.Size) -> WithLaplacian:
    decoder = layers.decoder
    jet = layers.first_jet()
    for index in range(1, len(layers.hidden)):
        jet = layers.pre_activation_jet(index, activate_jet(jet, decoder.activation))
    value, tangents, laplacian = activate_jet(jet, decoder.activation)
    raw = layers.raw(value)
    first = layers.head_row
    # Autocast would reduce these products on some devices.
    with torch.autocast(value.device.type, enabled=False):
        along = torch.mv(tangents.flatten(0, 1).to(first.dtype), first).view(POINT_DIM, -1)
        bend = torch.mv(laplacian.to(first.dtype), first)
    # The chain rule once more, for what becomes of the output.
    slope, curvature = (of(raw[:, 0], decoder.read_out) for of in (read_out_slope, read_out_curvature))
    bend = bend * slope + along.square().sum(dim=0) * curvature
    gradient = (along * slope).t().reshape(shape)
    return WithLaplacian(layers.output(raw), gradient, bend.view(shape[:2]))


def _downward(layers: _Layers, slopes: list[Tensor]) -> Tensor:
    """(R, 3): d raw output / d point, from the last layer's slopes to the first's."""
    gradient: Tensor | None = None
    flowing = slopes[-1] * layers.head_row.to(slopes[-1].dtype)
    for index in reversed(range(len(slopes))):
        if index < len(slopes) - 1:
            flowing = flowing * slopes[index]
        if index in layers.of_point:
            share = _full(flowing, layers.of_point[index].t())
            gradient = share if gradient is None else gradient + share
        if index:
            flowing = linear(flowing, layers.hidden[index].t())
    assert gradient is not None
    return gradient


def _full(rows: Tensor, weight: Tensor) -> Tensor:
    """x W^T in the weight's own precision, also under autocast."""
    with torch.autocast(rows.device.type, enabled=False):
        return F.linear(rows.to(weight.dtype), weight)


class _Layers(NamedTuple):
    """A decoder's layers for one batch: every weight as it multiplies, every share of code and point added up once.

    Attributes:
        decoder: whose they are.
        hidden: of each layer, (out, in) on the hidden units below it; empty for layer 0.
        of_point: layer that sees the input -> (out, 3).
        shares: the same layers -> (R, out) that code, point and bias add.
        head: (outputs, H) of the last layer.
        batch: (B, N).
    """

    decoder: ImplicitDecoder
    hidden: list[Tensor]
    of_point: dict[int, Tensor]
    shares: dict[int, Tensor]
    head: Tensor
    batch: torch.Size

    @classmethod
    def of(cls, decoder: ImplicitDecoder, codes: Tensor, points: Tensor) -> _Layers:
        decoder.check_inputs(codes, points)
        if decoder.training and decoder.dropout > 0:
            raise ValueError(f"spatial derivatives need a decoder without dropout; it has {decoder.dropout:g}")
        hidden: list[Tensor] = []
        of_point: dict[int, Tensor] = {}
        shares: dict[int, Tensor] = {}
        for index in range(len(decoder.layers)):
            weight = decoder.multiplier(index)
            if index in (0, decoder.skip_at):
                of_code, of_point[index] = decoder.split_columns(weight)
                shares[index] = decoder.input_share(index, of_code, of_point[index], codes, points)
                weight = weight[:, : weight.shape[1] - POINT_DIM - decoder.latent_dim]
            hidden.append(weight)
        return cls(decoder, hidden, of_point, shares, decoder.head.effective_weight(), points.shape[:2])

    @property
    def head_row(self) -> Tensor:
        """(H,) of the first output."""
        return self.head[0]

    def pre_activation(self, index: int, value: Tensor) -> Tensor:
        """(R, out) of a hidden layer."""
        added = self.shares[index] if index in self.shares else self.decoder.layer(index).bias
        product = linear(value, self.hidden[index])
        return product + added.to(product.dtype)

    def first_jet(self) -> Jet:
        """Of layer 0, whose tangents are its columns on the point."""
        value = self.shares[0]
        tangents = self.of_point[0].t().unsqueeze(1).expand(-1, len(value), -1)
        return Jet(value, tangents, torch.zeros_like(value))

    def pre_activation_jet(self, index: int, jet: Jet) -> Jet:
        """Of a hidden layer: tangents and Laplacian pass a linear map; the skip's point adds its columns."""
        tangents = linear(jet.tangents, self.hidden[index])
        if index in self.of_point:
            tangents = tangents + self.of_point[index].t().unsqueeze(1).to(tangents.dtype)
        return Jet(self.pre_activation(index, jet.value), tangents, linear(jet.laplacian, self.hidden[index]))

    def raw(self, value: Tensor) -> Tensor:
        """(R, outputs) before the read-out."""
        with torch.autocast(value.device.type, enabled=False):
            return F.linear(value.to(self.head.dtype), self.head, self.decoder.head.bias)

    def output(self, raw: Tensor) -> Tensor:
        """(B, N, outputs)."""
        first = read_out(raw[:, :1], self.decoder.read_out)
        return torch.cat([first, raw[:, 1:]], dim=1).view(*self.batch, -1)
