"""Measuring held-out shapes while training, to choose a checkpoint by. The test split is never looked at."""

from __future__ import annotations

import torch
from torch import Tensor

from shapesys.families.base import Objective
from shapesys.training.context import TrainContext
from shapesys.training.feed import to_batch
from shapesys.training.plan import StepPlan, Window
from shapesys.training.reader import Reader


@torch.no_grad()
def validate(
    objective: Objective, reader: Reader, context: TrainContext, batch: int, points: int, names: list[str]
) -> dict[str, float]:
    """Means of the objective's scalars over the held-out shapes, in evaluation mode, shared out among the workers.

    Args:
        batch: shapes at a time.
        points: points per shape.
        names: the scalars to average, the same on every worker.
    """
    objective.eval()
    sums = torch.zeros(len(names) + 1, dtype=torch.float64, device=context.device)
    try:
        for plan in _plans(reader, context, batch, points):
            scalars = objective(to_batch(reader.read(plan), context.device)).scalars()
            shapes = len(plan.shape_indices)
            sums[:-1] += shapes * torch.stack([scalars[name] for name in names]).double()
            sums[-1] += shapes
    finally:
        objective.train()
    means: Tensor = context.mean(sums)
    return dict(zip(names, (means[:-1] / means[-1]).tolist(), strict=True))


def _plans(reader: Reader, context: TrainContext, batch: int, points: int) -> list[StepPlan]:
    """This worker's shapes in batches: every world-size-th one."""
    mine = range(context.rank, len(reader.shape_ids), context.world_size)
    window = (Window(0, 0, points),)
    return [StepPlan(0, 0, tuple(mine[at : at + batch]), window) for at in range(0, len(mine), batch)]
