"""One training step of the ISSN decoder against a plain DeepSDF-style loop on the same tensors."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from interleaved import interleaved_medians
from plain_deepsdf import HIDDEN, LATENT, PlainDecoder
from torch import Tensor, nn
from torch.nn import functional as F

from shapesys.nets.implicit_decoder import ImplicitDecoder

CLAMP, LAMBDA, BETA = 0.1, 1e-3, 0.1


def issn_loss(outputs: Tensor, codes: Tensor, distances: Tensor) -> Tensor:
    """Equation 1 of ISSN with the clamped L1 of equation 2."""
    error = (outputs[..., 0].float().clamp(-CLAMP, CLAMP) - distances.clamp(-CLAMP, CLAMP)).abs()
    log_saliency = F.logsigmoid(outputs[..., 1].float())
    return (error * log_saliency.exp() - LAMBDA * log_saliency).mean() + BETA * codes.square().sum(1).mean()


def stepper(decoder: nn.Module, batch: tuple[Tensor, Tensor, Tensor], bf16: bool, fused: bool) -> Callable[[], None]:
    """A closure that makes one optimisation step of network and codes."""
    codes, points, distances = batch
    codes = nn.Parameter(codes.clone())
    groups: list[dict[str, Any]] = [{"params": list(decoder.parameters()), "lr": 5e-4}, {"params": [codes], "lr": 1e-3}]
    optimiser = torch.optim.Adam(groups, fused=fused)

    def step() -> None:
        optimiser.zero_grad()
        with torch.autocast("cpu", torch.bfloat16) if bf16 else contextlib.nullcontext():
            outputs = decoder(codes, points)
        issn_loss(outputs, codes, distances).backward()
        optimiser.step()

    return step


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Rows of the benchmark table: float32 and bfloat16 step of 4 shapes x 2048 points, one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    shapes, count = (2, 1024) if quick else (4, 2048)
    points = torch.rand(shapes, count, 3) * 2 - 1
    batch = (torch.randn(shapes, LATENT) / 16, points, points.norm(dim=2) - 0.5)
    try:
        seconds = interleaved_medians(
            {
                "ours float32": stepper(ImplicitDecoder(LATENT), batch, bf16=False, fused=True),
                "plain float32": stepper(PlainDecoder(), batch, bf16=False, fused=False),
                "ours bfloat16": stepper(ImplicitDecoder(LATENT), batch, bf16=True, fused=True),
                "plain bfloat16": stepper(PlainDecoder(), batch, bf16=True, fused=False),
            },
            rounds=3 if quick else 7,
        )
    finally:
        torch.set_num_threads(threads)
    note = f"{shapes} shapes x {count} points, 8x{HIDDEN}, latent {LATENT}, ISSN loss, Adam; median, one thread"
    return [
        _row("train step, float32", seconds["ours float32"], {"plain loop, float32": seconds["plain float32"]}, note),
        _row(
            "train step, bfloat16 autocast",
            seconds["ours bfloat16"],
            {
                "plain loop, float32": seconds["plain float32"],
                "plain loop, bfloat16 autocast": seconds["plain bfloat16"],
            },
            note,
        ),
    ]


def _row(name: str, ours: float, peers: dict[str, float], note: str) -> dict[str, Any]:
    return {"name": name, "ours_s": ours, "peers": peers, "unit": "s per step", "note": note}
