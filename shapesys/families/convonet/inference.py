"""From an unseen cloud to a field: one pass, or a copy of the network that is optimised for it.

Legend: M points of the cloud, N queries, T cells of all maps, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from shapesys.errors import ShapesysError
from shapesys.families.base import FieldPrediction, Observation
from shapesys.families.convonet.config import ConvONetInference, Schedule
from shapesys.families.convonet.objective import ConvONetObjective
from shapesys.families.convonet.optimise import Optimised, optimise, whole
from shapesys.families.convonet.optimise_many import at_once, optimise_many
from shapesys.families.convonet.scene import (
    Scene,
    WindowAnswers,
    features_limit,
    memory_facts,
    scene_field,
    windows_of,
)
from shapesys.families.fields.occupancy import SeenCloud, check_inside, cube_field, logit, some_of
from shapesys.fields.logit_field import LogitField


def infer(
    objective: ConvONetObjective, observations: Sequence[Observation], config: ConvONetInference, seed: int
) -> list[FieldPrediction]:
    """A field for each cloud; what it becomes does not depend on the clouds beside it.

    Raises:
        ShapesysError: a cloud without points, or outside of the features' cube; names the shape.
    """
    objective.eval().requires_grad_(False)
    device, model = objective.decoder.out.weight.device, objective.config
    seen = [SeenCloud.of(item, device, seed) for item in observations]
    if model.core:
        return [_of_scene(objective, item, config) for item in seen]
    for item in seen:
        check_inside(item.cloud, objective.space.side, item.shape_id)
    seen = [replace(item, cloud=some_of(item.cloud, config.seen_points(model), item.generator)) for item in seen]
    schedule = config.planned()
    if schedule is None:
        return [
            FieldPrediction(item.shape_id, field_of(objective, item.cloud, config.surface_level), taken_at(config))
            for item in seen
        ]
    found: list[FieldPrediction] = []
    for some in _alike(seen, at_once(model, schedule, device)):
        for item, done in zip(some, _optimised(objective, some, schedule, config.plateau), strict=True):
            field = field_of(done.network, item.cloud, config.surface_level)
            found.append(FieldPrediction(item.shape_id, field, taken_at(config) | _facts(done), _curves(done)))
    return found


def _alike(seen: Sequence[SeenCloud], count: int) -> Iterator[list[SeenCloud]]:
    """Neighbours of as many points each, some at a time."""
    for _, group in groupby(seen, lambda item: len(item.cloud)):
        same = list(group)
        yield from (same[start : start + count] for start in range(0, len(same), count))


def _optimised(
    objective: ConvONetObjective, seen: Sequence[SeenCloud], schedule: Schedule, plateau: float
) -> list[Optimised]:
    """Copies of the network, each for its cloud.

    Raises:
        ShapesysError: a loss is not finite; names the shapes.
    """
    try:
        return _together_or_alone(objective, seen, schedule, plateau)
    except ShapesysError as error:
        raise ShapesysError(f"{', '.join(item.shape_id for item in seen)}: {error}") from None


def _together_or_alone(
    objective: ConvONetObjective, seen: Sequence[SeenCloud], schedule: Schedule, plateau: float
) -> list[Optimised]:
    if len(seen) > 1:
        clouds, generators = [item.cloud for item in seen], [item.generator for item in seen]
        return optimise_many(objective, clouds, schedule, plateau, generators)
    [item] = seen
    return [optimise(objective, whole(objective.space, item.cloud, schedule, item.generator), schedule, plateau)]


def _of_scene(objective: ConvONetObjective, seen: SeenCloud, config: ConvONetInference) -> FieldPrediction:
    """Windows of a scene see all of its points, unless told how many in all."""
    if not len(seen.cloud):
        raise ShapesysError(f"'{seen.shape_id}' has no points to see")
    scene = Scene.of(objective, some_of(seen.cloud, config.points or len(seen.cloud), seen.generator))
    facts, curves, network = taken_at(config) | memory_facts(objective, scene), dict[str, np.ndarray](), objective
    if schedule := config.planned():
        steps = windows_of(objective, scene, schedule, seen.generator, seen.shape_id)
        done = optimise(objective, steps, schedule, config.plateau)
        facts, curves, network = facts | _facts(done), _curves(done), done.network
    answers = WindowAnswers(network, scene, features_limit(scene.cloud.device))
    field = scene_field(network, scene, logit(config.surface_level), answers)
    return FieldPrediction(seen.shape_id, field, facts, curves)


def field_of(network: ConvONetObjective, cloud: Tensor, level: float) -> LogitField:
    """The network's logits around a cloud (M, 3), in its cube; the surface at a probability of being inside."""
    with torch.no_grad():
        table = network.encoder(cloud.unsqueeze(0))

    def logits(points: Tensor) -> Tensor:
        return network.logits(points.unsqueeze(0), table)[0]

    return cube_field(logits, network.space.side, level, cloud)


def taken_at(config: ConvONetInference) -> dict[str, float]:
    """The probability of being inside at which the surface is, for the record."""
    return {"level": config.surface_level}


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
