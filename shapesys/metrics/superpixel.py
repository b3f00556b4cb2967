"""How well superpixels respect the segments that people drew: ASA, boundary recall, undersegmentation error.

All counts are exact, by one joint count of (superpixel, segment) pairs per annotator's map.

Legend: h x w pixels, N in all; K superpixels s_j; G segments g_i of one annotator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from shapesys.errors import unknown_name
from shapesys.metrics.record import MetricRecord, Scores

Labels = NDArray[np.integer[Any]]
Annotator = Literal["mean", "best", "first", "all"]
Undersegmentation = Literal["neubert_protzel", "levinshtein"]


@dataclass(frozen=True)
class SuperpixelSettings:
    """What papers leave open, each recorded beside the scores.

    Attributes:
        annotator: how the scores against an image's annotators become one: their ``mean``, the ``best`` of each
            metric, the ``first`` annotator's, or ``all`` of these rules side by side. On plain grids of 96 cells mean
            and best ASA lie 4 points apart, so that numbers under different rules cannot be compared.
        boundary_share: boundary recall accepts a boundary within this share of the image's diagonal, rounded to
            pixels; 0.0025 is that of the Stutz benchmark, one pixel on BSDS500.
        undersegmentation: ``neubert_protzel`` counts the smaller part of every superpixel that a segment cuts;
            ``levinshtein`` all of it that lies outside the segment.
    """

    annotator: Annotator = "mean"
    boundary_share: float = 0.0025
    undersegmentation: Undersegmentation = "neubert_protzel"

    def __post_init__(self) -> None:
        if self.annotator not in get_args(Annotator):
            raise unknown_name("annotator rule", self.annotator, get_args(Annotator))
        if self.undersegmentation not in get_args(Undersegmentation):
            raise unknown_name("undersegmentation error", self.undersegmentation, get_args(Undersegmentation))


def superpixel_metrics(
    maps: Mapping[int, Labels], annotations: Labels, settings: SuperpixelSettings | None = None
) -> Scores:
    """Scores of one image's superpixels at every requested count.

    ``asa/<rule>.k<count>``, ``boundary_recall/<rule>.k<count>`` and ``undersegmentation/<rule>.k<count>`` for each
    annotator rule; ``compactness/k<count>`` and ``superpixels/k<count>``, the actual number. An image without
    annotation has the last two alone.

    Args:
        maps: requested count -> (h, w) superpixels from 0.
        annotations: (a, h, w) segments from 0.

    Raises:
        ValueError: a map or the annotations have another shape, or negative labels.
    """
    settings = settings or SuperpixelSettings()
    records: list[MetricRecord] = []
    for requested, labels in sorted(maps.items()):
        _check(labels, annotations)
        records += _of_map(labels, annotations, requested, settings)
    return Scores("ok", tuple(records), "" if len(annotations) else "asa: the image has no annotation")


def achievable_accuracy(labels: Labels, segments: Labels) -> float:
    """ASA = sum_j max_i |s_j and g_i| / N: what labelling every superpixel by its main segment would get right."""
    return _accuracy(_joint(labels, segments))


def boundary_recall(labels: Labels, segments: Labels, radius: int) -> float:
    """Share of segment boundary pixels with a superpixel boundary pixel within `radius` rows and columns.

    1 for a map of one segment, which has no boundary to miss.
    """
    return _recall(_near_boundary(labels, radius), segments)


def undersegmentation_error(
    labels: Labels, segments: Labels, convention: Undersegmentation = "neubert_protzel"
) -> float:
    """How far superpixels leak over segments.

    Neubert and Protzel: sum over touching pairs of min(|s and g|, |s without g|) / N. Levinshtein et al.: mean over
    segments of (pixels of all superpixels that touch g, less |g|) / |g|.
    """
    return _leakage(_joint(labels, segments), convention)


def compactness(labels: Labels) -> float:
    """Mean isoperimetric quotient 4 pi area / perimeter^2, weighted by area (Schick et al. 2012).

    The perimeter counts pixel edges to other superpixels and to the outside: a square scores pi / 4.
    """
    padded = np.pad(_numbered(labels)[0], 1, constant_values=-1)
    perimeter = np.zeros(int(padded.max()) + 1, np.int64)
    for axis in (0, 1):
        one, other = np.delete(padded, -1, axis), np.delete(padded, 0, axis)
        cut = one != other
        for side in (one[cut], other[cut]):
            perimeter += np.bincount(side[side >= 0], minlength=len(perimeter))
    area = np.bincount(padded[padded >= 0])
    return float((area * (4.0 * math.pi * area / perimeter**2)).sum() / labels.size)


def boundaries(labels: Labels) -> NDArray[np.bool_]:
    """(h, w): pixels with a pixel of another label above, below, left or right; lines are two pixels wide."""
    found = np.zeros(labels.shape, bool)
    across, down = labels[:, 1:] != labels[:, :-1], labels[1:] != labels[:-1]
    found[:, 1:] |= across
    found[:, :-1] |= across
    found[1:] |= down
    found[:-1] |= down
    return found


_RULES: dict[str, Callable[[Sequence[float], bool], float]] = {
    "mean": lambda values, higher: float(np.mean(values)),
    "best": lambda values, higher: max(values) if higher else min(values),
    "first": lambda values, higher: values[0],
}


def _of_map(labels: Labels, annotations: Labels, requested: int, settings: SuperpixelSettings) -> list[MetricRecord]:
    height, width = labels.shape
    actual = int(_numbered(labels)[1])
    shared = {"requested": requested, "actual": actual, "pixels": [height, width]}
    records = []
    for metric, higher, convention, values in _per_annotator(labels, annotations, settings):
        for rule in _RULES if settings.annotator == "all" else (settings.annotator,):
            definition = shared | convention | {"annotator": rule, "higher_is_better": higher}
            definition |= {"annotators": len(values)}
            value = _RULES[rule](values, higher)
            records.append(_record(f"{metric}/{rule}.k{requested}", value, definition, labels.size))
    quotient = {"quotient": "4 pi area / perimeter^2 in pixel edges, weighted by area", "higher_is_better": True}
    records.append(_record(f"compactness/k{requested}", compactness(labels), shared | quotient, labels.size))
    number = shared | {"higher_is_better": None}
    records.append(_record(f"superpixels/k{requested}", float(actual), number, labels.size))
    return records


def _per_annotator(
    labels: Labels, annotations: Labels, settings: SuperpixelSettings
) -> Iterator[tuple[str, bool, dict[str, Any], list[float]]]:
    """Metric, whether higher is better, its convention, and its value against every annotator."""
    if not len(annotations):
        return
    joints = [_joint(labels, one) for one in annotations]
    yield "asa", True, {}, [_accuracy(joint) for joint in joints]
    radius = round(settings.boundary_share * math.hypot(*labels.shape))
    near = _near_boundary(labels, radius)
    rule = {"boundary_share": settings.boundary_share, "radius": radius, "boundary": "both sides, 4 neighbours"}
    yield "boundary_recall", True, rule, [_recall(near, one) for one in annotations]
    convention = settings.undersegmentation
    yield "undersegmentation", False, {"convention": convention}, [_leakage(joint, convention) for joint in joints]


def _record(name: str, value: float, definition: dict[str, Any], pixels: int) -> MetricRecord:
    return MetricRecord(name, value, None, definition, pixels, pixels, frame="pixels")


def _accuracy(joint: NDArray[np.int64]) -> float:
    return float(joint.max(axis=1).sum() / joint.sum())


def _leakage(joint: NDArray[np.int64], convention: Undersegmentation) -> float:
    sizes = joint.sum(axis=1, keepdims=True)
    if convention == "neubert_protzel":
        return float(np.minimum(joint, sizes - joint).sum() / joint.sum())
    covered = np.where(joint > 0, sizes, 0).sum(axis=0)
    return float((covered / joint.sum(axis=0) - 1.0).mean())


def _near_boundary(labels: Labels, radius: int) -> NDArray[np.bool_]:
    near: NDArray[np.bool_] = maximum_filter(boundaries(labels), 2 * radius + 1, mode="constant")
    return near


def _recall(near: NDArray[np.bool_], segments: Labels) -> float:
    truth = boundaries(segments)
    return float(near[truth].mean()) if truth.any() else 1.0


def _joint(labels: Labels, segments: Labels) -> NDArray[np.int64]:
    """(K, G): pixels that superpixel j and segment i have in common, of the labels that occur."""
    rows, count = _numbered(labels)
    columns, segment_count = _numbered(segments)
    joint = np.bincount((rows * segment_count + columns).ravel(), minlength=count * segment_count)
    return joint.reshape(count, segment_count)


def _numbered(labels: Labels) -> tuple[NDArray[np.int64], int]:
    """The labels renumbered 0, 1, ... without gaps, and how many there are."""
    present = np.bincount(labels.ravel()) > 0
    return (np.cumsum(present) - 1)[labels], int(present.sum())


def _check(labels: Labels, annotations: Labels) -> None:
    if labels.ndim != 2 or not labels.size or annotations.ndim != 3 or annotations.shape[1:] != labels.shape:
        raise ValueError(f"superpixels {labels.shape} and annotations {annotations.shape}; expected (h, w), (a, h, w)")
    if labels.min() < 0 or (annotations.size and annotations.min() < 0):
        raise ValueError("labels count from 0; found a negative one")
