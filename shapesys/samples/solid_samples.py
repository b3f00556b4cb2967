"""One shape that a source gives as samples of a solid: nothing is drawn that is given, all is moved into one frame.

Legend: n queries of a shape.
"""

from __future__ import annotations

import numpy as np

from shapesys.geometry.normalise import Normalisation
from shapesys.geometry.sampled_solid import SampledSolid, checked_solid
from shapesys.samples.cloud_samples import checked_scan, rows_of_cloud
from shapesys.samples.inside_queries import InsideQueries, draw_from_points, inside_rows
from shapesys.samples.queries import Points
from shapesys.samples.settings import OccupancyConfig, PrepareConfig
from shapesys.samples.shape_samples import Row, Seeds, ShapeSamples, known_parts, shape_row
from shapesys.sources.base import ShapeRef, Source

SIGN_METHOD = "given"
"""How inside was decided: by whoever made the samples."""


def prepare_solid(source: Source, ref: ShapeRef, solid: SampledSolid, settings: PrepareConfig) -> ShapeSamples:
    """The views `inside`, `occupancy`, `cloud` and `udf` of given samples, as far as they are asked for.

    The frame is that of the surface points. Queries count as uniform, not near the surface; surface points beside them
    are given ones, too.

    Raises:
        ShapeRejected: the samples cannot be of a solid's surface and its surroundings, or labels are out of range.
    """
    checked_solid(solid)
    surface = checked_scan(solid.surface)
    known_parts(source, ref, surface.labels)
    frame = settings.framing.of_points(surface.points)
    seeds = Seeds.of(settings.seed, ref.id)
    queries = InsideQueries(_in_frame(solid.points, frame), solid.inside, np.zeros(len(solid.points), bool))
    made = rows_of_cloud(surface, frame, settings.views, settings, seeds)
    if "inside" in settings.views:
        draw = draw_from_points(_in_frame(surface.points, frame))
        made["inside"] = inside_rows(queries, draw, settings.inside, seeds.inside)
    if "occupancy" in settings.views:
        made["occupancy"] = [given_occupancy(queries, settings.occupancy, seeds.occupancy)]
    facts = {"sign_method": SIGN_METHOD, "inside_share": float(solid.inside.mean())}
    return ShapeSamples(shape_row(source, ref, settings, frame, facts), made)


def given_occupancy(queries: InsideQueries, config: OccupancyConfig, seed: int) -> Row:
    """The first `config.points` of the shuffled queries, points (n, 3) and inside (n,); all where there are fewer."""
    order = np.random.default_rng(seed).permutation(len(queries.points))[: config.points]
    return {"points": queries.points[order], "inside": queries.inside[order]}


def _in_frame(points: np.ndarray, frame: Normalisation) -> Points:
    return frame.apply(np.asarray(points, np.float64)).astype(np.float32)
