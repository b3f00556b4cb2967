"""A decoder that starts as a sphere: weights for which the first output is about |x| - r, negative inside.

Sign-agnostic losses do not tell a field from its negative; where training starts decides. Hidden weights and the head
are those of IGR and SALD (Gropp et al., ICML 2020; Atzmon and Lipman, ICLR 2021): each layer keeps the length of its
input on average, and a head of constant weights sqrt(pi) / sqrt(width) reads that length off. That holds for infinitely
wide ReLU layers; the head is then rescaled so that the mean over directions is the distance on the sphere and at twice
its radius. A softplus, which is no ReLU near 0, makes the ball's middle shallower: above -r, but negative.

The released codes of SAL, SALD and IGR leave out the rescaling, and have a bias of -1: SALD and IGR with that constant,
a sphere of radius 1; SAL with twice of it, half the radius and twice the slope. What they draw about it is 1e-6 wide of
SAL, 1e-4 of SALD and 1e-5 of IGR; here it is 1e-5 of all.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from shapesys.nets.implicit_decoder import POINT_DIM, ImplicitDecoder, WeightNormLinear

SKIP_SCALE = 1.0 / math.sqrt(2.0)
"""Of the decoder's skip layer, whose input is twice as long otherwise."""
KEEPS_ZEROS = ("plain", "tanh_plus")
"""Read-outs that leave the zero level where it is and do not saturate."""
_HEAD_STD = 1e-5
"""About the head's constant weight, so that no two units stay the same."""
_DIRECTIONS = 512


@torch.no_grad()
def start_as_sphere(decoder: ImplicitDecoder, radius: float, rescaled: bool = True) -> None:
    """Draw hidden weights anew, and make the first head |x| - radius for small codes; other heads are left alone.

    Args:
        decoder: whose first output passes through nothing that moves its zeros, and whose `skip_scale` is 1/sqrt(2)
            where it has a skip. Behind `tanh_plus` the slope is twice as large near the sphere.
        radius: of the first zero level.
        rescaled: make it the distance also where the network is narrow or no ReLU; else as released: |x| / radius - 1
            for infinitely wide ReLU layers, about that for others.

    Raises:
        ValueError: a radius that is not positive, or a decoder that this start does not fit.
    """
    _check(decoder, radius)
    for layer in decoder.layers:
        assert isinstance(layer, WeightNormLinear)
        _keep_lengths(layer)
    head = decoder.head
    nn.init.normal_(head.weight[0], math.sqrt(math.pi / decoder.hidden), _HEAD_STD)
    head.bias[0] = 0.0
    head.renew_gain()
    if not rescaled:
        head.weight[0] /= radius
        head.bias[0] = -1.0
        head.renew_gain()
        return
    here, beyond = (_mean_over_sphere(decoder, length) for length in (radius, 2.0 * radius))
    slope = radius / (beyond - here)
    head.weight[0] *= slope
    head.bias[0] = -slope * here
    head.renew_gain()


def _keep_lengths(layer: WeightNormLinear) -> None:
    nn.init.normal_(layer.weight, std=math.sqrt(2.0 / len(layer.weight)))
    nn.init.zeros_(layer.bias)
    layer.renew_gain()


def _mean_over_sphere(decoder: ImplicitDecoder, radius: float) -> Tensor:
    """Of the first output before its read-out, for a code of zeros."""
    directions = torch.randn(_DIRECTIONS, POINT_DIM, generator=torch.Generator().manual_seed(0))
    points = (radius * directions / directions.norm(dim=1, keepdim=True)).to(decoder.head.weight)
    folded = decoder.for_shapes(points.new_zeros(1, decoder.latent_dim))
    return replace(folded, read_out="plain")(points)[:, 0].mean()


def _check(decoder: ImplicitDecoder, radius: float) -> None:
    if not radius > 0:
        raise ValueError(f"radius must be positive; got {radius}")
    if decoder.read_out not in KEEPS_ZEROS:
        raise ValueError(
            f"a decoder that reads its output out as {decoder.read_out} starts as no sphere of a given radius; build "
            f"it with read_out one of {', '.join(KEEPS_ZEROS)}"
        )
    if decoder.skip_at is not None and not math.isclose(decoder.skip_scale, SKIP_SCALE):
        raise ValueError(f"skip_scale must be 1/sqrt(2) to start as a sphere; got {decoder.skip_scale:g}")
