"""Volumetric IoU from inside tests at common points."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shapesys.geometry.mesh import Floats
from shapesys.metrics.record import MetricRecord

Bits = NDArray[np.bool_]


class Iou(NamedTuple):
    """Intersection over union; NaN with a reason where neither shape holds a point."""

    value: float
    reason: str = ""


def occupied(values: Floats, level: float, *, negative_inside: bool) -> Bits:
    """(n,) field values -> inside; a value at the level is outside."""
    return values < level if negative_inside else values > level


def iou(predicted: Bits, truth: Bits) -> Iou:
    """IoU of two (n,) bool arrays over the same points (Occupancy Networks common.py: both empty gives NaN).

    Raises:
        ValueError: different shapes, no points, or values that are not bool.
    """
    for name, bits in (("predicted", predicted), ("truth", truth)):
        if bits.dtype != np.bool_:
            raise ValueError(f"{name} has dtype {bits.dtype}; expected bool, e.g. from occupied(values, level)")
    if predicted.shape != truth.shape or predicted.ndim != 1 or not len(truth):
        raise ValueError(f"predicted {predicted.shape} and truth {truth.shape} must both be (n,) with n > 0")
    union = int(np.count_nonzero(predicted | truth))
    if union == 0:
        return Iou(math.nan, f"none of the {len(truth)} points lies inside either shape")
    return Iou(int(np.count_nonzero(predicted & truth)) / union)


def iou_record(predicted: Bits, truth: Bits, points: str, seed: int | None = None, given_by: str = "") -> MetricRecord:
    """``iou/<points>``: IoU with what it was measured on.

    Args:
        points: names the distribution of the points, e.g. ``uniform_box`` (the bounding box with Occupancy
            Networks' padding) or ``near_surface``: the same pair of shapes scores very differently on the two.
        seed: the seed that drew them.
        given_by: the source that came with points and truth, where they were not drawn for the shape here; these may
            fill a somewhat larger box.

    The floor, the truth's own score, is 1 where any point is inside: both are judged at the same points.
    """
    found, floor = iou(predicted, truth), iou(truth, truth)
    remarks = {"reason": found.reason, "given_by": given_by}
    definition = {"points": points, "both_empty": "nan"} | {name: said for name, said in remarks.items() if said}
    return MetricRecord(f"iou/{points}", found.value, floor.value, definition, len(truth), len(truth), seed=seed)
