"""From a stored cloud to what a network trains on: a subset, an augmentation, an order. NumPy, where data is read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import ShapesysError
from shapesys.families.base import Arrays, SampleRequest
from shapesys.families.points.blocks import random_block
from shapesys.families.points.config import Augmentation, PointConfig
from shapesys.families.points.salient import with_saliency
from shapesys.families.points.transforms import FloatRows, Points, centred, rotation
from shapesys.geometry.fps import farthest_points

Rows = NDArray[np.int64]


def sample(config: PointConfig, arrays: Arrays, request: SampleRequest) -> Arrays:
    """One training row of a cloud.

    Returns:
        ``points`` (count, 3); ``features`` (count, C) where the network takes any; ``order`` (M,) where it samples
        points; ``labels`` (count,) int64, numbered within the category, where points are labelled; ``saliency``
        (count,) where it weighs gradients. The count is that of the salient points where these are chosen.

    Raises:
        ShapesysError: the cloud lacks normals, colours, labels or a saliency map that the configuration asks for.
    """
    rng = np.random.default_rng(request.seed)
    augment = config.augment if request.training else Augmentation(shuffle=False)
    cloud = Points.of(config, arrays)
    ordered = request.ordered and not augment.breaks_order and not config.salient_points
    if config.task == "scenes":
        cloud, ordered = random_block(config, cloud, request.scale, rng), False
    if config.salient_points or (config.saliency_gradient and request.training):
        cloud = with_saliency(config, cloud, arrays, request.count)
    cloud = cloud.take(_subset(len(cloud.points), config.salient_points or request.count, augment, rng))
    if config.task != "scenes" and not config.salient_points:
        cloud = centred(cloud, config.frame)
    cloud = augmented(cloud, augment, config.up, rng)
    order = fps_order(cloud.points, config.samples_needed, ordered)
    if augment.shuffle:
        mixed = rng.permutation(len(cloud.points))
        cloud, order = cloud.take(mixed), np.argsort(mixed)[order]
    return cloud.columns() | ({"order": order} if config.samples_needed else {})


def augmented(cloud: Points, augment: Augmentation, up: str, rng: np.random.Generator) -> Points:
    """The cloud turned, scaled, shifted, with noise, and with points dropped."""
    turned = cloud.turned(rotation(augment.rotation, up, augment.tilt, augment.tilt_clip, rng))
    axes = 3 if augment.scale_by_axis else 1
    scale = rng.uniform(augment.scale_low, augment.scale_high, axes).astype(np.float32)
    shift = rng.uniform(-augment.shift, augment.shift, 3).astype(np.float32)
    made = turned.scaled(np.broadcast_to(scale, 3)).moved(-shift, 1.0)
    if augment.jitter:
        noise = augment.jitter * rng.standard_normal(made.points.shape, dtype=np.float32)
        made = made.displaced(np.clip(noise, -augment.jitter_clip, augment.jitter_clip))
    if augment.dropped:
        lost = rng.random(len(made.points)) < rng.uniform(0, augment.dropped)
        made = made.take(np.where(lost, 0, np.arange(len(made.points))))
    return made


def _subset(size: int, count: int, augment: Augmentation, rng: np.random.Generator) -> Rows:
    """(count,) rows: the first ones, or random ones; too few points are repeated."""
    if augment.subset == "random":
        return rng.choice(size, count, replace=size < count)
    return (
        np.arange(count) if size >= count else np.concatenate([np.arange(size), rng.integers(size, size=count - size)])
    )


def fps_order(points: FloatRows, wanted: int, ordered: bool) -> Rows:
    """(M,) the first rows of the order of farthest point sampling; those of the points as they are where `ordered`.

    Raises:
        ShapesysError: there are fewer points.
    """
    if wanted > len(points):
        raise ShapesysError(
            f"{len(points)} points are too few for a network that samples {wanted} of them; raise "
            "train.points_per_shape or inference.points"
        )
    return np.arange(wanted) if ordered else farthest_points(points, wanted)
