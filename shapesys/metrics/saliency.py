"""Smoothness and symmetry of saliency maps (ISSN, section 3.3, equations 5 and 6)."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import unknown_name
from shapesys.geometry.mesh import Floats
from shapesys.geometry.neighbours import nearest_lowest, nearest_other
from shapesys.geometry.plane import Plane
from shapesys.metrics.record import MetricRecord, Scores

Scaling = Literal["rank", "min_max", "none"]


@dataclass(frozen=True)
class SaliencySettings:
    """What the paper leaves open, each recorded beside the scores.

    Attributes:
        scaling: how each object's map is brought to [0, 1], which makes maps of different methods comparable (the
            paper says so of its figures, and not how). ``min_max`` takes its least value to 0 and its greatest to 1, a
            constant map to 0; a few outliers then set the scale. ``rank`` takes every value to its share of the way
            from the lowest rank to the highest, equal values to their mean rank. ``none`` takes values as they are.
        symmetric_within: a shape counts as symmetric when every mirrored point has a point of the cloud closer
            than this, in units of the unit sphere. The paper says 10 cm of clouds scaled to the unit sphere: 0.1.
    """

    scaling: Scaling = "min_max"
    symmetric_within: float = 0.1


NO_PLANE = (
    "no symmetry plane is known; look for one with --symmetry-plane found, or each where shapes face different ways"
)


class Symmetry(NamedTuple):
    """Equation 6; ``value`` is NaN unless the cloud is ``symmetric``, i.e. ``widest_gap`` is below the threshold."""

    value: float
    symmetric: bool
    widest_gap: float


def scaled(saliency: Floats, scaling: Scaling = "min_max") -> NDArray[np.float64]:
    """(n,) saliency of one object, rescaled as the settings say.

    Raises:
        UsageError: unknown scaling.
        ValueError: not (n,), empty or not finite.
    """
    values = np.asarray(saliency, np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"saliency has shape {values.shape}; expected (n,) finite values, n > 0")
    if scaling == "none":
        return values
    if scaling == "rank":
        return _ranks(values)
    if scaling != "min_max":
        raise unknown_name("saliency scaling", scaling, get_args(Scaling))
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) ranks from 0 to 1, equal values sharing their mean rank; 0.5 for a single value."""
    if len(values) == 1:
        return np.full(1, 0.5)
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts) - 1
    return ((last - 0.5 * (counts - 1)) / (len(values) - 1))[places]


@dataclass(frozen=True)
class MapNeighbours:
    """Where the maps of one cloud are compared: the same for every map and rescaling.

    Attributes:
        other: (n,) nearest other point of each, the lowest index among ties.
        plane: the cloud's mirror plane, or None.
        mirrored: (n,) point nearest to each one's mirror image; None without a plane.
        widest_gap: from a mirror image to its nearest point; NaN without a plane.
    """

    other: NDArray[np.int64]
    plane: Plane | None = None
    mirrored: NDArray[np.int64] | None = None
    widest_gap: float = math.nan

    @classmethod
    def of(cls, points: Floats, plane: Plane | None) -> MapNeighbours:
        """Those of (n, 3) points in the unit-sphere frame, where the symmetry test's threshold is meant.

        Raises:
            ValueError: fewer than two points.
        """
        if plane is None:
            return cls(nearest_other(points))
        found = nearest_lowest(points, plane.mirror(points))
        return cls(nearest_other(points), plane, found.indices, float(found.distances.max()))


def smoothness(points: Floats, saliency: Floats, scaling: Scaling = "min_max") -> float:
    """SSR: mean |s_i - s_nn(i)| over (n, 3) points, nn(i) the nearest other point (equation 5); lower is smoother.

    Raises:
        ValueError: fewer than two points, or not one saliency per point.
    """
    return _difference(scaled(saliency, scaling), nearest_other(points))


def symmetry_distance(
    points: Floats, saliency: Floats, plane: Plane, settings: SaliencySettings | None = None
) -> Symmetry:
    """d_sym: mean |s_i - s'_i|, s'_i the saliency of the point nearest to p_i's mirror image (equation 6).

    Args:
        points: (n, 3) in the unit-sphere frame, where the symmetry test's threshold is meant.
    """
    settings = settings or SaliencySettings()
    return _symmetry(MapNeighbours.of(points, plane), scaled(saliency, settings.scaling), settings)


def saliency_metrics(
    points: Floats, saliency: Floats, plane: Plane | None, settings: SaliencySettings | None = None
) -> Scores:
    """``ssr/<scaling>`` and, for a symmetric shape, ``d_sym/<scaling>`` of one map.

    Without a plane, or when the shape fails the symmetry test, d_sym is NaN and the record's definition says why;
    such shapes do not enter its mean.
    """
    return map_metrics(MapNeighbours.of(points, plane), saliency, settings or SaliencySettings())


def map_metrics(neighbours: MapNeighbours, saliency: Floats, settings: SaliencySettings) -> Scores:
    """The same of a cloud whose neighbours are known."""
    values = scaled(saliency, settings.scaling)
    rule = asdict(settings) | {"neighbour": "nearest other point, lowest index among ties"}
    count = len(neighbours.other)
    records = [_record("ssr", _difference(values, neighbours.other), rule, settings, count)]
    if neighbours.plane is None:
        applicable, value, facts = NO_PLANE, math.nan, {}
    else:
        found = _symmetry(neighbours, values, settings)
        value, facts = found.value, {"plane": asdict(neighbours.plane), "widest_gap": found.widest_gap}
        applicable = "" if found.symmetric else f"asymmetric: a mirrored point lies {found.widest_gap:.3g} away"
    facts |= {"not_applicable": applicable} if applicable else {}
    records.append(_record("d_sym", value, rule | facts, settings, count))
    return Scores("ok", tuple(records), applicable and f"d_sym: {applicable}")


def _symmetry(neighbours: MapNeighbours, values: NDArray[np.float64], settings: SaliencySettings) -> Symmetry:
    assert neighbours.mirrored is not None, "without a plane nothing is mirrored"
    gap = neighbours.widest_gap
    if gap >= settings.symmetric_within:
        return Symmetry(math.nan, False, gap)
    return Symmetry(_difference(values, neighbours.mirrored), True, gap)


def _difference(values: NDArray[np.float64], compared: NDArray[np.int64]) -> float:
    """Mean |s_i - s_c(i)|."""
    if len(values) != len(compared):
        raise ValueError(f"{len(values)} saliency values for {len(compared)} points; there must be one for each")
    return float(np.abs(values - values[compared]).mean())


def _record(name: str, value: float, definition: dict, settings: SaliencySettings, count: int) -> MetricRecord:
    full = f"{name}/{settings.scaling}"
    return MetricRecord(full, value, None, definition, count, count, frame="unit_sphere")
