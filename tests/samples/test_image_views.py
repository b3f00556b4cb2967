"""From pictures to what a network sees: composition, resizing, and the object of a photograph."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from shapesys.errors import ShapeRejected
from shapesys.samples.image_views import cropped, cut_out, image_tensor, over, photograph_tensor


def encoded(pixels: np.ndarray, kind: str = "PNG", **options: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def wall(height: int = 60, width: int = 80, slope: float = 0.0, noise: float = 0.0) -> np.ndarray:
    """(h, w, 3) of a grey wall that gets darker to the right."""
    level = 200.0 - slope * np.arange(width)[None, :, None] / width
    drawn = level + noise * np.random.default_rng(0).standard_normal((height, width, 3))
    return np.clip(np.rint(drawn), 0, 255).astype(np.uint8)


def with_object(pixels: np.ndarray) -> np.ndarray:
    pixels = pixels.copy()
    pixels[20:40, 30:60, :3] = (180, 20, 20)
    return pixels


def test_transparent_pixels_show_the_background() -> None:
    pixels = np.zeros((20, 20, 4), np.uint8)
    pixels[..., :3], pixels[:, 10:, 3] = (255, 0, 51), 51
    np.testing.assert_allclose(over(pixels)[0, [0, 19]], [[255, 255, 255], [255, 204, 214.2]], atol=1e-4)
    np.testing.assert_allclose(over(pixels, (0, 0, 0))[0, 19], [51, 0, 10.2], atol=1e-4)
    tensor = image_tensor(encoded(pixels), size=20)
    assert (tensor.shape, tensor.dtype) == ((3, 20, 20), np.float32)
    np.testing.assert_allclose(tensor[:, 5, 15], [1.0, 0.8, 0.84], atol=1e-6)


def test_shrinking_is_smooth_and_growing_bilinear() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    small = image_tensor(encoded(stripes), size=16)
    np.testing.assert_allclose(small[:, :, 2:-2], 0.5, atol=0.02)
    ramp = np.repeat(np.arange(16, dtype=np.uint8)[None, :, None], 16, axis=0) * np.ones((1, 1, 3), np.uint8)
    grown = image_tensor(encoded(ramp), size=32)[0, 0] * 255
    np.testing.assert_allclose(grown[2:-2], (np.arange(32)[2:-2] + 0.5) / 2 - 0.5, atol=1e-3)


def test_what_is_not_square_is_completed_by_background() -> None:
    tensor = image_tensor(encoded(np.zeros((20, 40, 3), np.uint8)), size=40)
    assert (tensor[:, :9] == 1).all()
    assert (tensor[:, 11:29] == 0).all()


@pytest.mark.parametrize("slope", [0.0, 60.0])
def test_an_object_before_a_plain_wall_is_found(slope: float) -> None:
    photograph = cut_out(np.dstack([with_object(wall(slope=slope, noise=2.0)), np.full((60, 80), 255, np.uint8)]))
    expected = np.zeros((60, 80), bool)
    expected[20:40, 30:60] = True
    np.testing.assert_array_equal(photograph[..., 3] > 0, expected)


def test_the_crop_is_square_about_the_object_with_a_margin() -> None:
    found = cropped(cut_out(np.dstack([with_object(wall()), np.full((60, 80), 255, np.uint8)])), margin=0.5)
    assert found.shape == (60, 60, 4)
    rows, columns = np.nonzero(found[..., 3])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (20, 39, 15, 44)
    tensor = photograph_tensor(encoded(with_object(wall()), "JPEG", quality=95), size=90, margin=0.5)
    assert tensor[:, 2, 2] == pytest.approx([1.0, 1.0, 1.0]), "the wall is gone"
    assert tensor[:, 45, 45] == pytest.approx([180 / 255, 20 / 255, 20 / 255], abs=0.03)


def test_a_crop_may_leave_the_picture() -> None:
    pixels = np.zeros((20, 20, 4), np.uint8)
    pixels[:10, :10] = 255
    found = cropped(pixels, margin=0.5)
    assert found.shape == (20, 20, 4)
    assert (found[5:15, 5:15] == 255).all()
    assert found.sum() == 100 * 4 * 255


def test_alpha_says_where_the_object_is_whatever_is_behind_it() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 4), dtype=np.uint8)
    pixels[..., 3] = 0
    pixels[20:40, 30:60] = (180, 20, 20, 255)
    tensor = photograph_tensor(encoded(pixels), size=60, margin=0.5)
    np.testing.assert_allclose(tensor[:, :15], 1.0)
    np.testing.assert_allclose(tensor[:, 30, 30], np.array([180, 20, 20]) / 255, atol=1e-6)


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (wall(), "no object before the plain background"),
        (wall(noise=3.0), "no object before the plain background"),
        (np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8), "the background is not plain"),
        (np.zeros((20, 20, 4), np.uint8), "transparent throughout"),
    ],
)
def test_an_image_without_an_object_is_refused(pixels: np.ndarray, reason: str) -> None:
    with pytest.raises(ShapeRejected, match=reason):
        photograph_tensor(encoded(pixels))


def test_specks_are_no_object() -> None:
    pixels = with_object(wall())
    pixels[5, 5] = 0
    found = cut_out(np.dstack([pixels, np.full((60, 80), 255, np.uint8)]))
    assert not found[5, 5, 3]


def test_files_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(ShapeRejected, match="neither a JPEG nor a PNG"):
        image_tensor(b"GIF89a")
    with pytest.raises(ShapeRejected, match="more than the limit of 25000000"):
        image_tensor(encoded(np.zeros((5001, 5000), np.uint8)))
