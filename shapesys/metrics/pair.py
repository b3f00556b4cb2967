"""Distances between two sampled surfaces: one query each way, from which every point metric follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import unknown_name
from shapesys.geometry.mesh import Floats
from shapesys.geometry.neighbours import Search, nearest
from shapesys.geometry.surface import SurfaceSample
from shapesys.metrics.conventions import Combine, Convention

Cosines = NDArray[np.float32]

NORMAL_CONVENTIONS: dict[str, Callable[[Cosines, Cosines], float]] = {
    "onet": lambda accuracy, completeness: 0.5 * (_mean(np.abs(accuracy)) + _mean(np.abs(completeness))),
    "signed": lambda accuracy, completeness: 0.5 * (_mean(accuracy) + _mean(completeness)),
    "majority": lambda accuracy, completeness: (
        _turned(accuracy, completeness) * 0.5 * (_mean(accuracy) + _mean(completeness))
    ),
    "pytorch3d": lambda accuracy, completeness: 2.0 - _mean(np.abs(accuracy)) - _mean(np.abs(completeness)),
}
"""onet: half-sum of mean |cos|; signed: half-sum of mean cos; majority: signed, after all normals of the prediction
are reversed where more of the cosines are negative than positive, as of a field that came out inside out; pytorch3d:
sum of mean (1 - |cos|), lower is better."""


@dataclass(frozen=True)
class Distances:
    """Nearest-neighbour distances, both ways.

    Attributes:
        accuracy: (n,) distance of each predicted sample to the nearest true sample, or point of the scan.
        completeness: (m,) distance of each of these to the nearest predicted sample.
    """

    accuracy: NDArray[np.float32]
    completeness: NDArray[np.float32]


@dataclass(frozen=True)
class SurfacePair(Distances):
    """With the agreement of normals, both ways.

    Attributes:
        accuracy_cosine: (n,) cosine between the normals of a predicted sample and its neighbour.
        completeness_cosine: (m,) likewise, of a true sample.
    """

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


def pair_points(prediction: Floats, scan: Floats, search: Search = "auto") -> Distances:
    """Distances between samples (n, 3) of a prediction and points (m, 3) of a scan, whose normals nobody knows.

    Raises:
        ValueError: a set of points is empty or not finite.
    """
    return Distances(nearest(scan, prediction, search).distances, nearest(prediction, scan, search).distances)


def chamfer(pair: Distances, convention: Convention, unit: float = 1.0) -> float:
    """Chamfer distance as the convention prints it; ``unit`` is the length of the frame's unit in these coordinates."""
    if convention.squared:
        return convention.value(_mean_square(pair.accuracy) / unit**2, _mean_square(pair.completeness) / unit**2)
    return convention.value(_mean(pair.accuracy) / unit, _mean(pair.completeness) / unit)


def fscore(pair: Distances, threshold: float, *, strict: bool, unit: float = 1.0) -> FScore:
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


def hausdorff(pair: Distances, unit: float = 1.0, combine: Combine = "sum") -> float:
    """The larger of the two directed Hausdorff distances, in units; one of them where `combine` names a direction."""
    worst = {"accuracy": pair.accuracy.max(), "completeness": pair.completeness.max()}
    return float(worst.get(combine, max(worst.values()))) / unit


def expected_floor(area: float, count: int) -> float:
    """Chamfer-L1 of two independent uniform samplings of one surface: the mean nearest distance, 0.5 sqrt(A / n)."""
    return 0.5 * float(np.sqrt(area / count))


def _cosines(own: NDArray[np.float32], other: NDArray[np.float32], indices: NDArray[np.int64]) -> Cosines:
    return np.einsum("nc,nc->n", own, other.take(indices, axis=0))


def _turned(accuracy: Cosines, completeness: Cosines) -> float:
    """-1 where most neighbours' normals oppose each other, else 1."""
    return -1.0 if np.sign(accuracy).sum() + np.sign(completeness).sum() < 0 else 1.0


def _mean(values: NDArray[np.float32]) -> float:
    return float(values.mean(dtype=np.float64))


def _mean_square(values: NDArray[np.float32]) -> float:
    wide = values.astype(np.float64)
    return float(wide @ wide) / len(wide)
