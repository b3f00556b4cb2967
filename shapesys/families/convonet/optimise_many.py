"""Many clouds at once, each with a copy of the network of its own: for GPUs, which one small network leaves idle.

The copies are one network whose weights have an axis more. What becomes of a cloud's copy is what becomes of it alone,
but for the rounding of batched products.

Legend: S clouds, M points of each, N queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from shapesys.families.convonet.config import ConvONetConfig, Schedule
from shapesys.families.convonet.kept import free_bytes
from shapesys.families.convonet.objective import ConvONetObjective
from shapesys.families.convonet.optimise import (
    Optimised,
    Shape,
    adam_of,
    checked_loss,
    choose_parameters,
    copy_of,
    flattened,
    floor_of,
    queries_about,
    unsigned_cross_entropy,
)
from shapesys.families.convonet.windows import memory_of_window
from shapesys.families.steps import tell
from shapesys.nets.scatter import Cells

MEMORY_SHARE = 0.5
"""Of a GPU's free memory, for the activations of all copies."""


def at_once(config: ConvONetConfig, schedule: Schedule, device: torch.device) -> int:
    """How many clouds are optimised together: 1 on CPUs, where batches gain nothing."""
    if device.type != "cuda":
        return 1
    return max(1, int(MEMORY_SHARE * free_bytes(device) / memory_of_step(config, schedule)))


def memory_of_step(config: ConvONetConfig, schedule: Schedule) -> float:
    """Bytes that one copy keeps for the gradient of an iteration: of maps, of points and of queries, in float32.

    A residual block keeps about seven activations of a point between its layers, and three of a query.
    """
    queries = schedule.batches * (schedule.surface + schedule.off_surface)
    of_points = schedule.seen(config.input_points) * config.blocks * 7 * config.hidden
    of_queries = queries * (config.decoder_blocks * 3 * config.decoder_hidden + config.channels)
    return memory_of_window(config).optimising + 4.0 * (of_points + of_queries)


def optimise_many(
    trained: ConvONetObjective,
    shapes: Sequence[Shape],
    schedule: Schedule,
    plateau: float,
) -> list[Optimised]:
    """Optimise a copy of a network for each of the shapes, of all of which it sees as many points.

    Args:
        plateau: see `ConvONetInference.plateau`; a copy that reaches it stays as it was then.

    Raises:
        ShapesysError: a loss is not finite.
    """
    copies = [copy_of(trained, schedule) for _ in shapes]
    for one in copies:
        choose_parameters(one, schedule)
        one.encoder.set_batched(True)
    weights, buffers = stack_module_state(list(copies))
    weights = {name: value.detach().requires_grad_(value.requires_grad) for name, value in weights.items()}
    adam, decay = adam_of([value for value in weights.values() if value.requires_grad], schedule)
    points = torch.stack([shape.seen for shape in shapes]).unsqueeze(1)
    cells = [_stacked(row) for row in zip(*(trained.space.cells_of(one, dense=True) for one in points), strict=True)]
    template, surface = copies[0], schedule.batches * schedule.surface

    def loss_of(own: dict[str, Any], kept: dict[str, Any], cloud: Tensor, where: Any, queries: Tensor) -> Tensor:
        logits = functional_call(_Encoding(template), (_prefixed(own), _prefixed(kept)), (cloud, where, queries))
        return unsigned_cross_entropy(logits, surface)

    losses: list[list[float]] = [[] for _ in shapes]
    ended: dict[int, dict[str, Tensor]] = {}
    queries_in_all = schedule.batches * (schedule.surface + schedule.off_surface)
    for iteration in range(schedule.iterations):
        tell(iteration, schedule.iterations)
        drawn = [queries_about(shape.asked, schedule.batches, schedule, shape.generator) for shape in shapes]
        adam.zero_grad(set_to_none=True)
        found = vmap(loss_of)(weights, buffers, points, cells, torch.stack(drawn))
        (found.sum() / schedule.batches).backward()
        for row, value in enumerate(found.tolist()):
            if row not in ended:
                losses[row].append(checked_loss(value / queries_in_all, len(losses[row]) + 1))
        adam.step()
        decay.step()
        for row, own in enumerate(losses):
            if row not in ended and flattened(own, floor_of(schedule), plateau):
                ended[row] = {name: value[row].detach().clone() for name, value in weights.items()}
        if len(ended) == len(shapes):
            break
    for row, one in enumerate(copies):
        one.load_state_dict(ended.get(row) or {name: value[row].detach() for name, value in weights.items()})
        one.encoder.set_batched(False)
    return [
        Optimised(one.eval().requires_grad_(False), own, floor_of(schedule))
        for one, own in zip(copies, losses, strict=True)
    ]


class _Encoding(torch.nn.Module):
    """From a cloud to the logits of queries, as one call."""

    def __init__(self, network: ConvONetObjective) -> None:
        super().__init__()
        self.network = network

    def forward(self, points: Tensor, cells: Sequence[tuple[Tensor, Tensor]], queries: Tensor) -> Tensor:
        return self.network.logits(queries, self.network.encoder(points, [Cells(*one) for one in cells]))


def _prefixed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"network.{name}": value for name, value in state.items()}


def _stacked(cells: Sequence[Cells]) -> tuple[Tensor, Tensor]:
    """Rows and counts of tables of all cells, of several clouds."""
    return torch.stack([one.rows for one in cells]), torch.stack([one.counts for one in cells])
