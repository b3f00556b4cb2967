"""Rows of the view `images`: rendered from a mesh, or the files that a source gives.

The same mesh, settings and seed give the same bytes; view k depends on no other view, nor on how many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from shapesys.errors import ShapeRejected
from shapesys.geometry.mesh import Floats, Mesh
from shapesys.geometry.render import CLAY, render_cut_out
from shapesys.geometry.shading import LIGHTS, Direction, Lights, corner_normals
from shapesys.geometry.viewpoint import Viewpoint, opening
from shapesys.samples.image_rows import png
from shapesys.samples.image_settings import ImageConfig
from shapesys.samples.shape_samples import Row
from shapesys.sources.image_files import read_rgba
from shapesys.sources.shape_image import ShapeImage

Pixels = np.ndarray
COMPRESSION = 6
"""Of rendered pictures, which are plain and shrink."""


def rendered_rows(mesh: Mesh, config: ImageConfig, seed: int) -> list[Row]:
    """One row per view of a mesh: a PNG with alpha, and its camera in the mesh's frame."""
    return [_row(image) for image in rendered(mesh, config, seed)]


def given_rows(images: Sequence[ShapeImage]) -> list[Row]:
    """One row per given picture, its bytes as they are.

    Raises:
        ShapeRejected: stage "read": one cannot be decoded, or is too large or too small; names it.
    """
    for image in images:
        try:
            read_rgba(image.data)
        except ShapeRejected as problem:
            raise ShapeRejected(problem.stage, f"'{image.name}': {problem.reason}") from None
    return [_row(image) for image in images]


def rendered(mesh: Mesh, config: ImageConfig, seed: int) -> Iterator[ShapeImage]:
    """The pictures, one after another."""
    normals, size = corner_normals(mesh), (config.size, config.size)
    for number in range(config.views):
        rng = np.random.default_rng([seed, number])
        viewpoint = drawn_viewpoint(config, rng)
        camera = viewpoint.camera(mesh)
        pixels = render_cut_out(
            mesh,
            camera,
            size,
            face_colors=_colours(mesh, config.color, rng),
            lights=_lights(config.light, rng),
            normals=normals,
            supersample=config.supersample,
        )
        parameters = np.array(viewpoint.parameters)
        yield ShapeImage(
            f"view {number}", png(pixels, COMPRESSION), parameters, camera.world_matrix, camera.intrinsics(size)
        )


def drawn_viewpoint(config: ImageConfig, rng: np.random.Generator) -> Viewpoint:
    """A viewpoint, uniform in every parameter."""
    return Viewpoint(
        azimuth=rng.uniform(config.azimuth_low, config.azimuth_high),
        elevation=rng.uniform(config.elevation_low, config.elevation_high),
        distance=rng.uniform(config.distance_low, config.distance_high),
        rotation=config.rotation * rng.uniform(-1.0, 1.0),
        shift=(config.shift * rng.uniform(-1.0, 1.0), config.shift * rng.uniform(-1.0, 1.0)),
        field_of_view=opening(config.focal_length),
    )


def _lights(jitter: float, rng: np.random.Generator) -> Lights:
    key, fill, sky = 1.0 + jitter * rng.uniform(-1.0, 1.0, 3)
    moved = jitter * rng.standard_normal((2, 3))
    return Lights(
        key=key * LIGHTS.key,
        fill=fill * LIGHTS.fill,
        sky=sky * LIGHTS.sky,
        ground=sky * LIGHTS.ground,
        key_from=_moved(LIGHTS.key_from, moved[0]),
        fill_from=_moved(LIGHTS.fill_from, moved[1]),
    )


def _moved(direction: Direction, by: Floats) -> Direction:
    x, y, z = (float(value) for value in np.add(direction, by))
    return x, y, z


def _colours(mesh: Mesh, jitter: float, rng: np.random.Generator) -> Pixels:
    """(F, 3) colours: one for each part label, or one for the whole mesh."""
    labels = np.zeros(len(mesh.faces), np.int64) if mesh.face_labels is None else mesh.face_labels
    _, parts = np.unique(labels, return_inverse=True)
    drawn = rng.uniform(0.0, 255.0, (int(parts.max()) + 1, 3))
    mixed = (1.0 - jitter) * np.array(CLAY) + jitter * drawn
    return np.rint(mixed).astype(np.uint8)[parts]


def _row(image: ShapeImage) -> Row:
    return {
        "image": image.data,
        "camera": np.asarray(image.camera, np.float32),
        "world": np.asarray(image.world, np.float32),
        "intrinsics": np.asarray(image.intrinsics, np.float32),
    }
