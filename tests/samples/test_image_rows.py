"""Images survive the store bit by bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shapesys.errors import ShapeRejected, UsageError
from shapesys.samples import image_rows
from shapesys.samples.image_rows import decoded, decoded_row, image_row
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import PrepareConfig
from shapesys.samples.store import Store
from shapesys.sources.image import AnnotatedImage
from shapesys.sources.image_files import MAX_PIXELS
from shapesys.sources.registry import build_source

RNG = np.random.default_rng(0)
IMAGE = AnnotatedImage(
    RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8), RNG.integers(0, 65_536, (3, 20, 30)).astype(np.int32)
)
BARE = AnnotatedImage(IMAGE.pixels, np.empty((0, 20, 30), np.int32))


@pytest.mark.parametrize("image", [IMAGE, BARE], ids=["annotated", "bare"])
def test_a_row_gives_the_same_image_again(image: AnnotatedImage) -> None:
    row = image_row(image)
    for found in (decoded_row(row), decoded_row({name: np.frombuffer(value, np.uint8) for name, value in row.items()})):
        np.testing.assert_array_equal(found.pixels, image.pixels)
        np.testing.assert_array_equal(found.annotations, image.annotations)
        assert found.annotations.dtype == np.int32
    assert decoded_row({"image": row["image"]}).annotations.shape == (0, 20, 30)


def test_bytes_that_no_row_holds_are_refused() -> None:
    row = image_row(IMAGE)
    with pytest.raises(ShapeRejected, match="cannot be decoded"):
        decoded(row["image"][:100], row["annotations"])
    with pytest.raises(ShapeRejected, match="do not fit an image of 30 x 20"):
        decoded(
            row["image"], image_row(AnnotatedImage(IMAGE.pixels[:, :29], IMAGE.annotations[:, :, :29]))["annotations"]
        )
    with pytest.raises(ShapeRejected, match="do not fit"):
        decoded(row["image"], row["image"])
    with pytest.raises(ShapeRejected, match="at least 16 a side"):
        image_row(AnnotatedImage(IMAGE.pixels[:9], IMAGE.annotations[:, :9]))


def test_a_prepared_store_gives_bytes_per_shape(tmp_path: Path) -> None:
    source = build_source("toy_images", {"count": 3, "width": 32, "height": 24})
    report = prepare_locally(source, str(tmp_path), PrepareConfig(views=("superpixels",)), isolate=False)
    assert report.prepared == 3
    store = Store.open(str(tmp_path))
    for ref in source.shapes():
        columns = store.read("superpixels", [ref.id])
        assert columns["image"].dtype == np.uint8
        assert columns["image"].shape[0] == 1
        found, expected = decoded(columns["image"][0], columns["annotations"][0]), source.load(ref)
        assert isinstance(expected, AnnotatedImage)
        np.testing.assert_array_equal(found.pixels, expected.pixels)
        np.testing.assert_array_equal(found.annotations, expected.annotations)


def test_what_could_not_be_read_again_is_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 2 * (Image.MAX_IMAGE_PIXELS or 0) > image_rows.MAX_MAP_PIXELS
    monkeypatch.setattr(image_rows, "MAX_MAP_PIXELS", 20 * 30 * 2)
    with pytest.raises(ShapeRejected, match="3 annotations of 30 x 20 pixels, more than 1200"):
        image_row(IMAGE)
    with pytest.raises(UsageError, match="max_pixels"):
        build_source("image_folder", {"root": "unused", "max_pixels": MAX_PIXELS + 1})
