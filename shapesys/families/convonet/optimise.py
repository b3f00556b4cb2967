"""Sign-agnostic optimisation of a pre-trained network for one cloud (SA-ConvONet, Tang et al., ICCV 2021).

The cloud's own points are on the surface, points displaced from it are off it, and nobody knows which of those are
inside. The unsigned cross entropy asks for logits of 0 on the surface and for large ones off it, whatever their sign;
the signs are those that the pre-trained network begins with, and stay where they are certain.

Queries come in sets, whose losses are averaged, while all of them see the same cloud. Nothing between points depends
on queries, so the cloud is encoded once per iteration and not once per set: the loss is the same, the cost is not. The
cells that its points lie in never change, and are found once.

The network that was trained stays as it is: what is optimised is a copy.

Legend: M points of the cloud, N queries, T cells of all maps, C channels.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shapesys.errors import ShapesysError
from shapesys.families.convonet.config import Schedule
from shapesys.families.convonet.objective import ConvONetObjective

PLATEAU_ITERATIONS = 50
"""Over which losses are averaged before they are compared."""


@dataclass(frozen=True)
class Optimised:
    """A copy of a network after its optimisation.

    Attributes:
        network: the copy, in evaluation mode.
        losses: (iterations,) the loss before each iteration's step, per query.
        floor: the least that it can be, per query: ln 2 of every one on the surface.
    """

    network: ConvONetObjective
    losses: list[float]
    floor: float


def unsigned_cross_entropy(logits: Tensor, surface: int) -> Tensor:
    """The sum over queries of the unsigned cross entropy; it is ln 2 for each query on the surface at best.

    Args:
        logits: (..., N), of which the first `surface` are of queries on the surface.
        surface: their number.
    """
    size = logits.abs()
    # Cross entropy of the probability sigmoid(|logit|) with 1, and what a target of one half adds to it.
    off = F.softplus(-size).sum()
    return off + 0.5 * size[..., :surface].sum()


def optimise(
    trained: ConvONetObjective, cloud: Tensor, schedule: Schedule, plateau: float, generator: torch.Generator
) -> Optimised:
    """Optimise a copy of a network for a cloud (M, 3).

    Args:
        plateau: see `ConvONetInference.plateau`.
        generator: of the queries, on the cloud's device.

    Raises:
        ShapesysError: the loss is not finite.
    """
    network = copy.deepcopy(trained).train()
    parameters = _optimised(network, schedule)
    adam = torch.optim.Adam(parameters, lr=schedule.learning_rate, fused=True)
    decay = torch.optim.lr_scheduler.StepLR(adam, schedule.decay_every, schedule.decay)
    points = cloud.unsqueeze(0)
    cells = network.space.cells_of(points)
    queries_in_all = schedule.batches * (schedule.surface + schedule.off_surface)
    floor = math.log(2.0) * schedule.surface / (schedule.surface + schedule.off_surface)
    losses: list[float] = []
    for queries in _queries(cloud, schedule, generator):
        adam.zero_grad(set_to_none=True)
        logits = network.logits(queries, network.encoder(points, cells))
        loss = unsigned_cross_entropy(logits, schedule.batches * schedule.surface)
        (loss / schedule.batches).backward()
        losses.append(float(loss.detach()) / queries_in_all)
        if not math.isfinite(losses[-1]):
            raise ShapesysError(
                f"the loss of the optimisation is {losses[-1]} in iteration {len(losses)}; lower learning_rate"
            )
        adam.step()
        decay.step()
        if flattened(losses, floor, plateau):
            break
    return Optimised(network.eval().requires_grad_(False), losses, floor)


def flattened(losses: list[float], floor: float, plateau: float) -> bool:
    """Whether the last 50 losses are hardly lower, in the mean and less their floor, than the 50 before; asked every
    50 iterations."""
    if not plateau or len(losses) % PLATEAU_ITERATIONS or len(losses) < 2 * PLATEAU_ITERATIONS:
        return False
    last = sum(losses[-PLATEAU_ITERATIONS:]) / PLATEAU_ITERATIONS - floor
    before = sum(losses[-2 * PLATEAU_ITERATIONS : -PLATEAU_ITERATIONS]) / PLATEAU_ITERATIONS - floor
    return before - last < plateau * before


def _queries(cloud: Tensor, schedule: Schedule, generator: torch.Generator) -> Iterator[Tensor]:
    """Of every iteration (1, N, 3): of all its sets, the queries on the surface, then those off it."""
    on, off = schedule.batches * schedule.surface, schedule.batches * schedule.off_surface
    for _ in range(schedule.iterations):
        rows = torch.randint(len(cloud), (on + off,), generator=generator, device=cloud.device)
        noise = torch.randn(off, 3, generator=generator, device=cloud.device, dtype=cloud.dtype)
        queries = cloud[rows]
        queries[on:] += schedule.std * noise
        yield queries.unsqueeze(0)


def _optimised(network: ConvONetObjective, schedule: Schedule) -> list[nn.Parameter]:
    """What is optimised; the rest is frozen."""
    network.requires_grad_(False)
    chosen: nn.Module = network.encoder if schedule.part == "encoder" else network
    norms = {
        id(parameter)
        for module in chosen.modules()
        if isinstance(module, nn.GroupNorm)
        for parameter in module.parameters()
    }
    found = [one for one in chosen.parameters() if schedule.norms or id(one) not in norms]
    for parameter in found:
        parameter.requires_grad_(True)
    return found
