"""Image files as people have them, and those that are none."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from shapesys.errors import ShapeRejected
from shapesys.sources.image import AnnotatedImage
from shapesys.sources.image_files import MAX_PIXELS, check_image, read_image

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def file_of(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def rejected(data: bytes, words: str, **limits: int) -> None:
    with pytest.raises(ShapeRejected, match=words) as caught:
        read_image(data, **limits)
    assert caught.value.stage == "read"


def test_png_without_loss_and_jpeg_with_little() -> None:
    smooth = np.stack(np.broadcast_arrays(np.arange(20)[:, None] * 5, np.arange(30) * 5, 100), axis=2).astype(np.uint8)
    np.testing.assert_array_equal(read_image(file_of(Image.fromarray(PIXELS))), PIXELS)
    jpeg = read_image(file_of(Image.fromarray(smooth), "JPEG", quality=95))
    assert jpeg.shape == (20, 30, 3)
    assert np.abs(jpeg.astype(int) - smooth).max() < 16


def test_grey_palette_and_transparent_images_become_rgb() -> None:
    grey = Image.fromarray(PIXELS[:, :, 0])
    np.testing.assert_array_equal(read_image(file_of(grey)), np.repeat(PIXELS[:, :, :1], 3, axis=2))
    clear = Image.fromarray(np.concatenate([PIXELS, np.zeros((20, 30, 1), np.uint8)], axis=2))
    np.testing.assert_array_equal(read_image(file_of(clear)), PIXELS)
    assert read_image(file_of(grey.convert("P"))).shape == (20, 30, 3)
    assert read_image(file_of(Image.fromarray(PIXELS).convert("CMYK"), "JPEG")).shape == (20, 30, 3)


def test_a_camera_held_sideways_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = read_image(file_of(Image.fromarray(PIXELS), "PNG", exif=exif))
    np.testing.assert_array_equal(turned, np.rot90(PIXELS, -1))


def bomb(side: int = 60_000) -> bytes:
    """A small PNG that claims to be enormous."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    content = zlib.compress(bytes(10_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def test_bad_files_are_refused_with_the_reason() -> None:
    good = file_of(Image.fromarray(PIXELS))
    rejected(b"", "empty")
    rejected(b"hello", "neither a JPEG nor a PNG image, whatever the file is called$")
    rejected(good[:200], "cannot be decoded")
    rejected(file_of(Image.fromarray(PIXELS), "GIF"), "neither a JPEG nor a PNG image, whatever the file is called$")
    rejected(file_of(Image.fromarray(PIXELS[:, :, 0].astype(np.uint16) * 257)), "mode I;16; convert it to 8 bits")
    rejected(good, "30 x 20 pixels, more than the limit of 500", max_pixels=500)
    rejected(bomb(), f"many more pixels than the limit of {MAX_PIXELS}$")
    rejected(bomb(12_000), "12000 x 12000 pixels, more than the limit")
    rejected(b"version https://git-lfs.github.com/spec/v1\n", "git-lfs pointer")


def test_what_cannot_be_cut_into_superpixels_is_refused() -> None:
    none = np.empty((0, 20, 30), np.int32)
    assert check_image(AnnotatedImage(PIXELS, none)).pixels is PIXELS
    bad = {
        "30 x 10 pixels; at least 16 a side": AnnotatedImage(PIXELS[:10], none[:, :10]),
        r"uint8 \(h, w, 3\)": AnnotatedImage(PIXELS[:, :, 0], none),
        r"annotations have shape \(1, 20, 29\)": AnnotatedImage(PIXELS, np.zeros((1, 20, 29), np.int32)),
        "labels range from -1 to 0": AnnotatedImage(PIXELS, -np.eye(20, 30, dtype=np.int32)[None]),
        "labels range from 0 to 65536": AnnotatedImage(PIXELS, 65536 * np.eye(20, 30, dtype=np.int32)[None]),
    }
    for words, image in bad.items():
        with pytest.raises(ShapeRejected, match=words):
            check_image(image)
