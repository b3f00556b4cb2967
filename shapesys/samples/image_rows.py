"""Rows of the `superpixels` view: an annotated image as two PNG files, without loss, and back."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shapesys.errors import ShapeRejected
from shapesys.sources.image import AnnotatedImage
from shapesys.sources.image_files import MAX_PIXELS, check_image, decoded_with, opened, read_image

Encoded = bytes | NDArray[np.uint8]
"""The content of a binary column: bytes, or the same as an array (bytes,)."""

MAX_MAP_PIXELS = 6 * MAX_PIXELS
"""Of all annotators' maps of one image together; Pillow by itself opens no more than 179 million."""


def image_row(image: AnnotatedImage) -> dict[str, Any]:
    """The columns ``image`` and ``annotations`` as bytes; the latter are empty where there is no annotation.

    Raises:
        ShapeRejected: stage "validate", see `check_image`; or too many annotations to be read again.
    """
    check_image(image)
    count, height, width = image.annotations.shape
    if image.annotations.size > MAX_MAP_PIXELS:
        raise ShapeRejected(
            "validate", f"{count} annotations of {width} x {height} pixels, more than {MAX_MAP_PIXELS} pixels together"
        )
    stacked = image.annotations.astype(np.uint16).reshape(count * height, width)
    return {"image": png(image.pixels), "annotations": png(stacked) if count else b""}


def decoded(image: Encoded, annotations: Encoded) -> AnnotatedImage:
    """The inverse of `image_row`.

    Raises:
        ShapeRejected: stage "read" or "validate": bytes that no row holds.
    """
    pixels = decoded_pixels(image)
    return check_image(AnnotatedImage(pixels, _maps(bytes(annotations), *pixels.shape[:2])))


def decoded_row(columns: Mapping[str, Any]) -> AnnotatedImage:
    """The same from a shape's columns; without a column ``annotations`` there are none."""
    return decoded(columns["image"], columns.get("annotations", b""))


def decoded_pixels(image: Encoded) -> NDArray[np.uint8]:
    """(h, w, 3) pixels of the column ``image``.

    Raises:
        ShapeRejected: stage "read".
    """
    return read_image(bytes(image))


def _maps(data: bytes, height: int, width: int) -> NDArray[np.int32]:
    """The maps (a, h, w) of one tall grey image."""
    if not data:
        return np.empty((0, height, width), np.int32)
    with opened(data, ("PNG",), MAX_MAP_PIXELS) as image:
        tall = np.asarray(decoded_with(image.copy))
    if tall.ndim != 2 or tall.shape[1] != width or tall.shape[0] % height:
        raise ShapeRejected("read", f"annotations of shape {tall.shape} do not fit an image of {width} x {height}")
    return tall.reshape(-1, height, width).astype(np.int32)


def png(pixels: NDArray[Any], compression: int = 1) -> bytes:
    """A PNG file; compression is fast by default, since photographs hardly shrink further."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=compression)
    return buffer.getvalue()
