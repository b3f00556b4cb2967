"""Sign-agnostic optimisation of a pre-trained network for one cloud or scene (SA-ConvONet, Tang et al., ICCV 2021).

The cloud's own points are on the surface, points displaced from it are off it, and nobody knows which of those are
inside. The unsigned cross entropy asks for logits of 0 on the surface and for large ones off it, whatever their sign;
the signs are those that the pre-trained network begins with, and stay where they are certain.

Queries come in sets, whose losses are averaged. Of a shape that is seen as a whole, all sets see the same cloud, and
nothing between its points depends on queries: it is encoded once per iteration and not once per set. The loss is the
same, the cost is not. Of a scene each set is of another window. The cells that points lie in never change, and are
found once.

The network that was trained stays as it is: what is optimised is a copy.

Legend: M points of the cloud, N queries, T cells of all maps, C channels.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shapesys.errors import ShapesysError
from shapesys.families.convonet.config import Schedule
from shapesys.families.convonet.objective import ConvONetObjective
from shapesys.families.fields.occupancy import logit
from shapesys.families.steps import tell
from shapesys.nets.feature_maps import FeatureSpace
from shapesys.nets.scatter import Cells

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


@dataclass(frozen=True)
class QuerySets:
    """Queries, and the cloud that the network sees when it answers.

    Attributes:
        points: (1, M, 3) of the cloud.
        cells: that they lie in.
        queries: (1, N, 3), those on the surface first.
        surface: how many these are.
    """

    points: Tensor
    cells: Sequence[Cells]
    queries: Tensor
    surface: int


Steps = Callable[[], Sequence[QuerySets]]
"""What is asked in the next iteration: in all, `batches` sets of queries."""


def optimise(trained: ConvONetObjective, steps: Steps, schedule: Schedule, plateau: float) -> Optimised:
    """Optimise a copy of a network for what is asked.

    Args:
        plateau: see `ConvONetInference.plateau`.

    Raises:
        ShapesysError: the loss is not finite.
    """
    network = copy_of(trained, schedule)
    adam, decay = adam_of(choose_parameters(network, schedule), schedule)
    queries, floor = schedule.batches * (schedule.surface + schedule.off_surface), floor_of(schedule)
    losses: list[float] = []
    for iteration in range(schedule.iterations):
        tell(iteration, schedule.iterations)
        adam.zero_grad(set_to_none=True)
        total = 0.0
        for asked in steps():
            logits = network.logits(asked.queries, network.encoder(asked.points, asked.cells))
            loss = unsigned_cross_entropy(logits, asked.surface)
            (loss / schedule.batches).backward()
            total += float(loss.detach())
        losses.append(checked_loss(total / queries, len(losses) + 1))
        adam.step()
        decay.step()
        if flattened(losses, floor, plateau):
            break
    return Optimised(network.eval().requires_grad_(False), losses, floor)


def copy_of(trained: ConvONetObjective, schedule: Schedule) -> ConvONetObjective:
    """What is optimised: the network with logits of 0 where the schedule starts."""
    network = copy.deepcopy(trained).train()
    network.decoder.shift(-logit(schedule.start))
    return network


def adam_of(
    parameters: Sequence[Tensor], schedule: Schedule
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """The optimiser of a schedule, and what lowers its rate."""
    adam = torch.optim.Adam(parameters, lr=schedule.learning_rate, fused=True)
    return adam, torch.optim.lr_scheduler.StepLR(adam, schedule.decay_every, schedule.decay)


def floor_of(schedule: Schedule) -> float:
    """The least loss per query: ln 2 of each on the surface."""
    return math.log(2.0) * schedule.surface / (schedule.surface + schedule.off_surface)


def checked_loss(loss: float, iteration: int) -> float:
    """The loss, where it is finite.

    Raises:
        ShapesysError: it is not.
    """
    if not math.isfinite(loss):
        raise ShapesysError(f"the loss of the optimisation is {loss} in iteration {iteration}; lower learning_rate")
    return loss


def flattened(losses: list[float], floor: float, plateau: float) -> bool:
    """Whether the last 50 losses are hardly lower, in the mean and less their floor, than the 50 before; asked every
    50 iterations."""
    if not plateau or len(losses) % PLATEAU_ITERATIONS or len(losses) < 2 * PLATEAU_ITERATIONS:
        return False
    last = sum(losses[-PLATEAU_ITERATIONS:]) / PLATEAU_ITERATIONS - floor
    before = sum(losses[-2 * PLATEAU_ITERATIONS : -PLATEAU_ITERATIONS]) / PLATEAU_ITERATIONS - floor
    return before - last < plateau * before


@dataclass(frozen=True)
class Shape:
    """A cloud that a network is optimised for.

    Attributes:
        seen: (M, 3) points that the network sees.
        asked: (K, 3) points that queries are of.
        generator: of the queries, on the same device.
    """

    seen: Tensor
    asked: Tensor
    generator: torch.Generator


def whole(space: FeatureSpace, shape: Shape, schedule: Schedule) -> Steps:
    """All sets of an iteration about one cloud, of which all of them see the same points."""
    points = shape.seen.unsqueeze(0)
    cells = space.cells_of(points)

    def step() -> Sequence[QuerySets]:
        queries = queries_about(shape.asked, schedule.batches, schedule, shape.generator)
        return [QuerySets(points, cells, queries, schedule.batches * schedule.surface)]

    return step


def queries_about(cloud: Tensor, sets: int, schedule: Schedule, generator: torch.Generator) -> Tensor:
    """(1, N, 3) of some sets: points of the cloud (M, 3), then displaced ones.

    Args:
        generator: on the cloud's device.
    """
    on, off = sets * schedule.surface, sets * schedule.off_surface
    rows = torch.randint(len(cloud), (on + off,), generator=generator, device=cloud.device)
    noise = torch.randn(off, 3, generator=generator, device=cloud.device, dtype=cloud.dtype)
    queries = cloud[rows]
    queries[on:] += schedule.std * noise
    return queries.unsqueeze(0)


def choose_parameters(network: ConvONetObjective, schedule: Schedule) -> list[nn.Parameter]:
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
