"""A training step of SAL's encoder of scans: against the published form, the maximum concatenated to every point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from interleaved import interleaved_medians
from torch import Tensor
from torch.nn import functional as F

from shapesys.nets.point_encoder import PointEncoder, Posterior

LATENT, WIDTH = 256, 512


def run(quick: bool = False) -> list[dict[str, Any]]:
    """One row: the released size, float32, one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    shapes, count, rounds = (1, 1024, 3) if quick else (2, 4096, 5)
    encoder, points = _made(), torch.rand(shapes, count, 3) * 2 - 1
    steps = {"ours": _step(encoder, encoder, points), "concatenation": _step(encoder, _plain(encoder), points)}
    try:
        for step in steps.values():
            step()
        difference = _difference(encoder, steps)
        seconds = interleaved_medians(steps, rounds)
    finally:
        torch.set_num_threads(threads)
    return [
        {
            "name": "encoder step",
            "ours_s": seconds["ours"],
            "peers": {"concatenation": seconds["concatenation"]},
            "unit": "s per step",
            "note": f"{shapes} x {count} points; gradients differ by {difference:.0e}; median, one thread",
        }
    ]


def _made() -> PointEncoder:
    """As it is after some training: at the start, heads of zeros give the trunk no gradient."""
    encoder = PointEncoder(LATENT, WIDTH)
    torch.nn.init.normal_(encoder.mean.weight, std=0.05)
    return encoder


def _plain(encoder: PointEncoder) -> Callable[[Tensor], Posterior]:
    """The same weights by torch's own products."""

    def forward(points: Tensor) -> Posterior:
        features = F.linear(encoder.positions(points).relu(), encoder.blocks[0].weight, encoder.blocks[0].bias)
        for block in encoder.blocks[1:]:
            pooled = features.amax(dim=1, keepdim=True).expand(-1, points.shape[1], -1)
            features = F.linear(torch.cat([features, pooled], dim=2).relu(), block.weight, block.bias)
        last = features.amax(dim=1).relu()
        return Posterior(encoder.mean(last), encoder.log_std(last))

    return forward


def _step(encoder: PointEncoder, forward: Callable[[Tensor], Posterior], points: Tensor) -> Callable[[], None]:
    def step() -> None:
        encoder.zero_grad()
        posterior = forward(points)
        (posterior.mean.square().mean() + posterior.size()).backward()

    return step


def _difference(encoder: PointEncoder, steps: dict[str, Callable[[], None]]) -> float:
    """Largest difference of a gradient, relative to the largest of its tensor."""
    found = []
    for step in steps.values():
        step()
        found.append([parameter.grad.clone() for parameter in encoder.parameters() if parameter.grad is not None])
    return max(float((a - b).abs().max() / b.abs().max().clamp(min=1e-12)) for a, b in zip(*found, strict=True))
