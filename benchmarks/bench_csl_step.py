"""What the contrast costs: a training step of ISSN-CSL over one of ISSN, and over a plain loop's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from bench_train_step import BETA, LAMBDA, issn_loss
from interleaved import interleaved_medians
from plain_deepsdf import LATENT, PlainDecoder
from plain_pointnet import PlainPointNet
from torch import Tensor, nn
from torch.nn import functional as F

from shapesys.families.base import Batch, Objective, TrainingData
from shapesys.families.issn.config import ISSNConfig
from shapesys.families.issn.objective import ISSNObjective
from shapesys.families.issn_csl import ISSNCSLConfig, ISSNCSLObjective
from shapesys.samples.vocabulary import Vocabulary

GAMMA = 0.1


class PlainCSL(nn.Module):
    """Equation 4 on the usual modules."""

    def __init__(self, shapes: int) -> None:
        super().__init__()
        self.decoder, self.classifier = PlainDecoder(), PlainPointNet()
        self.codes = nn.Embedding(shapes, LATENT)

    def forward(self, batch: Batch) -> Tensor:
        codes, points = self.codes(batch["shape_index"]), batch["points"]
        outputs = self.decoder(codes, points)
        seen = torch.cat([points, outputs[..., :1].detach()], dim=2) * outputs[..., 1:].sigmoid()
        truth = (batch["category_index"] == 0).float()
        contrast = F.binary_cross_entropy_with_logits(self.classifier(seen.transpose(1, 2))[:, 0], truth)
        return issn_loss(outputs, codes, batch["distance"]) + GAMMA * contrast


def run(quick: bool = False) -> list[dict[str, Any]]:
    """One row: the published network and classifier, float32, one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    shapes, count = (2, 512) if quick else (4, 2048)
    batch = _batch(shapes, count)
    data = TrainingData(shapes, Vocabulary(("chair", "table")), "chair")
    weights = {"saliency_weight": LAMBDA, "code_weight": BETA}
    try:
        seconds = interleaved_medians(
            {
                "CSL": _stepper(ISSNCSLObjective(ISSNCSLConfig(**weights, contrast_weight=GAMMA), data), batch, True),
                "ISSN": _stepper(ISSNObjective(ISSNConfig(**weights), shapes), batch, True),
                "plain": _stepper(PlainCSL(shapes), batch, False),
            },
            rounds=3 if quick else 7,
        )
    finally:
        torch.set_num_threads(threads)
    share = seconds["CSL"] / seconds["ISSN"]
    return [
        {
            "name": "ISSN-CSL training step",
            "ours_s": seconds["CSL"],
            "peers": {"ISSN's step, ours": seconds["ISSN"], "plain loop": seconds["plain"]},
            "unit": "s per step",
            "note": f"{shapes} shapes x {count} points, Adam; {share:.2f} times ISSN's step; median, one thread",
        }
    ]


def _batch(shapes: int, count: int) -> Batch:
    points = torch.rand(shapes, count, 3) * 2 - 1
    return {
        "shape_index": torch.arange(shapes),
        "category_index": torch.arange(shapes) % 2,
        "noise_seed": torch.arange(shapes),
        "points": points,
        "distance": points.norm(dim=2) - 0.5,
    }


def _stepper(objective: nn.Module, batch: Batch, fused: bool) -> Callable[[], None]:
    """A closure that makes one optimisation step."""
    optimiser = torch.optim.Adam(objective.parameters(), lr=5e-4, fused=fused)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        said = objective(batch)
        (said.total() if isinstance(objective, Objective) else said).backward()
        optimiser.step()

    return step
