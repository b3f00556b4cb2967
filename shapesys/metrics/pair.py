"""Distances between two sampled surfaces: one query each way, from which every point metric follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import unknown_name
from shapesys.geometry.neighbours import Search, nearest
from shapesys.geometry.surface import SurfaceSample
from shapesys.metrics.conventions import Convention

Cosines = NDArray[np.float32]

NORMAL_CONVENTIONS: dict[str, Callable[[Cosines, Cosines], float]] = {
    "onet": lambda accuracy, completeness: 0.5 * (_mean(np.abs(accuracy)) + _mean(np.abs(completeness))),
    "signed": lambda accuracy, completeness: 0.5 * (_mean(accuracy) + _mean(completeness)),
    "pytorch3d": lambda accuracy, completeness: 2.0 - _mean(np.abs(accuracy)) - _mean(np.abs(completeness)),
}
"""onet: half-sum of mean |cos|; signed: half-sum of mean cos; pytorch3d: sum of mean (1 - |cos|), lower is better."""


@dataclass(frozen=True)
class SurfacePair:
    """Nearest-neighbour distances and normal agreement, both ways.

    Attributes:
        accuracy: (n,) distance of each predicted sample to the nearest true sample.
        completeness: (m,) distance of each true sample to the nearest predicted sample.
        accuracy_cosine: (n,) cosine between the normals of those neighbours.
        completeness_cosine: (m,) likewise.
    """

    accuracy: NDArray[np.float32]
    completeness: NDArray[np.float32]
    accuracy_cosine: Cosines
    completeness_cosine: Cosines


class FScore(NamedTuple):
    """Harmonic mean of precision (share of the prediction near the truth) and recall (of the truth, covered)."""

    fscore: float
    precision: float
    recall: float


def pair_surfaces(prediction: SurfaceSample, truth: SurfaceSample, search: Search = "auto") -> SurfacePair:
    """Measure two samples against each other.

    Raises:
        ValueError: a sample is empty or not finite.
    """
    to_truth = nearest(truth.points, prediction.points, search)
    to_prediction = nearest(prediction.points, truth.points, search)
    return SurfacePair(
        to_truth.distances,
        to_prediction.distances,
        _cosines(prediction.normals, truth.normals, to_truth.indices),
        _cosines(truth.normals, prediction.normals, to_prediction.indices),
    )


def chamfer(pair: SurfacePair, convention: Convention, unit: float = 1.0) -> float:
    """Chamfer distance as the convention prints it; ``unit`` is the length of the frame's unit in these coordinates."""
    if convention.squared:
        return convention.value(_mean_square(pair.accuracy) / unit**2, _mean_square(pair.completeness) / unit**2)
    return convention.value(_mean(pair.accuracy) / unit, _mean(pair.completeness) / unit)


def fscore(pair: SurfacePair, threshold: float, *, strict: bool, unit: float = 1.0) -> FScore:
    """F-score at ``threshold`` units; a distance equal to the threshold counts unless ``strict``.

    Distances are float32, so the threshold is rounded to float32 before it is compared.
    """
    limit = np.float32(threshold * unit)
    near = np.less if strict else np.less_equal
    precision = float(near(pair.accuracy, limit).mean())
    recall = float(near(pair.completeness, limit).mean())
    both = precision + recall
    return FScore(2.0 * precision * recall / both if both else 0.0, precision, recall)


def normal_consistency(pair: SurfacePair, convention: str = "onet") -> float:
    """Agreement of normals between neighbours, by one of `NORMAL_CONVENTIONS`.

    Raises:
        UsageError: unknown convention.
    """
    if convention not in NORMAL_CONVENTIONS:
        raise unknown_name("normal consistency convention", convention, NORMAL_CONVENTIONS)
    return NORMAL_CONVENTIONS[convention](pair.accuracy_cosine, pair.completeness_cosine)


def hausdorff(pair: SurfacePair, unit: float = 1.0) -> float:
    """The larger of the two directed Hausdorff distances, in units."""
    return float(max(pair.accuracy.max(), pair.completeness.max())) / unit


def expected_floor(area: float, count: int) -> float:
    """Chamfer-L1 of two independent uniform samplings of one surface: the mean nearest distance, 0.5 sqrt(A / n)."""
    return 0.5 * float(np.sqrt(area / count))


def _cosines(own: NDArray[np.float32], other: NDArray[np.float32], indices: NDArray[np.int64]) -> Cosines:
    return np.einsum("nc,nc->n", own, other.take(indices, axis=0))


def _mean(values: NDArray[np.float32]) -> float:
    return float(values.mean(dtype=np.float64))


def _mean_square(values: NDArray[np.float32]) -> float:
    wide = values.astype(np.float64)
    return float(wide @ wide) / len(wide)
