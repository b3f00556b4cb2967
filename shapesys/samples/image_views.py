"""From a picture in the store, or a user's own photograph, to the square image that a network sees.

Legend: h x w pixels; S pixels a side; B shapes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shapesys.errors import ShapeRejected
from shapesys.geometry.render import WHITE, Colour
from shapesys.samples.image_rows import Encoded
from shapesys.samples.store import Store
from shapesys.sources.image_files import read_rgba

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

SIDE = 224
"""Pixels a side that ResNet18 sees in Occupancy Networks, whose pictures have 137."""
MARGIN = 0.2
"""Left around the object on every side, as a share of its longest side."""
OPAQUE = 26
"""Alpha of a pixel, of 255, from which it counts as the object's."""
PLAIN = 24
"""Levels, of 255, within which a plain background stays, beyond the slope of its light."""
BORDER = 0.02
"""Width of the border that a background is known by, as a share of the shorter side."""
LEAST_BORDER = 0.75
"""Share of the border's pixels that must be background; the object may reach over the rest."""
LEAST_OBJECT = 1e-3
"""Share of the picture that an object covers at least."""
SPECK = 0.05
"""Patches smaller than this share of the largest are no part of the object."""


def image_tensor(data: Encoded, size: int = SIDE, background: Colour = WHITE) -> NDArray[np.float32]:
    """(3, S, S) red, green and blue from 0 to 1, of an encoded picture over a background.

    Resized bilinearly as in Occupancy Networks, smoothed where it shrinks; a picture that is not square is completed
    by background.

    Raises:
        ShapeRejected: stage "read", see `read_rgba`.
    """
    return _resized(_squared(read_rgba(bytes(data))), size, background)


def photograph_tensor(
    data: Encoded, size: int = SIDE, background: Colour = WHITE, margin: float = MARGIN
) -> NDArray[np.float32]:
    """(3, S, S) of a photograph: its object is found, cut out and put before `background`, see `cut_out`.

    Raises:
        ShapeRejected: stage "read", see `read_rgba`; stage "validate": no object can be told from its background.
    """
    return _resized(cropped(cut_out(read_rgba(bytes(data))), margin), size, background)


def view_tensors(
    store: Store, number: int, shape_ids: Sequence[str], size: int = SIDE, background: Colour = WHITE
) -> NDArray[np.float32]:
    """(B, 3, S, S): view `number` of several shapes of a store; reads no other view.

    Raises:
        UsageError: the store has no view `images`, or fewer pictures of each shape.
        ShapesysError: a shape is not in it, or its picture is damaged.
    """
    # One by one, since encoded pictures differ in length.
    read = (store.read_chunk("images", number, [shape_id], ("image",))["image"][0] for shape_id in shape_ids)
    tensors = [image_tensor(data, size, background) for data in read]
    return np.stack(tensors) if tensors else np.empty((0, 3, size, size), np.float32)


def cut_out(pixels: Pixels) -> Pixels:
    """(h, w, 4) of the same, transparent but for the object: by alpha, or by telling it from a plain background.

    Raises:
        ShapeRejected: stage "validate": there is none, or the background is not plain.
    """
    if (pixels[..., 3] < OPAQUE).any():
        if not (pixels[..., 3] >= OPAQUE).any():
            raise ShapeRejected("validate", "the image is transparent throughout; there is no object in it")
        return pixels
    mask = _before_plain_background(pixels[..., :3].astype(np.float32))
    return np.dstack([pixels[..., :3], np.where(mask, 255, 0).astype(np.uint8)])


def cropped(pixels: Pixels, margin: float = MARGIN) -> Pixels:
    """The square (s, s, 4) about what is not transparent, transparent where it leaves the picture (h, w, 4)."""
    rows, columns = np.nonzero(pixels[..., 3] >= OPAQUE)
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    side = max(round(max(bottom - top, right - left) * (1.0 + 2.0 * margin)), 1)
    return _window(pixels, (top + bottom - side) // 2, (left + right - side) // 2, side)


def over(pixels: Pixels, background: Colour = WHITE) -> NDArray[np.float32]:
    """(h, w, 3) from 0 to 255: a picture (h, w, 4) over a background."""
    alpha = pixels[..., 3:].astype(np.float32) / 255.0
    return alpha * pixels[..., :3] + (1.0 - alpha) * np.asarray(background, np.float32)


def _squared(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    side = max(height, width)
    return pixels if height == width else _window(pixels, (height - side) // 2, (width - side) // 2, side)


def _window(pixels: Pixels, top: int, left: int, side: int) -> Pixels:
    """The square (side, side, 4) with this corner, transparent outside of the picture."""
    height, width = pixels.shape[:2]
    found = np.zeros((side, side, 4), np.uint8)
    rows = slice(max(top, 0), min(top + side, height))
    columns = slice(max(left, 0), min(left + side, width))
    found[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = pixels[rows, columns]
    return found


def _resized(pixels: Pixels, size: int, background: Colour) -> NDArray[np.float32]:
    flat = over(pixels, background)
    # Pillow widens the filter where it shrinks, which smooths.
    channels = [
        np.asarray(Image.fromarray(flat[..., channel]).resize((size, size), Image.Resampling.BILINEAR))
        for channel in range(3)
    ]
    return np.clip(np.stack(channels) / np.float32(255.0), 0.0, 1.0).astype(np.float32)


def _before_plain_background(colours: NDArray[np.float32]) -> Mask:
    """(h, w) True of the object, in colours (h, w, 3) from 0 to 255.

    The background is a colour with a slope, since light falls off, fitted to the border.
    """
    height, width = colours.shape[:2]
    row, column = np.mgrid[:height, :width].astype(np.float32)
    places = np.stack([np.ones_like(row), row / height, column / width], axis=-1)
    edge = max(1, round(BORDER * min(height, width)))
    border = np.ones((height, width), bool)
    border[edge:-edge, edge:-edge] = False
    slope = _fitted(places[border], colours[border])
    far = np.abs(colours - places @ slope).max(axis=-1) > PLAIN
    if (plain := 1.0 - float(far[border].mean())) < LEAST_BORDER:
        raise ShapeRejected(
            "validate",
            f"the background is not plain: {plain:.0%} of the border has one colour, {LEAST_BORDER:.0%} are needed; "
            "photograph the object before a plain wall, or make everything else transparent",
        )
    mask = _without_specks(far)
    if (share := float(mask.mean())) < LEAST_OBJECT:
        raise ShapeRejected(
            "validate", f"no object before the plain background: it would cover {share:.2%} of the image"
        )
    return mask


def _fitted(places: NDArray[np.float32], colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """(3, 3) coefficients that give colours (n, 3) at places (n, 3), twice refitted to those that are near."""
    median = np.median(colours, axis=0)
    near = np.abs(colours - median).max(axis=-1) <= 2 * PLAIN
    slope = np.zeros((3, 3), np.float32)
    slope[0] = median
    for _ in range(3):
        if near.sum() >= LEAST_BORDER / 2 * len(near):
            slope = np.linalg.lstsq(places[near], colours[near], rcond=None)[0].astype(np.float32)
        near = np.abs(colours - places @ slope).max(axis=-1) <= PLAIN
    return slope


def _without_specks(mask: Mask) -> Mask:
    from scipy import ndimage

    patches, _ = ndimage.label(mask)
    sizes = np.bincount(patches.ravel())
    sizes[0] = 0
    kept: Mask = (sizes >= max(SPECK * sizes.max(), 1))[patches]
    return kept
