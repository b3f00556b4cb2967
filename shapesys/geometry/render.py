"""Pictures of meshes on any machine: no display, no graphics card, no compiler."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapesys.errors import unknown_name
from shapesys.geometry.camera import Camera, Size
from shapesys.geometry.colormap import viridis
from shapesys.geometry.mesh import Floats, Mesh
from shapesys.geometry.raster import Visible, rasterise
from shapesys.geometry.shading import LIGHTS, Lights, corner_normals, light

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

CLAY: Colour = (186, 190, 200)
WHITE: Colour = (255, 255, 255)
PART_COLOURS: NDArray[np.uint8] = np.array(
    [
        [78, 121, 167], [242, 142, 43], [225, 87, 89], [118, 183, 178], [89, 161, 79],
        [237, 201, 72], [176, 122, 161], [255, 157, 167], [156, 117, 95], [186, 176, 172],
    ],
    dtype=np.uint8,
)  # fmt: skip
"""(10, 3) colours that tell part labels apart; labels beyond the tenth start over."""


def render(
    mesh: Mesh,
    camera: Camera,
    size: Size = (256, 256),
    color: str | Floats | None = None,
    *,
    face_colors: Image | None = None,
    value_range: tuple[float | None, float | None] = (None, None),
    background: Colour = WHITE,
    supersample: int = 2,
) -> Image:
    """A shaded picture of `mesh`, both sides of its faces lit.

    Args:
        mesh: the surface.
        camera: where it is seen from.
        size: (height, width) in pixels.
        color: name of a mesh attribute ((V,) through viridis, or (V, 3) colours), an array (V, 3) of colours, or None.
            Colours are uint8, or floats from 0 to 1.
        face_colors: (F, 3) uint8 colours, used where `color` is None; see `part_colors`.
        value_range: the attribute's values at the two ends of the colour map; its smallest and largest by default.
        background: colour of pixels that no face covers.
        supersample: rays per pixel side; 1 leaves edges jagged.

    Returns:
        (height, width, 3) uint8 image, row 0 at the top.

    Raises:
        UsageError: the mesh has no attribute of that name.
        ValueError: the colours' shape does not fit the mesh.
    """
    fine = (size[0] * supersample, size[1] * supersample)
    seen = rasterise(mesh, camera, fine)
    albedo = _albedo(mesh, seen, color, face_colors, value_range)
    image = np.empty((fine[0] * fine[1], 3), dtype=np.float32)
    image[:] = background
    image[seen.pixel] = albedo * _brightness(mesh, camera, seen)[:, None]
    blocks = image.reshape(size[0], supersample, size[1], supersample, 3)
    return np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)


def render_cut_out(
    mesh: Mesh,
    camera: Camera,
    size: Size = (256, 256),
    *,
    face_colors: Image | None = None,
    lights: Lights = LIGHTS,
    normals: Floats | None = None,
    supersample: int = 4,
) -> Image:
    """A shaded picture of `mesh` without a background.

    Args:
        mesh, camera, size: as of `render`.
        face_colors: (F, 3) uint8; clay where None.
        normals: (F, 3, 3) of `corner_normals`, for many pictures of one mesh; worked out where None.
        supersample: rays per pixel side, whose share that meets the mesh is a pixel's alpha.

    Returns:
        (height, width, 4) uint8 red, green, blue and alpha, not premultiplied; all zero where nothing is met.

    Raises:
        ValueError: the colours' shape does not fit the mesh.
    """
    seen = rasterise(mesh, camera, (size[0] * supersample, size[1] * supersample))
    albedo = _albedo(mesh, seen, None, face_colors, (None, None))
    colours = albedo * _brightness(mesh, camera, seen, lights, normals)[:, None]
    row, column = np.divmod(seen.pixel, size[1] * supersample)
    pixel, count = row // supersample * size[1] + column // supersample, size[0] * size[1]
    rays = np.bincount(pixel, minlength=count)
    sums = np.stack([np.bincount(pixel, colours[:, channel], count) for channel in range(3)], axis=1)
    image = np.empty((count, 4))
    image[:, :3] = sums / np.maximum(rays, 1)[:, None]
    image[:, 3] = rays * (255.0 / supersample**2)
    return np.rint(image).astype(np.uint8).reshape(*size, 4)


def depth(mesh: Mesh, camera: Camera, size: Size = (256, 256)) -> Floats:
    """(height, width) distance along the view direction at each pixel's centre; inf where nothing is seen."""
    seen = rasterise(mesh, camera, size)
    image = np.full(size[0] * size[1], np.inf)
    image[seen.pixel] = seen.depth
    return image.reshape(size)


def part_colors(mesh: Mesh) -> Image:
    """(F, 3) colours by part label; clay for a mesh without parts."""
    if mesh.face_labels is None:
        return np.tile(np.array(CLAY, dtype=np.uint8), (len(mesh.faces), 1))
    return PART_COLOURS[np.asarray(mesh.face_labels) % len(PART_COLOURS)]


