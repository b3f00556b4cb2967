"""What families that classify space share: clouds as a scanner would give them, the loss, measures of a batch, and what
an unseen cloud is checked for.

Legend: B shapes, N queries per shape, M surface points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from shapesys.config.base import Config
from shapesys.errors import ShapesysError
from shapesys.families.base import Batch, Observation, Term, Terms, TrainingData
from shapesys.families.fields.occupancy_config import CloudConfig
from shapesys.fields.field import Box, FieldTraits
from shapesys.fields.logit_field import LogitField
from shapesys.nets.dropout import shape_noise
from shapesys.samples.seeds import stable_hash

OUTSIDE = 0.01
"""Share of a cloud's points that may lie outside the cube of a model, as outliers and noise do."""


def noisy_inputs(batch: Batch, count: int, std: float) -> Tensor:
    """(B, count, 3) of each shape's surface points (B, M, 3) some at random, or all of fewer, with noise.

    By each shape's ``noise_seed`` (B,), whatever shapes are beside it.
    """
    surface = batch["surface"]
    clouds = []
    for cloud, generator in zip(surface, shape_noise(batch["noise_seed"], surface.device), strict=True):
        cloud = some_of(cloud, count, generator)
        noise = torch.randn(cloud.shape, generator=generator, device=cloud.device, dtype=cloud.dtype)
        clouds.append(cloud + std * noise)
    return torch.stack(clouds)


def check_surface(config: CloudConfig, data: TrainingData) -> None:
    """Refuse stores that hold fewer surface points beside a step's queries than are to be seen.

    Raises:
        ShapesysError: fewer.
    """
    held = data.chunk.get("surface")
    if held is not None and held < config.input_points:
        raise ShapesysError(
            f"model.input_points is {config.input_points}, and the store holds {held} surface points beside the "
            f"queries of a step; prepare with --inside.surface {config.input_points}, or set --model.input-points "
            f"{held}"
        )


def some_of(cloud: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """(at most count, 3) points of a cloud (M, 3) at random; all of it, as it is, where there are no more."""
    if len(cloud) <= count:
        return cloud
    return in_random_order(cloud, generator, count)


def in_random_order(cloud: Tensor, generator: torch.Generator, count: int | None = None) -> Tensor:
    """The points of a cloud (M, 3), or the first `count` of them in that order."""
    return cloud[torch.randperm(len(cloud), generator=generator, device=cloud.device)[:count]]


def occupancy_terms(logits: Tensor, inside: Tensor, level: float, weights: Tensor | None = None) -> Terms:
    """Cross entropy of the inside bits (B, N) of queries with their logits: summed over a shape's queries, averaged
    over shapes; and `occupancy_statistics` at a level.

    Args:
        weights: (B,) of each shape's sum; 1 where None.
    """
    truth = inside.to(logits.dtype)
    entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none").sum(dim=1)
    weighted = entropy if weights is None else entropy * weights
    return Terms({"occupancy": Term(weighted.mean())}, occupancy_statistics(logits, truth, level, weights))


def occupancy_statistics(
    logits: Tensor, inside: Tensor, level: float, weights: Tensor | None = None
) -> Mapping[str, Tensor]:
    """Mean over shapes of the IoU and of the share of right answers, at a level, of queries (B, N); each times its
    shape's weight (B,), where there are weights."""
    predicted, true = logits.detach() > logit(level), inside > 0.5
    both, either = (predicted & true).sum(dim=1).float(), (predicted | true).sum(dim=1).float()
    iou = torch.where(either > 0, both / either.clamp_min(1.0), 1.0)
    right = (predicted == true).float().mean(dim=1)
    if weights is not None:
        iou, right = iou * weights, right * weights
    return {"iou": iou.mean(), "accuracy": right.mean()}


def logit(probability: float) -> float:
    """What the sigmoid makes this probability of."""
    return math.log(probability / (1.0 - probability))


@dataclass(frozen=True)
class SeenCloud:
    """A cloud (M, 3) on a network's device, and what is drawn at random for it, whatever clouds are beside it."""

    shape_id: str
    cloud: Tensor
    generator: torch.Generator

    @classmethod
    def of(cls, item: Observation, device: torch.device, seed: int) -> SeenCloud:
        """What is observed of a shape."""
        generator = torch.Generator(device).manual_seed(stable_hash(f"{seed}/{item.shape_id}"))
        points = np.asarray(item.columns["points"], np.float32)
        return cls(item.shape_id, torch.as_tensor(points, device=device), generator)


def observe_points(points: np.ndarray, config: Config, seed: int) -> Mapping[str, np.ndarray]:
    """The ``cloud`` columns of a cloud (M, 3) in its normalised frame."""
    return {"points": np.asarray(points, np.float32)}


def check_inside(cloud: Tensor, side: float, shape_id: str) -> None:
    """Refuse clouds (M, 3) that leave the cube about the origin that a model covers.

    Raises:
        ShapesysError: no points, or too many outside.
    """
    if not len(cloud):
        raise ShapesysError(f"'{shape_id}' has no points to see")
    if not bool(cloud.isfinite().all()):
        raise ShapesysError(f"'{shape_id}' has points that are not finite numbers; remove them")
    beyond = cloud.abs().amax(dim=1) > 0.5 * side
    if float(beyond.float().mean()) > OUTSIDE:
        raise ShapesysError(
            f"{int(beyond.sum())} of the {len(cloud)} points of '{shape_id}' lie outside the cube of side {side:g} "
            f"about the origin that the model covers (they reach {float(cloud.abs().max()):.3g}); prepare with "
            "--frame unit_cube, or train with a larger --model.side"
        )


def cube_field(logits: Callable[[Tensor], Tensor], side: float, level: float, cloud: Tensor) -> LogitField:
    """Logits (n, 3) -> (n,) as a field in the cube of this side about the origin, with its surface at a probability of
    being inside; of a network on the device of the cloud (M, 3) that it saw."""
    half = 0.5 * side
    traits = FieldTraits(logit(level), Box((-half,) * 3, (half,) * 3), negative_inside=False, is_distance=False)
    return LogitField(logits, traits, cloud.device, cloud.cpu().numpy())
