"""What a saliency map does to a cloud: it chooses points, weighs their gradients, or both.

Experiments of ISSN-CSL (arXiv 2012.07290, section 5.2): a classifier trained on and tested with the k most salient
points, and one whose gradients are weighted by saliency in training.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shapesys.errors import ShapesysError
from shapesys.families.base import Arrays
from shapesys.families.points.config import PointConfig
from shapesys.families.points.transforms import FloatRows, Points, centred


def with_saliency(config: PointConfig, cloud: Points, arrays: Arrays, count: int) -> Points:
    """The first points of a cloud, those that its map covers, with weights in [0, 1] where gradients are weighted; of
    these, the most salient where points are chosen, highest first, equal ones in the stored order.

    Chosen points stay in the frame of all that the map covers, so that what is left of a shape is where it was.

    Args:
        arrays: the stored columns, and ``saliency`` (m,) of the first m points.
        count: points that are wanted where they are not chosen by saliency.

    Raises:
        ShapesysError: there is no map, it is longer than the cloud, or it covers too few points.
    """
    saliency = _map_of(cloud, arrays, config.salient_points or count)
    covered = cloud.take(np.arange(len(saliency)))
    if config.saliency_gradient:
        covered = replace(covered, saliency=rescaled(saliency))
    if not config.salient_points:
        return covered
    return centred(covered, config.frame).take(most_salient(saliency, config.salient_points))


def most_salient(saliency: FloatRows, count: int) -> np.ndarray:
    """(count,) rows of the highest values, highest first, equal ones by row; all where there are fewer."""
    return np.argsort(-saliency, kind="stable")[:count]


def rescaled(saliency: FloatRows) -> FloatRows:
    """The values with the lowest at 0 and the highest at 1; all at 1 where they are equal."""
    values = saliency.astype(np.float64)
    extent = np.ptp(values)
    return ((values - values.min()) / extent if extent > 0 else np.ones_like(values)).astype(np.float32)


def _map_of(cloud: Points, arrays: Arrays, wanted: int) -> FloatRows:
    if "saliency" not in arrays:
        raise ShapesysError(
            "the model's settings use a saliency map of every shape, and there is none; train and evaluate with "
            "--saliency FILE"
        )
    found, size = np.asarray(arrays["saliency"], np.float32), len(cloud.points)
    if len(found) > size:
        raise ShapesysError(f"the saliency map has {len(found)} values, but the cloud only {size} points")
    if len(found) < min(wanted, size):
        raise ShapesysError(
            f"the saliency map covers {len(found)} of the cloud's {size} points, but {wanted} are used; make maps of "
            "more points, or use fewer"
        )
    return found
