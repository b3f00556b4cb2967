"""Image files in: their settings, safe decoding, and the check of an image with its segmentations."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from shapesys.config.base import Config, setting
from shapesys.errors import ShapeRejected
from shapesys.geometry.formats.geometry import Limits
from shapesys.geometry.io import check_bytes
from shapesys.sources.base import Split
from shapesys.sources.image import AnnotatedImage
from shapesys.sources.splits import hash_split

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
CATEGORY = "image"
"""The one category of images: they have no classes here."""
SMALLEST_SIDE = 16
"""Fewer pixels a side leave nothing to cut into superpixels."""
MAX_PIXELS = 25_000_000
MAX_LABELS = 65_536
"""Segment labels are stored in 16 bits."""

_EIGHT_BIT = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})


class ImageSettings(Config):
    """Settings of every source that reads image files."""

    root: str = setting(help="folder of the images: a local path or an fsspec URL")
    val_fraction: float = setting(0.0, ge=0.0, lt=1.0, help="share held out for validation, where no split is given")
    test_fraction: float = setting(0.2, ge=0.0, lt=1.0, help="share held out for testing, where no split is given")
    split_seed: int = setting(0, help="changes which images the fractions hold out")
    max_megabytes: int = setting(64, ge=1, help="larger files are rejected unread")
    max_pixels: int = setting(
        MAX_PIXELS, ge=SMALLEST_SIDE**2, le=MAX_PIXELS, help="larger images are rejected undecoded"
    )

    @property
    def limits(self) -> Limits:
        return Limits(max_bytes=self.max_megabytes << 20)

    def split_of(self, image_id: str) -> Split:
        """The split of an image without one, by a hash of its id."""
        return hash_split(image_id, self.val_fraction, self.test_fraction, self.split_seed)


def read_image(data: bytes, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """(h, w, 3) sRGB pixels of a JPEG or PNG file, turned upright as its EXIF data say; transparency is dropped.

    Raises:
        ShapeRejected: stage "read": not such a file, damaged, more than 8 bits a channel, or too large or small.
    """
    return _upright(data, "RGB", max_pixels)


def read_rgba(data: bytes, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """(h, w, 4) pixels of such a file: red, green, blue and alpha, which is 255 where the file has none.

    Raises:
        ShapeRejected: as `read_image`; or fewer than 16 pixels a side.
    """
    pixels = _upright(data, "RGBA", max_pixels)
    if min(pixels.shape[:2]) < SMALLEST_SIDE:
        height, width = pixels.shape[:2]
        raise ShapeRejected("read", f"{width} x {height} pixels; at least {SMALLEST_SIDE} a side are needed")
    return pixels


def _upright(data: bytes, mode: str, max_pixels: int) -> NDArray[np.uint8]:
    check_bytes(data, Limits())
    with opened(data, ("JPEG", "PNG"), max_pixels) as image:
        if image.mode not in _EIGHT_BIT:
            raise ShapeRejected("read", f"an image of mode {image.mode}; convert it to 8 bits per channel")
        upright = decoded_with(lambda: ImageOps.exif_transpose(image).convert(mode))
    return np.array(upright, np.uint8)


def opened(data: bytes, formats: tuple[str, ...], max_pixels: int) -> Image.Image:
    """An image of one of these formats, its header read and its size accepted, its pixels not yet decoded.

    Raises:
        ShapeRejected: stage "read".
    """
    with warnings.catch_warnings():
        # Pillow warns of sizes that are refused below in any case.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        image: Image.Image = decoded_with(lambda: Image.open(io.BytesIO(data), formats=formats))
    width, height = image.size
    if width * height > max_pixels:
        raise ShapeRejected("read", f"{width} x {height} pixels, more than the limit of {max_pixels} in all")
    return image


def decoded_with(call: Any) -> Any:
    """The result of a call to the decoder; whatever goes wrong inside arrives as one error.

    Raises:
        ShapeRejected: stage "read".
    """
    try:
        return call()
    except UnidentifiedImageError:
        # Its text is the address of a buffer in memory.
        raise ShapeRejected("read", "neither a JPEG nor a PNG image, whatever the file is called") from None
    except Image.DecompressionBombError:
        # Its text is of another limit, and of attacks.
        raise ShapeRejected("read", f"many more pixels than the limit of {MAX_PIXELS}") from None
    except Exception as error:
        raise ShapeRejected("read", f"cannot be decoded as a JPEG or PNG image: {error}") from None


def check_image(image: AnnotatedImage) -> AnnotatedImage:
    """The image itself, when superpixels can be made of it and judged.

    Raises:
        ShapeRejected: stage "validate": wrong shape or type, too small, or labels that are no segmentation of it.
    """
    pixels, annotations = image.pixels, image.annotations
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ShapeRejected("validate", f"pixels are {pixels.dtype} {pixels.shape}; expected uint8 (h, w, 3)")
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        raise ShapeRejected("validate", f"{width} x {height} pixels; at least {SMALLEST_SIDE} a side are needed")
    if annotations.ndim != 3 or annotations.shape[1:] != (height, width):
        raise ShapeRejected(
            "validate", f"annotations have shape {annotations.shape}; expected (a, {height}, {width}) like the pixels"
        )
    if annotations.size and not 0 <= annotations.min() <= annotations.max() < MAX_LABELS:
        low, high = int(annotations.min()), int(annotations.max())
        raise ShapeRejected("validate", f"labels range from {low} to {high}; allowed are 0 to {MAX_LABELS - 1}")
    return image
