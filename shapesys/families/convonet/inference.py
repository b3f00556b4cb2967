"""From an unseen cloud to a field: one pass, or a copy of the network that is optimised for it.

Legend: M points of the cloud, N queries, T cells of all maps, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from shapesys.errors import ShapesysError
from shapesys.families.base import FieldPrediction, Observation
from shapesys.families.convonet.config import ConvONetInference
from shapesys.families.convonet.objective import ConvONetObjective
from shapesys.families.convonet.optimise import Optimised, optimise
from shapesys.families.fields.occupancy import logit
from shapesys.fields.field import Box, FieldTraits
from shapesys.fields.logit_field import LogitField
from shapesys.samples.seeds import stable_hash

OUTSIDE = 0.01
"""Share of a cloud's points that may lie outside the cube of features, as outliers and noise do."""


def infer(
    objective: ConvONetObjective, observations: Sequence[Observation], config: ConvONetInference, seed: int
) -> list[FieldPrediction]:
    """A field for each cloud; what it becomes does not depend on the clouds beside it.

    Raises:
        ShapesysError: a cloud without points, or outside of the features' cube; names the shape.
    """
    objective.eval().requires_grad_(False)
    return [_infer(objective, item, config, seed) for item in observations]


def observe_points(points: np.ndarray, config: ConvONetInference, seed: int) -> Mapping[str, np.ndarray]:
    """The ``cloud`` columns of a cloud (M, 3) in its normalised frame."""
    return {"points": np.asarray(points, np.float32)}


def _infer(objective: ConvONetObjective, seen: Observation, config: ConvONetInference, seed: int) -> FieldPrediction:
    device = objective.decoder.out.weight.device
    generator = torch.Generator(device).manual_seed(stable_hash(f"{seed}/{seen.shape_id}"))
    cloud = torch.as_tensor(np.asarray(seen.columns["points"], np.float32), device=device)
    check_inside(cloud, objective.space.side, seen.shape_id)
    cloud = some_of(cloud, config.seen_points, generator)
    schedule = config.planned()
    if schedule is None:
        return FieldPrediction(seen.shape_id, field_of(objective, cloud, config.surface_level))
    done = optimise(objective, cloud, schedule, config.plateau, generator)
    field = field_of(done.network, cloud, config.surface_level)
    return FieldPrediction(seen.shape_id, field, _facts(done), {"loss": np.asarray(done.losses, np.float32)})


def field_of(network: ConvONetObjective, cloud: Tensor, level: float) -> LogitField:
    """The network's logits around a cloud (M, 3), in its cube; the surface at a probability of being inside."""
    half = 0.5 * network.space.side
    traits = FieldTraits(logit(level), Box((-half,) * 3, (half,) * 3), negative_inside=False, is_distance=False)
    with torch.no_grad():
        table = network.encoder(cloud.unsqueeze(0))

    def logits(points: Tensor) -> Tensor:
        return network.logits(points.unsqueeze(0), table)[0]

    return LogitField(logits, traits, table.device)


def some_of(cloud: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """(at most count, 3) points at random."""
    if len(cloud) <= count:
        return cloud
    return cloud[torch.randperm(len(cloud), generator=generator, device=cloud.device)[:count]]


def check_inside(cloud: Tensor, side: float, shape_id: str) -> None:
    """Refuse clouds that the network would see as flattened against the walls of its cube.

    Raises:
        ShapesysError: no points, or too many outside.
    """
    if not len(cloud):
        raise ShapesysError(f"'{shape_id}' has no points to see")
    beyond = cloud.abs().amax(dim=1) > 0.5 * side
    if float(beyond.float().mean()) > OUTSIDE:
        raise ShapesysError(
            f"{int(beyond.sum())} of the {len(cloud)} points of '{shape_id}' lie outside the cube of side {side:g} "
            f"about the origin that the network sees (they reach {float(cloud.abs().max()):.3g}); prepare with "
            "--frame unit_cube, or train with a larger --model.side"
        )


def _facts(done: Optimised) -> dict[str, float]:
    if not done.losses:
        return {"iterations": 0.0, "loss_floor": done.floor}
    return {
        "iterations": float(len(done.losses)),
        "loss_first": done.losses[0],
        "loss_last": done.losses[-1],
        "loss_floor": done.floor,
    }
