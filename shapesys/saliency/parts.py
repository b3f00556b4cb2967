"""Category-salient and instance-specific parts of a surface that carries saliency (ISSN, section 5.1, figure 5).

The paper removes points below (or above) a threshold that it does not name. A threshold of saliency means something
where lambda fits the errors of a network; a share of the surface cuts any shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from shapesys.errors import unknown_name
from shapesys.fields.cut import quantile_by_area, split_by_attribute
from shapesys.fields.network_field import SALIENCY
from shapesys.geometry.mesh import Mesh

EXTRACTED, CUT = "parts/extracted", "parts/cut"
"""1 where a shape has a surface, and where both of its parts have, else 0."""
AREA, SALIENT, SPECIFIC = "parts/salient_area", "parts/salient_mean", "parts/specific_mean"
"""The category-salient part's share of the area; mean saliency over the area of each part, NaN of an empty one."""
MEASURES = (EXTRACTED, CUT, AREA, SALIENT, SPECIFIC)


@dataclass(frozen=True)
class Parts:
    """A surface cut in two.

    Attributes:
        whole: the surface.
        salient: where saliency is at least the threshold: the category-salient part.
        specific: the rest: the instance-specific part.
    """

    whole: Mesh
    salient: Mesh
    specific: Mesh


def cut_by_saliency(surface: Mesh, threshold: float) -> Parts:
    """Cut where saliency crosses a threshold.

    Args:
        surface: with the attribute ``saliency``.
        threshold: a saliency.

    Raises:
        UsageError: the surface has no saliency.
    """
    return Parts(surface, *split_by_attribute(surface, SALIENCY, threshold))


def cut_by_area(surface: Mesh, share: float) -> Parts:
    """Cut so that this share of the area is instance-specific.

    Args:
        surface: with the attribute ``saliency``.
        share: of the area, from 0 to 1.

    Raises:
        UsageError: a share outside that range, or the surface has no saliency.
        ShapesysError: a surface without area.
    """
    if SALIENCY not in surface.attributes:
        raise unknown_name("attribute", SALIENCY, surface.attributes)
    return cut_by_saliency(surface, quantile_by_area(surface, surface.attributes[SALIENCY], share))


def measures_of(parts: Parts) -> dict[str, float]:
    """Every one of `MEASURES` of a surface that is not empty."""
    return {
        EXTRACTED: 1.0,
        CUT: float(not (parts.salient.is_empty or parts.specific.is_empty)),
        AREA: float(parts.salient.face_areas.sum() / parts.whole.face_areas.sum()),
        SALIENT: mean_saliency(parts.salient),
        SPECIFIC: mean_saliency(parts.specific),
    }


def mean_saliency(surface: Mesh) -> float:
    """Over the area; NaN without any."""
    area = float(surface.face_areas.sum())
    if not area > 0:
        return math.nan
    return float(surface.face_areas @ surface.attributes[SALIENCY][surface.faces].mean(axis=1)) / area
