from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import label

from shapesys.nets.connected_superpixels import connected


def pieces(labels: np.ndarray) -> int:
    return int(label(labels, background=-1, connectivity=1).max())


def halves() -> np.ndarray:
    labels = np.zeros((30, 40), np.int64)
    labels[:, 20:] = 1
    return labels


def test_connected_superpixels_stay_as_they_are() -> None:
    labels = halves()
    found = connected(labels)
    np.testing.assert_array_equal(found, labels)
    assert found.dtype == np.int32


def test_a_stray_piece_joins_the_neighbour_with_the_longest_common_border() -> None:
    labels = halves()
    labels[10:12, 19:22] = 2  # two columns of it lie in the right half
    found = connected(labels)
    expected = halves()
    expected[10:12, 19:22] = 1
    np.testing.assert_array_equal(found, expected)


def test_large_pieces_of_one_superpixel_become_superpixels() -> None:
    labels = halves()
    labels[:, 15:25] = 2
    labels[:, 30:] = 0
    assert connected(labels).max() + 1 == 4


def test_oversized_pieces_are_cut_across_their_longer_side() -> None:
    found = connected(halves(), max_share=1.0)
    np.testing.assert_array_equal(found, halves())
    cut = connected(np.where(halves() > 0, 2, 0), max_share=1.0)
    np.testing.assert_array_equal(np.bincount(cut.ravel()), [300] * 4)
    assert pieces(cut) == 4


@pytest.mark.parametrize("seed", range(4))
def test_noise_becomes_pieces_that_are_connected_and_large_enough(seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, 9, (60, 80))
    found = connected(labels, min_share=0.5)
    count = int(found.max()) + 1
    assert pieces(found) == count > 1
    assert np.bincount(found.ravel()).min() >= 0.5 * labels.size / 9
    np.testing.assert_array_equal(found, connected(labels, min_share=0.5))


def test_an_image_of_one_superpixel_and_one_of_single_pixels() -> None:
    assert connected(np.zeros((4, 5), int)).max() == 0
    assert connected(np.arange(20).reshape(4, 5)).max() == 19


def test_misuse_is_named() -> None:
    with pytest.raises(ValueError, match="numbers from 0"):
        connected(np.full((3, 3), -1))
    with pytest.raises(ValueError, match="min_share 1 must"):
        connected(halves(), min_share=1.0)
