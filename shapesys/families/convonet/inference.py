"""From an unseen cloud to a field: one pass, or a copy of the network that is optimised for it.

Legend: M points of the cloud, N queries, T cells of all maps, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from shapesys.errors import ShapesysError
from shapesys.families.base import FieldPrediction, Observation
from shapesys.families.convonet.config import ConvONetInference
from shapesys.families.convonet.objective import ConvONetObjective
from shapesys.families.convonet.optimise import Optimised, optimise, whole
from shapesys.families.convonet.scene import (
    Scene,
    WindowAnswers,
    features_limit,
    memory_facts,
    scene_field,
    windows_of,
)
from shapesys.families.fields.occupancy import check_inside, cube_field, logit, some_of
from shapesys.fields.logit_field import LogitField
from shapesys.samples.seeds import stable_hash


def infer(
    objective: ConvONetObjective, observations: Sequence[Observation], config: ConvONetInference, seed: int
) -> list[FieldPrediction]:
    """A field for each cloud; what it becomes does not depend on the clouds beside it.

    Raises:
        ShapesysError: a cloud without points, or outside of the features' cube; names the shape.
    """
    objective.eval().requires_grad_(False)
    return [_infer(objective, item, config, seed) for item in observations]


def _infer(objective: ConvONetObjective, seen: Observation, config: ConvONetInference, seed: int) -> FieldPrediction:
    device = objective.decoder.out.weight.device
    generator = torch.Generator(device).manual_seed(stable_hash(f"{seed}/{seen.shape_id}"))
    cloud = torch.as_tensor(np.asarray(seen.columns["points"], np.float32), device=device)
    if objective.config.core:
        return _of_scene(objective, seen.shape_id, cloud, config, generator)
    check_inside(cloud, objective.space.side, seen.shape_id)
    cloud = some_of(cloud, config.seen_points, generator)
    schedule = config.planned()
    if schedule is None:
        return FieldPrediction(seen.shape_id, field_of(objective, cloud, config.surface_level))
    done = optimise(objective, whole(objective.space, cloud, schedule, generator), schedule, config.plateau)
    field = field_of(done.network, cloud, config.surface_level)
    return FieldPrediction(seen.shape_id, field, _facts(done), _curves(done))


def _of_scene(
    objective: ConvONetObjective, shape_id: str, cloud: Tensor, config: ConvONetInference, generator: torch.Generator
) -> FieldPrediction:
    """Windows of a scene see all of its points, unless told how many in all."""
    if not len(cloud):
        raise ShapesysError(f"'{shape_id}' has no points to see")
    scene = Scene.of(objective, some_of(cloud, config.points or len(cloud), generator))
    facts, curves, network = memory_facts(objective, scene), dict[str, np.ndarray](), objective
    if schedule := config.planned():
        steps = windows_of(objective, scene, schedule, generator, shape_id)
        done = optimise(objective, steps, schedule, config.plateau)
        facts, curves, network = facts | _facts(done), _curves(done), done.network
    answers = WindowAnswers(network, scene, features_limit())
    return FieldPrediction(shape_id, scene_field(network, scene, logit(config.surface_level), answers), facts, curves)


def field_of(network: ConvONetObjective, cloud: Tensor, level: float) -> LogitField:
    """The network's logits around a cloud (M, 3), in its cube; the surface at a probability of being inside."""
    with torch.no_grad():
        table = network.encoder(cloud.unsqueeze(0))

    def logits(points: Tensor) -> Tensor:
        return network.logits(points.unsqueeze(0), table)[0]

    return cube_field(logits, network.space.side, level, cloud)


def _curves(done: Optimised) -> dict[str, np.ndarray]:
    return {"loss": np.asarray(done.losses, np.float32)}


def _facts(done: Optimised) -> dict[str, float]:
    if not done.losses:
        return {"iterations": 0.0, "loss_floor": done.floor}
    return {
        "iterations": float(len(done.losses)),
        "loss_first": done.losses[0],
        "loss_last": done.losses[-1],
        "loss_floor": done.floor,
    }
