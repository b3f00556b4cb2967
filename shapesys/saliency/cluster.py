"""Whether shapes cluster by category when only their most salient points are compared (ISSN, section 5.2, figure 6).

Shapes are as far apart as their sets of salient points, by the Hausdorff distance. How well categories stand apart is a
number of these distances, the silhouette score; t-SNE draws them in the plane, and distorts them.

The paper does not say which Hausdorff distance it takes; ours is the symmetric one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import ShapesysError, missing_extra
from shapesys.families.points.salient import most_salient
from shapesys.geometry.mesh import Floats

SILHOUETTE, SILHOUETTE_DRAWN = "silhouette/hausdorff", "silhouette/embedded"
"""Of categories: by the distances between sets of points, and by those in the plane."""
PERPLEXITY = 30.0
"""Neighbours that t-SNE counts with around each shape; fewer where there are few shapes."""
FEWEST = 4
"""Shapes that t-SNE can lay out."""


@dataclass(frozen=True)
class Clustering:
    """Shapes laid out in the plane.

    Attributes:
        positions: (m, 2) by t-SNE, in no unit.
        silhouette: mean silhouette of the shapes' categories by their distances, from -1 to 1: the higher, the farther
            a shape is from other categories compared with its own; 0 where categories lie across each other.
        silhouette_drawn: the same by the distances in the plane.
    """

    positions: Floats
    silhouette: float
    silhouette_drawn: float


def salient_set(points: Floats, saliency: Floats, count: int) -> Floats:
    """(count, 3) the most salient of a shape's points, highest first.

    Args:
        points: (n, 3).
        saliency: (n,).

    Raises:
        ShapesysError: there are fewer points.
    """
    if len(saliency) < count:
        raise ShapesysError(
            f"the {count} most salient points were asked for, but the map covers {len(saliency)}; make maps of more "
            "points, or compare fewer"
        )
    chosen: Floats = points[most_salient(np.asarray(saliency), count)]
    return chosen


def clusters_of_distances(distances: NDArray[np.float32], categories: Sequence[str], seed: int = 0) -> Clustering:
    """Lay shapes out by their distances from each other.

    Args:
        distances: (m, m), symmetric, 0 between a shape and itself.
        categories: of the m shapes.
        seed: of t-SNE's first positions.

    Raises:
        ShapesysError: scikit-learn is missing, or there are too few shapes or categories.
    """
    try:
        from sklearn.manifold import TSNE
        from sklearn.metrics import silhouette_score
    except ImportError:
        raise missing_extra("scikit-learn", "saliency", "laying shapes out by t-SNE") from None
    _check(categories)
    perplexity = min(PERPLEXITY, (len(categories) - 1) / 3)
    tsne = TSNE(2, perplexity=perplexity, metric="precomputed", init="random", random_state=seed)
    positions = np.asarray(tsne.fit_transform(distances), np.float64)
    return Clustering(
        positions,
        float(silhouette_score(distances, categories, metric="precomputed")),
        float(silhouette_score(positions, categories)),
    )


def _check(categories: Sequence[str]) -> None:
    shapes, kinds = len(categories), len(set(categories))
    if shapes < FEWEST or not 2 <= kinds < shapes:
        raise ShapesysError(
            f"{shapes} shapes of {kinds} categories form no clusters; take at least {FEWEST} shapes and 2 categories, "
            "with more than one shape in some of them"
        )
