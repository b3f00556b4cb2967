from __future__ import annotations

import numpy as np
import pytest

from shapesys.errors import UsageError
from shapesys.sources.registry import build_source
from shapesys.sources.toy_images import toy_image


@pytest.mark.parametrize("seed", range(5))
def test_segments_are_the_areas_of_one_colour(seed: int) -> None:
    image = toy_image(seed, 60, 90)
    [labels] = image.annotations
    assert image.pixels.shape == (60, 90, 3)
    colours = [np.unique(image.pixels[labels == one], axis=0) for one in range(labels.max() + 1)]
    assert all(len(found) == 1 for found in colours)
    assert len(np.unique(np.concatenate(colours), axis=0)) == labels.max() + 1 >= 2


def test_the_same_seed_gives_the_same_image_and_another_another() -> None:
    np.testing.assert_array_equal(toy_image(3).pixels, toy_image(3).pixels)
    assert (toy_image(3).pixels != toy_image(4).pixels).any()


def test_the_census_counts_and_splits() -> None:
    source = build_source("toy_images", {"count": 60, "seed": 100, "width": 40, "height": 30})
    found = source.census()
    assert found.shapes[0].id == "image/toy-00000100"
    assert sum(found.counts().values()) == 60
    assert min(found.counts().values()) >= 1
    assert source.load(found.shapes[0]).pixels.shape == (30, 40, 3)  # type: ignore[union-attr]
    other = build_source("toy_images", {"count": 60, "seed": 100, "width": 41, "height": 30})
    assert source.digest(found.shapes[0]) != other.digest(found.shapes[0])


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(UsageError, match="least 9 objects are more than most 8"):
        build_source("toy_images", {"least": 9})
