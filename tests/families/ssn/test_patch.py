"""Patches: which stretch of which segments, the same on every machine."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import lab2rgb

from shapesys.errors import ShapesysError, UsageError
from shapesys.families.base import SampleRequest
from shapesys.families.ssn.config import SSNConfig
from shapesys.families.ssn.patch import by_falling_size, patch_side, sample
from shapesys.samples.image_rows import image_row
from shapesys.sources.image import AnnotatedImage

HEIGHT, WIDTH, SIDE = 60, 90, 32
CONFIG = SSNConfig()
AS_IS = SSNConfig(zoom_std=0.0, zoom_least=1.0, zoom_most=1.0)


def columns(annotators: int = 2, height: int = HEIGHT, width: int = WIDTH) -> dict[str, np.ndarray]:
    """Row and column in red and green; segments of the first annotator are 10 x 10 blocks, the second's 30 x 30."""
    rows, across = np.mgrid[:height, :width]
    pixels = np.stack([rows * 2, across * 2, np.full_like(rows, 77)], axis=2).astype(np.uint8)
    maps = [(rows // size) * 100 + across // size for size in (10, 30)[:annotators]]
    annotations = np.stack(maps).astype(np.int32) if maps else np.empty((0, height, width), np.int32)
    return {
        name: np.frombuffer(value, np.uint8) for name, value in image_row(AnnotatedImage(pixels, annotations)).items()
    }


def request(seed: int = 0, training: bool = True, side: int = SIDE) -> SampleRequest:
    return SampleRequest("image/1", side * side, seed, training)


def places(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The image's row and column that each pixel of a patch comes from, read off its colours."""
    rgb = np.round(lab2rgb(image) * 255)
    return rgb[..., 0] / 2, rgb[..., 1] / 2


def test_without_training_it_is_the_middle_with_the_first_annotators_segments() -> None:
    found = sample(CONFIG, columns(), request(training=False))
    assert (found["image"].dtype, found["image"].shape) == (np.float32, (SIDE, SIDE, 3))
    assert (found["labels"].dtype, found["labels"].shape) == (np.int64, (SIDE, SIDE))
    rows, across = places(found["image"])
    np.testing.assert_allclose(rows, np.broadcast_to(np.arange(14, 46)[:, None], rows.shape), atol=0.5)
    np.testing.assert_allclose(across, np.broadcast_to(np.arange(29, 61)[None], rows.shape), atol=0.5)
    same_block = (np.arange(14, 46)[:, None] // 10) * 100 + np.arange(29, 61)[None] // 10
    np.testing.assert_array_equal(found["labels"], by_falling_size(same_block.astype(np.int32)))
    again = sample(CONFIG, columns(), request(seed=9, training=False))
    np.testing.assert_array_equal(again["image"], found["image"])


@pytest.mark.parametrize("seed", range(8))
def test_segments_move_with_the_pixels(seed: int) -> None:
    found = sample(CONFIG, columns(1), request(seed))
    rows, across = places(found["image"])
    # Colours are rounded, and those of neighbouring pixels mixed: judge pixels well inside their block.
    inside = np.minimum.reduce([rows % 10, 10 - rows % 10, across % 10, 10 - across % 10]) > 2
    block = (rows // 10 * 100 + across // 10).astype(int)[inside]
    labels = found["labels"][inside]
    pairs = np.unique(np.stack([block, labels]), axis=1)
    assert inside.sum() > 100
    assert len(np.unique(pairs[0])) == pairs.shape[1] == len(np.unique(pairs[1]))


def test_training_varies_place_enlargement_side_and_annotator_but_not_by_itself() -> None:
    found = [sample(CONFIG, columns(), request(seed)) for seed in range(40)]
    again = sample(CONFIG, columns(), request(7))
    for name in again:
        np.testing.assert_array_equal(again[name], found[7][name])
    across = [places(one["image"])[1] for one in found]
    steps = np.array([(one[0, -1] - one[0, 0]) / (SIDE - 1) for one in across])
    assert 0.3 < (steps < 0).mean() < 0.7
    zooms = 1 / np.abs(steps)
    assert zooms.min() > 0.7
    assert 0.25 < (zooms < 0.8).mean() < 0.55, "37 % of the normal distribution's mass lies at the smallest enlargement"
    assert len({round(float(one.min())) for one in across}) > 10
    segments = np.array([one["labels"].max() + 1 for one in found])
    assert segments.min() < segments.max()
    plain = sample(AS_IS, columns(), request(3))
    np.testing.assert_allclose(np.abs(np.diff(places(plain["image"])[0], axis=0)).mean(), 1.0, atol=0.05)


def test_images_smaller_than_a_patch_are_enlarged_to_it() -> None:
    for training in (True, False):
        found = sample(CONFIG, columns(height=20, width=40), request(training=training, side=48))
        assert found["image"].shape == (48, 48, 3)
        assert np.isfinite(found["image"]).all()
        assert found["labels"].max() >= 0


def test_segments_are_numbered_by_falling_size() -> None:
    labels = np.array([[9, 9, 9], [4, 7, 7]], np.int32)
    assert by_falling_size(labels).tolist() == [[0, 0, 0], [2, 1, 1]]


def test_counts_that_are_no_squares_and_images_without_annotation_are_refused() -> None:
    assert patch_side(201 * 201) == 201
    with pytest.raises(UsageError, match=r"try 16384 \(128 x 128\) or 16641 \(129 x 129\)"):
        patch_side(16_500)
    with pytest.raises(UsageError, match=r"at least 16 pixels a side: try 256"):
        patch_side(100)
    with pytest.raises(ShapesysError, match="no annotation to learn from"):
        sample(CONFIG, columns(0), request())
