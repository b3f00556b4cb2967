"""First weights of decoders with sines: SIREN's own, and DiGS's two, for which the decoder starts as a sphere.

Losses that know no sign keep the one that training starts with. DiGS (Ben-Shabat et al., CVPR 2022, arXiv 2106.10811,
`models/DiGS.py` as released) therefore makes a SIREN start as a sphere, negative inside:

- `geometric` (`geom_sine_init`, `second_last_layer_geom_sine_init`, `last_layer_geom_sine_init`): the layers keep the
  length of their input; the last hidden layer and the head make H - sum_i cos(pi/2 h_i) of what they see, which is
  about pi^2/8 |h|^2 and behind `signed_root` (pi / sqrt(8) |h| - 1.6) / 10;
- `multi_frequency` (`first_layer_mfgi_init`, `second_layer_mfgi_init`): the same, but three quarters of the first layer
  are sines of up to 30 periods, for detail, which the second layer all but leaves out; the sphere is made of the rest;
- `siren` (Sitzmann et al., NeurIPS 2020, arXiv 2006.09661; `sine_init`, `first_layer_sine_init`): no sphere, and which
  side of its zero level is inside is left to chance.

The spheres have radii of about 1.5 and 0.7 and slopes of 0.1 and 0.2. They are the rounder the wider the trunk: over
directions, the radius varies by a fifteenth and a tenth for 256 units, by twice as much for 64.

What differs from the released code. (1) The range of the second layer's small weights is from -sqrt(3/H) to
sqrt(3/H)/30 there; the missing 30 is taken for a slip, since both ends of the block beside it have it. (2) There, the
radius of `multi_frequency` grows as the trunk gets narrower, and with the length of the code: about 5.8 for 256
dimensions, beyond every shape. Here it is that of the released 256 units without a code, for every width and code.

Weights are those of a layer that computes sin(30 (W x + b)).

Legend: D latent dimensions, H width of the trunk.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from shapesys.nets.activations import OMEGA
from shapesys.nets.implicit_decoder import POINT_DIM, ImplicitDecoder, WeightNormLinear
from shapesys.nets.read_out import ReadOut

Start = Literal["siren", "geometric", "multi_frequency"]
STARTS: tuple[Start, ...] = get_args(Start)

PERIODS = 30.0
"""Of the multi-frequency start's fast units as released, where slow ones have one."""
_SLOW_PART = 4
"""One in so many units of the first layer is slow."""
_WIDTH = 256
"""Of the released trunk, whose sphere the multi-frequency start has at every width."""
_FAST = 5e-4
"""Share of its usual weight that the second layer gives to fast units."""
_QUARTER = 0.5 * math.pi
_NOISE = 1e-3
_HEAD_NOISE = 1e-5


def read_out_of(start: Start) -> ReadOut:
    """What the decoder's first output must become for a start: the root is what makes a distance of its square."""
    return "plain" if start == "siren" else "signed_root"


@torch.no_grad()
def start_sines(decoder: ImplicitDecoder, start: Start, periods: float = PERIODS) -> None:
    """Draw all weights anew, but for heads beside the first.

    Args:
        decoder: of sines, without skip and weight norm, that reads out as `read_out_of` says; with at least 2 hidden
            layers for `geometric` and 3 for `multi_frequency`.
        periods: of the fastest units of `multi_frequency`, for which a unit length is up to so many radians.

    Raises:
        ValueError: an unknown start, or a decoder that it does not fit.
    """
    _check(decoder, start)
    if start == "siren":
        _as_siren(decoder)
        return
    for index in range(len(decoder.layers)):
        _keep_lengths(decoder.layer(index))
    if start == "multi_frequency":
        _mix_frequencies(decoder.layer(0).weight, decoder.latent_dim, periods)
        _leave_fast_out(decoder.layer(1).weight)
    _sum_cosines(decoder.layer(len(decoder.layers) - 1), decoder.head)


def _as_siren(decoder: ImplicitDecoder) -> None:
    """Pre-activations 30 h of variance 1 in all layers; biases stay as torch draws them."""
    for layer in (*decoder.layers, decoder.head):
        assert isinstance(layer, WeightNormLinear)
        _uniform(layer.weight, math.sqrt(6.0 / layer.weight.shape[1]) / OMEGA)
    first = decoder.layer(0).weight
    _uniform(first, 1.0 / first.shape[1])


def _keep_lengths(layer: WeightNormLinear) -> None:
    """30 W x is as long as x, on average."""
    outputs = len(layer.weight)
    _uniform(layer.weight, math.sqrt(3.0 / outputs) / OMEGA)
    _uniform(layer.bias, 1e-3 / outputs / OMEGA)


def _mix_frequencies(weight: Tensor, latent_dim: int, periods: float) -> None:
    """Of the first layer (H, D + 3): 1 period, then many; the point's share is what it would be without a code."""
    slow = len(weight) // _SLOW_PART
    for rows, count in ((weight[:slow], 1.0), (weight[slow:], periods)):
        _uniform(rows[:, :latent_dim], math.sqrt(3.0 / (latent_dim + POINT_DIM)) * count / OMEGA)
        _uniform(rows[:, latent_dim:], count / OMEGA)


def _leave_fast_out(weight: Tensor) -> None:
    """Of the second layer (H, H): only slow units reach slow ones."""
    width = len(weight)
    slow, bound = width // _SLOW_PART, math.sqrt(3.0 / width) / OMEGA
    _uniform(weight, bound * _FAST)
    _uniform(weight[:slow, :slow], bound * math.sqrt(_WIDTH / width))


def _sum_cosines(last: WeightNormLinear, head: WeightNormLinear) -> None:
    """The last hidden layer becomes cos(pi/2 h), the head H minus their sum."""
    width = len(last.weight)
    last.weight.copy_((_QUARTER * torch.eye(width) + _NOISE * torch.randn(width, width)) / OMEGA)
    last.bias.copy_((_QUARTER + _NOISE * torch.randn(width)) / OMEGA)
    head.weight[0] = -1.0 + _HEAD_NOISE * torch.randn(width)
    head.bias[0] = width


def _uniform(values: Tensor, bound: float) -> None:
    nn.init.uniform_(values, -bound, bound)


def _check(decoder: ImplicitDecoder, start: str) -> None:
    if start not in STARTS:
        raise ValueError(f"start must be one of {', '.join(STARTS)}; got '{start}'")
    if decoder.activation != "sine30" or decoder.skip_at is not None or decoder.head.gain is not None:
        raise ValueError(
            "sines start in a decoder with activation sine30, without skip and weight norm; got activation "
            f"{decoder.activation}, skip_at {decoder.skip_at}, weight norm {decoder.head.gain is not None}"
        )
    if any(decoder.layer(index).gain is not None for index in range(len(decoder.layers))):
        raise ValueError("sines start in a decoder without weight norm; build it with weight_norm=False")
    needed = {"siren": 1, "geometric": 2, "multi_frequency": 3}[start]
    if len(decoder.layers) < needed or decoder.hidden < _SLOW_PART:
        raise ValueError(
            f"start {start} needs at least {needed} hidden layers of at least {_SLOW_PART} units; got "
            f"{len(decoder.layers)} of {decoder.hidden}"
        )
    if decoder.read_out != read_out_of(start):
        raise ValueError(f"start {start} needs read_out {read_out_of(start)}; got {decoder.read_out}")
