"""From an unseen cloud to a field: one pass, or a copy of the network that is optimised for it.

Legend: M points of the cloud, N queries, T cells of all maps, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from shapesys.errors import ShapesysError
from shapesys.families.base import FieldPrediction, Observation
from shapesys.families.convonet.config import ConvONetConfig, ConvONetInference, Schedule
from shapesys.families.convonet.objective import ConvONetObjective
from shapesys.families.convonet.optimise import Optimised, Shape, optimise, whole
from shapesys.families.convonet.optimise_many import at_once, optimise_many
from shapesys.families.convonet.scene import (
    Scene,
    WindowAnswers,
    scene_facts,
    scene_field,
    windows_of,
)
from shapesys.families.fields.occupancy import SeenCloud, check_inside, cube_field, in_random_order, logit, some_of
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
    schedule = config.planned()
    if schedule is None:
        count = config.seen_points(model.input_points)
        clouds = [some_of(item.cloud, count, item.generator) for item in seen]
        return [
            FieldPrediction(item.shape_id, field_of(objective, cloud, config.surface_level), taken_at(config))
            for item, cloud in zip(seen, clouds, strict=True)
        ]
    shapes = [(item.shape_id, _shape_of(item, schedule, model)) for item in seen]
    found: list[FieldPrediction] = []
    for some in _alike(shapes, at_once(model, schedule, device)):
        for (name, shape), done in zip(some, _optimised(objective, some, schedule, config.plateau), strict=True):
            field = field_of(done.network, shape.seen, config.surface_level, shape.asked)
            found.append(FieldPrediction(name, field, taken_at(config) | _facts(done), _curves(done)))
    return found


def _shape_of(item: SeenCloud, schedule: Schedule, model: ConvONetConfig) -> Shape:
    """Points of a cloud that its network is asked about, and those of them that it sees: as in one pass."""
    cloud = in_random_order(item.cloud, item.generator)
    return Shape(cloud[: schedule.seen(model.input_points)], cloud[: schedule.points], item.generator)


def _alike(shapes: Sequence[tuple[str, Shape]], count: int) -> Iterator[list[tuple[str, Shape]]]:
    """Neighbours of which networks see as many points, some at a time."""
    for _, group in groupby(shapes, lambda item: len(item[1].seen)):
        same = list(group)
        yield from (same[start : start + count] for start in range(0, len(same), count))


def _optimised(
    objective: ConvONetObjective, shapes: Sequence[tuple[str, Shape]], schedule: Schedule, plateau: float
) -> list[Optimised]:
    """Copies of the network, each for its shape.

    Raises:
        ShapesysError: a loss is not finite; names the shapes.
    """
    names, together = zip(*shapes, strict=True)
    try:
        if len(together) > 1:
            return optimise_many(objective, together, schedule, plateau)
        return [optimise(objective, whole(objective.space, together[0], schedule), schedule, plateau)]
    except ShapesysError as error:
        raise ShapesysError(f"{', '.join(names)}: {error}") from None


def _of_scene(objective: ConvONetObjective, seen: SeenCloud, config: ConvONetInference) -> FieldPrediction:
    """The field of a scene, window by window."""
    if not len(seen.cloud):
        raise ShapesysError(f"'{seen.shape_id}' has no points to see")
    limit = config.seen_points(objective.config.input_points)
    scene = Scene.of(objective, seen.cloud, limit, seen.generator)
    facts, curves, network = taken_at(config) | scene_facts(objective, scene), dict[str, np.ndarray](), objective
    if schedule := config.planned():
        steps = windows_of(objective, scene, schedule, seen.generator)
        done = optimise(objective, steps, schedule, config.plateau)
        facts, curves, network = facts | _facts(done), _curves(done), done.network
    field = scene_field(network, scene, logit(config.surface_level), WindowAnswers.by(network, scene))
    return FieldPrediction(seen.shape_id, field, facts, curves)


def field_of(network: ConvONetObjective, cloud: Tensor, level: float, near: Tensor | None = None) -> LogitField:
    """The network's logits around a cloud (M, 3), in its cube; the surface at a probability of being inside.

    Args:
        near: (K, 3) points that a surface is looked for about; those of the cloud where None.
    """
    with torch.no_grad():
        table = network.encoder(cloud.unsqueeze(0))

    def logits(points: Tensor) -> Tensor:
        return network.logits(points.unsqueeze(0), table)[0]

    return cube_field(logits, network.space.side, level, cloud if near is None else near)


def taken_at(config: ConvONetInference) -> dict[str, float]:
    """The probability of being inside at which the surface is, and that which counts as one half, for the record."""
    planned = config.planned()
    return {"level": config.surface_level} | ({"start": planned.start} if planned else {})


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
