"""What families that classify space share: clouds as a scanner would give them, and measures of a batch.

Legend: B shapes, N queries per shape, M surface points.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from shapesys.families.base import Batch
from shapesys.nets.dropout import shape_noise


def noisy_inputs(batch: Batch, count: int, std: float) -> Tensor:
    """(B, count, 3) of each shape's surface points (B, M, 3) some at random, or all of fewer, with noise.

    By each shape's ``noise_seed`` (B,), whatever shapes are beside it.
    """
    surface = batch["surface"]
    clouds = []
    for cloud, generator in zip(surface, shape_noise(batch["noise_seed"], surface.device), strict=True):
        if count < len(cloud):
            cloud = cloud[torch.randperm(len(cloud), generator=generator, device=cloud.device)[:count]]
        noise = torch.randn(cloud.shape, generator=generator, device=cloud.device, dtype=cloud.dtype)
        clouds.append(cloud + std * noise)
    return torch.stack(clouds)


def occupancy_statistics(logits: Tensor, inside: Tensor, level: float) -> Mapping[str, Tensor]:
    """Mean over shapes of the IoU and of the share of right answers, at a level, of queries (B, N)."""
    predicted, true = logits.detach() > logit(level), inside > 0.5
    both, either = (predicted & true).sum(dim=1).float(), (predicted | true).sum(dim=1).float()
    iou = torch.where(either > 0, both / either.clamp_min(1.0), 1.0)
    return {"iou": iou.mean(), "accuracy": (predicted == true).float().mean()}


def logit(probability: float) -> float:
    """What the sigmoid makes this probability of."""
    return math.log(probability / (1.0 - probability))
