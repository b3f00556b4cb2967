"""Superpixels of toy images and of photographs, without training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.measure import label

from shapesys.errors import ShapesysError, UsageError
from shapesys.families.base import Observation, SuperpixelPrediction, TrainingData
from shapesys.families.ssn import FAMILY, SSNConfig, SSNInference, build
from shapesys.families.ssn.inference import superpixels
from shapesys.families.ssn.patch import lab_colour
from shapesys.metrics.superpixel import achievable_accuracy
from shapesys.nets.pixel_grid import PixelGrid
from shapesys.samples.image_rows import image_row
from shapesys.sources.image import AnnotatedImage
from shapesys.sources.registry import build_source
from shapesys.sources.toy_images import toy_image

SMALL = SSNConfig(width=4)


def observation(image: AnnotatedImage, name: str = "image/toy") -> Observation:
    row = image_row(image)
    return Observation(name, {key: np.frombuffer(value, np.uint8) for key, value in row.items()})


def predict(image: AnnotatedImage, **settings: object) -> SuperpixelPrediction:
    torch.manual_seed(0)
    objective = build(SMALL, TrainingData(1))
    [found] = FAMILY.infer(objective, [observation(image)], SSNInference(**settings), 0)  # type: ignore[arg-type]
    assert isinstance(found, SuperpixelPrediction)
    return found


def lab_of(image: AnnotatedImage) -> torch.Tensor:
    return torch.from_numpy(lab_colour(image.pixels)).permute(2, 0, 1)[None]


@pytest.mark.parametrize("method", ["network", "pixels", "grid"])
def test_one_map_per_requested_count(method: str) -> None:
    found = predict(toy_image(0, 48, 60), method=method, superpixels=(30, 12))
    assert sorted(found.maps) == [12, 30]
    for count, labels in found.maps.items():
        assert (labels.shape, labels.dtype) == ((48, 60), np.int32)
        assert labels.min() == 0
        assert found.facts[f"superpixels.k{count}"] == labels.max() + 1
    again = predict(toy_image(0, 48, 60), method=method, superpixels=(30, 12))
    assert all((again.maps[count] == found.maps[count]).all() for count in found.maps)


def test_the_grid_has_the_count_of_the_rule_and_connection_gives_pieces() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 60, 3), dtype=np.uint8)
    image = AnnotatedImage(noise, np.empty((0, 48, 60), np.int32))
    assert predict(image, method="grid").facts["superpixels.k100"] == PixelGrid.for_superpixels(48, 60, 100).count == 88
    loose, tied = (predict(image, connect=connect, superpixels=(20,)).maps[20] for connect in (False, True))
    assert label(tied, background=-1, connectivity=1).max() == tied.max() + 1
    assert label(loose, background=-1, connectivity=1).max() > loose.max() + 1


def test_images_in_one_call_do_not_meet() -> None:
    images = [toy_image(2, 40, 50), toy_image(3, 50, 40)]
    torch.manual_seed(0)
    objective = build(SMALL, TrainingData(1))
    settings = SSNInference(superpixels=(20,))
    both = FAMILY.infer(objective, [observation(one, f"image/{i}") for i, one in enumerate(images)], settings, 0)
    for i, one in enumerate(images):
        [alone] = FAMILY.infer(objective, [observation(one)], settings, 5)
        assert isinstance(alone, SuperpixelPrediction)
        assert both[i].shape_id == f"image/{i}"
        np.testing.assert_array_equal(both[i].maps[20], alone.maps[20])  # type: ignore[union-attr]


def test_objects_of_one_colour_are_recovered_without_a_network() -> None:
    settings = SSNInference(method="pixels", connect=False)
    images = [toy_image(seed) for seed in range(5)]
    scores = [
        achievable_accuracy(superpixels(lab_of(image), 100, SMALL, settings), image.annotations[0]) for image in images
    ]
    assert np.mean(scores) > 0.98


def test_photographs_score_as_measured_before(shared_data: Path) -> None:
    """The grid against independent figures of the test set with 96 cells: .854 by the mean over annotators, .892 by the
    best, .863 by the first. Images differ by .047, .042 and .055 around these means: allowed are three standard errors
    of 100 images here and 200 there. SLIC on colour and position was measured to be 4 points above the grid."""
    source = build_source("bsds500", {"root": str(shared_data / "bsds500_val")})
    scores, gains = [], []
    for number, ref in enumerate(source.shapes()):
        image = source.load(ref)
        assert isinstance(image, AnnotatedImage)
        cells = PixelGrid.for_superpixels(*image.pixels.shape[:2], 100)
        assert cells.count == 96
        scores.append([achievable_accuracy(cells.labels().numpy(), one) for one in image.annotations])
        if number % 12 == 0:
            grouped = superpixels(lab_of(image), 100, SMALL, SSNInference(method="pixels", connect=False))
            gains.append(
                np.mean([achievable_accuracy(grouped, one) for one in image.annotations]) - np.mean(scores[-1])
            )
    error = 3 * np.sqrt(1 / len(scores) + 1 / 200)
    assert np.mean([np.mean(each) for each in scores]) == pytest.approx(0.854, abs=0.047 * error)
    assert np.mean([max(each) for each in scores]) == pytest.approx(0.892, abs=0.042 * error)
    assert np.mean([each[0] for each in scores]) == pytest.approx(0.863, abs=0.055 * error)
    assert min(gains) > 0
    assert 0.02 < np.mean(gains) < 0.06


def test_misuse_is_named() -> None:
    with pytest.raises(ShapesysError, match="image 'image/toy' has 20 x 16 pixels, fewer than the 400 superpixels"):
        predict(toy_image(0, 16, 20), superpixels=(400,))
    with pytest.raises(UsageError, match="each at least 1"):
        SSNInference().override({"superpixels": (0,)})
