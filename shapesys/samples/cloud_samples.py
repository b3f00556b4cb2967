"""One shape that a source gives as a point cloud: checked, normalised, put in order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shapesys.errors import ShapeRejected
from shapesys.geometry.cloud import Cloud, checked, with_noise
from shapesys.geometry.fps import farthest_points
from shapesys.geometry.mesh import Floats, Ints
from shapesys.geometry.normalise import Framing, Normalisation, unit_sphere_of_points
from shapesys.samples.settings import CloudConfig, PrepareConfig
from shapesys.samples.shape_samples import Row, Seeds, ShapeSamples, known_parts, shape_row
from shapesys.samples.unsigned_queries import chunked, unsigned_of_points
from shapesys.sources.base import ShapeRef, Source

LEAST_POINTS = 16
"""Fewer points say nothing of a shape: not even one neighbourhood of the smallest network could be filled."""
LINE = 1e-5
"""Points whose spread across their longest direction is at most this share of that along it lie on a line."""


def prepare_cloud(source: Source, ref: ShapeRef, cloud: Cloud, settings: PrepareConfig) -> ShapeSamples:
    """The `cloud` and the `udf` view of a cloud in its file's frame; distances are to all of its points.

    Raises:
        ShapeRejected: as `checked_scan`, or labels out of range.
    """
    checked_scan(cloud)
    known_parts(source, ref, cloud.labels)
    frame = settings.framing.of_points(cloud.points)
    made = rows_of_cloud(cloud, frame, settings.views, settings, Seeds.of(settings.seed, ref.id))
    return ShapeSamples(shape_row(source, ref, settings, frame, {}), made)


def checked_scan(cloud: Cloud) -> Cloud:
    """The cloud, once it is known that it may be of a surface.

    Raises:
        ShapeRejected: stage "validate": too few points, all in one place or on one line, or numbers that are
            not finite; stage "normalise": no finite extent.
    """
    checked(cloud, least=LEAST_POINTS)
    check_spread(cloud.points, "points")
    return cloud


def check_spread(points: Floats, what: str) -> None:
    """Refuse positions (n, 3) on one line, but for `LINE`.

    Raises:
        ShapeRejected: stage "validate": they are; stage "normalise": they have no finite extent.
    """
    near = unit_sphere_of_points(points).apply(np.asarray(points, np.float64))
    from_mean = near - near.mean(axis=0)
    _, across, along = np.sqrt(np.maximum(np.linalg.eigvalsh(from_mean.T @ from_mean), 0.0))
    if across <= LINE * along:
        raise ShapeRejected("validate", f"all {len(points)} {what} lie on one line, which is no surface")


def rows_of_cloud(
    cloud: Cloud, frame: Normalisation, views: Sequence[str], settings: PrepareConfig, seeds: Seeds
) -> dict[str, list[Row]]:
    """The rows of the views `cloud` and `udf` of a checked cloud, as far as they are asked for."""
    made: dict[str, list[Row]] = {}
    if "cloud" in views:
        row = row_in_frame(cloud, settings.cloud, frame)
        made["cloud"] = [row | {"points": as_scanned(row["points"], settings.cloud, seeds.cloud)}]
    if "udf" in views:
        points = frame.apply(np.asarray(cloud.points, np.float64))
        radius = settings.framing.radius_of(points)
        queries = unsigned_of_points(points, settings.udf, seeds.unsigned, cloud.normals, radius)
        made["udf"] = chunked(queries, settings.udf, seeds.order)
    return made


def normalised_row(cloud: Cloud, config: CloudConfig, framing: Framing) -> tuple[Row, Normalisation]:
    """The row of a cloud (n points in the file's frame), at most `config.points` of them, and the frame they are in."""
    frame = framing.of_points(cloud.points)
    return row_in_frame(cloud, config, frame), frame


def row_in_frame(cloud: Cloud, config: CloudConfig, frame: Normalisation) -> Row:
    """The same in a frame that is known."""
    points = frame.apply(np.asarray(cloud.points, np.float64)).astype(np.float32)
    kept = cloud.take(_order(points, min(config.points, len(points)), config.order))
    return cloud_row(frame.apply(np.asarray(kept.points, np.float64)), kept)


def as_scanned(points: Floats, config: CloudConfig, seed: int) -> Floats:
    """(n, 3) points with the noise that is asked for."""
    return with_noise(points, config.noise, np.random.default_rng([seed, 1])) if config.noise else points


def cloud_row(points: np.ndarray, cloud: Cloud) -> Row:
    """A row of the `cloud` view: these points (n, 3), and the other columns of `cloud`, empty where it has none."""
    labels = np.empty(0, np.int32) if cloud.labels is None else np.asarray(cloud.labels, np.int32)
    return {
        "points": points.astype(np.float32),
        "normals": _floats(cloud.normals),
        "colors": _floats(cloud.colors),
        "labels": labels,
    }


def _floats(column: np.ndarray | None) -> np.ndarray:
    return np.empty((0, 3), np.float32) if column is None else np.asarray(column, np.float32)


def _order(points: np.ndarray, count: int, order: str) -> Ints:
    """(count,) rows: as given, or in farthest-point order from the point farthest from the origin on."""
    if order == "given":
        return np.arange(count)
    start = int(np.square(points).sum(axis=1).argmax())
    return farthest_points(points, count, start)
