"""Training patches: a random stretch of an image, enlarged and perhaps mirrored, with one annotator's segments."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.color import rgb2lab

from shapesys.errors import ShapesysError, UsageError
from shapesys.families.base import Arrays, SampleRequest
from shapesys.families.ssn.config import SSNConfig
from shapesys.samples.image_rows import decoded_row
from shapesys.sources.image_files import SMALLEST_SIDE


class _Window(NamedTuple):
    """A square of an image, in pixels, and which annotator's segments go with it."""

    top: float
    left: float
    extent: float
    mirrored: bool
    annotator: int


def sample(config: SSNConfig, columns: Arrays, request: SampleRequest) -> Arrays:
    """``image`` (s, s, 3) float32 Lab and ``labels`` (s, s) int64, segments from 0 by falling size; s^2 = count.

    In training the enlargement is normal and clipped, at least what makes the image as large as the patch; place,
    mirroring and annotator are drawn as well. Otherwise the patch is the middle of the image as it is, with the first
    annotator's segments.

    Raises:
        UsageError: the count is no square, or its side too small.
        ShapesysError: the image has no annotation.
    """
    side = patch_side(request.count)
    image = decoded_row(columns)
    if not len(image.annotations):
        raise ShapesysError(
            "the image has no annotation to learn from; prepare the store from a source that gives annotations, such "
            "as bsds500 or toy_images"
        )
    shape = image.annotations.shape
    window = _random_window(config, shape, side, request.seed) if request.training else _middle(shape, side)
    labels = _enlarged_labels(image.annotations[window.annotator], window, side)
    pixels = _enlarged_pixels(image.pixels, window, side)
    if window.mirrored:
        pixels, labels = pixels[:, ::-1], labels[:, ::-1]
    return {"image": lab_colour(pixels), "labels": by_falling_size(labels)}


def patch_side(count: int) -> int:
    """Side of a patch with this many pixels.

    Raises:
        UsageError: the count is no square, or its side too small; names the nearest that would do.
    """
    side = math.isqrt(count)
    if side * side == count and side >= SMALLEST_SIDE:
        return side
    near = max(side, SMALLEST_SIDE)
    raise UsageError(
        f"points_per_shape is {count}; patches are squares of at least {SMALLEST_SIDE} pixels a side: "
        f"try {near * near} ({near} x {near}) or {(near + 1) ** 2} ({near + 1} x {near + 1})"
    )


def lab_colour(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(h, w, 3) sRGB of 8 bits -> Lab with L from 0 to 100."""
    return np.ascontiguousarray(rgb2lab(pixels.astype(np.float32) / 255.0), np.float32)


def by_falling_size(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """(s, s) segments renumbered without gaps, the largest first."""
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return rank[inverse.reshape(labels.shape)]


def _random_window(config: SSNConfig, shape: tuple[int, ...], side: int, seed: int) -> _Window:
    rng = np.random.default_rng(seed)
    annotators, height, width = shape
    zoom = float(np.clip(rng.normal(1.0, config.zoom_std), config.zoom_least, config.zoom_most))
    extent = min(side / zoom, height, width)
    top, left = rng.uniform((0.0, 0.0), (height - extent, width - extent))
    return _Window(top, left, extent, bool(rng.random() < 0.5), int(rng.integers(annotators)))


def _middle(shape: tuple[int, ...], side: int) -> _Window:
    _, height, width = shape
    extent = min(side, height, width)
    return _Window((height - extent) // 2, (width - extent) // 2, extent, False, 0)


def _enlarged_pixels(pixels: NDArray[np.uint8], window: _Window, side: int) -> NDArray[np.uint8]:
    box = (window.left, window.top, window.left + window.extent, window.top + window.extent)
    resized = Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR, box=box)
    return np.asarray(resized)


def _enlarged_labels(labels: NDArray[np.int32], window: _Window, side: int) -> NDArray[np.int32]:
    """The label under the middle of every pixel of the patch."""
    middle = (np.arange(side) + 0.5) * (window.extent / side)
    rows = np.minimum((window.top + middle).astype(np.int64), labels.shape[0] - 1)
    columns = np.minimum((window.left + middle).astype(np.int64), labels.shape[1] - 1)
    return labels[np.ix_(rows, columns)]
