"""Point cloud saliency maps (PCSM; Zheng, Chen, Yuan, Li and Ren, "PointCloud Saliency Maps", ICCV 2019): how much each
point matters to a trained classifier.

Dropping a point has no derivative; moving it to the core of the cloud, where it says nothing of the surface, has one.
With the core c, the coordinate-wise median, and r_i = |x_i - c|, the loss of the true category grows by about

    s_i = -(dL / dr_i) r_i^(1 + alpha) = -r_i^alpha (x_i - c) . grad_{x_i} L

as point i goes there: the higher, the more the classifier misses it.

What is open, and our choice: the authors' script for PointNet has alpha = 1, the one for DGCNN 6. They take the
gradient of the mean loss over a batch, so that scores shrink with its size; here each cloud has its own loss. Scores
are raw: who compares maps rescales them.

Legend: B clouds, n points.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from shapesys.errors import UsageError
from shapesys.families.points.objective import PointObjective, cross_entropy
from shapesys.families.points.sampling import fps_order
from shapesys.families.points.transforms import Points, centred


def point_cloud_saliency(
    objective: PointObjective,
    clouds: ArrayLike | Tensor,
    categories: Sequence[int],
    *,
    alpha: float = 1.0,
    features: ArrayLike | Tensor | None = None,
    batch: int = 16,
) -> NDArray[np.float32]:
    """Saliency of every point of labelled clouds, by a trained classifier of any family on points.

    All points of a cloud pass the network together, in the frame that the network works in (`model.frame`); core,
    radii and gradients are in that frame. The network runs in evaluation mode, and is left as it was.

    Args:
        objective: trained to classify.
        clouds: (B, n, 3) stored positions; as many points as the network was trained on suit it best.
        categories: (B,) place of each cloud's true category in the objective's vocabulary.
        alpha: exponent of the radius beside the gradient's own; 1 and 6 are published.
        features: (B, n, C) normals, colours, or normals before colours, for networks that were trained with them.
        batch: clouds that pass the network together; changes no score.

    Returns:
        (B, n) finite scores, 0 at the core.

    Raises:
        UsageError: the network labels points, lacks its features or was given others, or the arguments do not fit.
    """
    points = _array(clouds)
    beside = None if features is None else _array(features)
    _check(objective, points, beside, categories, alpha)
    scores = np.zeros(points.shape[:2], np.float32)
    with _evaluating(objective):
        for first in range(0, len(points), batch):
            rows = slice(first, first + batch)
            seen = np.stack([centred(Points(cloud), objective.config.frame).points for cloud in points[rows]])
            truth = [int(category) for category in categories[rows]]
            gradient = _gradient(objective, seen, None if beside is None else beside[rows], truth)
            scores[rows] = radial_scores(seen, gradient, alpha)
    return scores


def radial_scores(points: NDArray[np.floating], gradient: NDArray[np.floating], alpha: float) -> NDArray[np.floating]:
    """(B, n) -r^alpha (x - c) . gradient, from points (B, n, 3) and the loss's gradient in them (B, n, 3)."""
    offset = points.astype(np.float64) - np.median(points.astype(np.float64), axis=1, keepdims=True)
    radius = np.linalg.norm(offset, axis=2)
    scores: NDArray[np.floating] = -(radius**alpha) * (offset * gradient).sum(axis=2)
    return scores


def _gradient(
    objective: PointObjective, points: NDArray[np.floating], features: NDArray[np.floating] | None, truth: list[int]
) -> NDArray[np.floating]:
    """(B, n, 3) the gradient of each cloud's own loss in its points."""
    config, device = objective.config, objective.first_part.device
    dtype = next(objective.parameters()).dtype
    inputs = torch.as_tensor(points, dtype=dtype, device=device).requires_grad_()
    category = torch.tensor(truth, device=device)
    seen = {"points": inputs, "category_index": category}
    if features is not None:
        seen["features"] = torch.as_tensor(features, dtype=dtype, device=device)
    if config.samples_needed:
        orders = [fps_order(cloud.astype(np.float32), config.samples_needed, ordered=False) for cloud in points]
        seen["order"] = torch.from_numpy(np.stack(orders)).to(device)
    with torch.enable_grad():
        logits = objective.label(objective.cloud_of(seen)).logits
        logits = logits if logits.dtype == torch.float64 else logits.float()
        # The sum: a mean over the batch would make scores depend on its size.
        loss = cross_entropy(logits, category, config.smoothing, config.smoothing_over).sum()
        [gradient] = torch.autograd.grad(loss, inputs)
    found: NDArray[np.floating] = gradient.double().cpu().numpy()
    return found


@contextlib.contextmanager
def _evaluating(objective: PointObjective) -> Iterator[None]:
    """Every module in evaluation mode for the length of a ``with`` block, and in its own mode afterwards."""
    modes = [(module, module.training) for module in objective.modules()]
    objective.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _array(values: ArrayLike | Tensor) -> NDArray[np.floating]:
    array = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)
    return array if array.dtype == np.float64 else array.astype(np.float32)


def _check(
    objective: PointObjective,
    points: NDArray[np.floating],
    features: NDArray[np.floating] | None,
    categories: Sequence[int],
    alpha: float,
) -> None:
    config, classes = objective.config, len(objective.vocabulary.categories)
    if config.task != "classification":
        raise UsageError(
            f"point cloud saliency maps explain a classifier's loss, but this network was trained for {config.task}; "
            "use a run of --model.task classification"
        )
    if points.ndim != 3 or points.shape[2] != 3 or not points.shape[1] or not np.isfinite(points).all():
        raise UsageError(f"clouds are finite positions (B, n, 3); got an array of shape {points.shape}")
    if len(categories) != len(points) or not all(0 <= category < classes for category in categories):
        raise UsageError(
            f"each of {len(points)} clouds needs its category, from 0 to {classes - 1}; got {list(categories)[:5]}..."
            f" of {len(categories)}"
        )
    if alpha < 0:
        raise UsageError(f"alpha is {alpha:g}; below 0, scores are infinite at the core: give 0 or more")
    wanted = (*points.shape[:2], config.feature_count)
    given = (*points.shape[:2], 0) if features is None else features.shape
    if given != wanted:
        raise UsageError(
            f"the network was trained with {config.feature_count} numbers beside each position; give features of shape "
            f"{wanted}, not {given}, or use a run without --model.normals and --model.colors"
        )
