"""What every network on point clouds takes: positions, and what is known beside them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class PointBatch:
    """B clouds of N points each.

    Attributes:
        points: (B, N, 3) positions.
        features: (B, N, C) further features of each point, such as normals, or None.
        order: (B, M) int64 rows of the points in the order of farthest point sampling, as far as it is known, or None.
            Any prefix of it is a farthest point sample; a network that needs more samples than M computes its own.
        category: (B,) int64 category of each cloud, for networks that are told it, or None.
        noise_seed: (B,) int64 seed of each cloud's dropout masks; torch's generator serves all where None.
        saliency: (B, N) what the gradient of each point's last features is multiplied by before it goes further back,
            in classifiers; None leaves it as it is.
    """

    points: Tensor
    features: Tensor | None = None
    order: Tensor | None = None
    category: Tensor | None = None
    noise_seed: Tensor | None = None
    saliency: Tensor | None = None