def framing(mesh: Mesh, azimuth: float = 35.0, elevation: float = 20.0) -> Camera:
    """The camera whose square image the mesh just fits in, but for 4 %, from this direction (see `Camera.orbit`)."""
    low, high = mesh.bounds
    x, y, z = (float(value) for value in 0.5 * (low + high))
    direction = Camera.orbit(azimuth, elevation, target=(x, y, z))
    right, up, forward = ((mesh.vertices[np.unique(mesh.faces)] - (x, y, z)) @ direction.axes.T).T
    opening = np.tan(np.deg2rad(direction.field_of_view) / 2)
    # A point stays in view while its offset is below (distance + its own depth) times the opening.
    distance = 1.04 * float((np.maximum(np.abs(right), np.abs(up)) / opening - forward).max())
    return Camera.orbit(azimuth, elevation, distance * np.sin(np.deg2rad(direction.field_of_view) / 2), (x, y, z))


def contact_sheet(
    images: Sequence[Image], columns: int, labels: Sequence[str] | None = None, background: Colour = WHITE
) -> Image:
    """Images of one size in rows of `columns`, each with its label in its upper left corner.

    Raises:
        ValueError: there is no image, or not one label per image.
    """
    if not images or (labels is not None and len(labels) != len(images)):
        raise ValueError(f"{len(images)} images and {len(labels or [])} labels; give images, and one label for each")
    if labels is not None:
        images = [_captioned(image, label) for image, label in zip(images, labels, strict=True)]
    height, width = images[0].shape[:2]
    rows = -(-len(images) // columns)
    sheet = np.empty((rows, height, columns, width, 3), dtype=np.uint8)
    sheet[:] = background
    for index, image in enumerate(images):
        sheet[index // columns, :, index % columns] = image
    return sheet.reshape(rows * height, columns * width, 3)


def write_png(image: Image, path: str | Path, colors: int | None = None) -> None:
    """Write an (h, w, 3) uint8 image as a PNG file; `colors` (2 to 256) makes it smaller by using only so many."""
    from PIL import Image as Picture

    picture = Picture.fromarray(image)
    if colors is not None:
        picture = picture.quantize(colors, dither=Picture.Dither.NONE)
    picture.save(path, format="PNG", optimize=True)


def _captioned(image: Image, label: str) -> Image:
    from PIL import Image as Picture
    from PIL import ImageDraw

    picture = Picture.fromarray(image)
    ImageDraw.Draw(picture).text((4, 2), label, fill=(60, 60, 60))
    return np.asarray(picture)


def _brightness(
    mesh: Mesh, camera: Camera, seen: Visible, lights: Lights = LIGHTS, normals_of_corners: Floats | None = None
) -> Floats:
    corners = (corner_normals(mesh) if normals_of_corners is None else normals_of_corners)[seen.face]
    normals = np.einsum("pk,pkc->pc", seen.barycentric, corners)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    outward = mesh.face_normals[seen.face]
    to_face = mesh.triangles[seen.face, 0] - np.asarray(camera.position)
    facing = np.where(np.einsum("pc,pc->p", outward, to_face) > 0, -1.0, 1.0)
    return light(normals * facing[:, None], camera.axes, lights)


def _albedo(
    mesh: Mesh,
    seen: Visible,
    color: str | Floats | None,
    face_colors: Image | None,
    value_range: tuple[float | None, float | None],
) -> Floats:
    """(P, 3) colours from 0 to 255 before light."""
    if color is None and face_colors is None:
        return np.tile(np.array(CLAY, dtype=np.float64), (len(seen.pixel), 1))
    if color is None:
        return _expect(np.asarray(face_colors), len(mesh.faces), "face_colors")[seen.face].astype(np.float64)
    per_vertex = _vertex_colours(mesh, color, value_range)
    return np.einsum("pk,pkc->pc", seen.barycentric, per_vertex[mesh.faces[seen.face]])


def _vertex_colours(mesh: Mesh, color: str | Floats, value_range: tuple[float | None, float | None]) -> Floats:
    """(V, 3) colours from 0 to 255."""
    if isinstance(color, str):
        if color not in mesh.attributes:
            raise unknown_name("mesh attribute", color, mesh.attributes)
        color = mesh.attributes[color]
    values: NDArray[Any] = np.asarray(color)
    if values.ndim == 1:
        values = viridis(values, *value_range)
    values = _expect(values, len(mesh.vertices), "color")
    return values.astype(np.float64) * (1.0 if values.dtype == np.uint8 else 255.0)


def _expect(colours: NDArray[Any], count: int, name: str) -> NDArray[Any]:
    if colours.shape != (count, 3):
        raise ValueError(f"{name} has shape {colours.shape}; the mesh needs ({count}, 3)")
    return colours
