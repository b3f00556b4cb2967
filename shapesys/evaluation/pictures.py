"""Images of segments as PNG: their outlines over the image, or their labels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shapesys.geometry.write import write_whole

OUTLINE = (255, 221, 0)


def outlined(pixels: NDArray[np.uint8], labels: NDArray[np.integer]) -> NDArray[np.uint8]:
    """The image (h, w, 3) with a line one pixel wide where the labels (h, w) of neighbours differ."""
    edge = np.zeros(labels.shape, bool)
    edge[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    edge[1:] |= labels[1:] != labels[:-1]
    return np.where(edge[..., None], np.array(OUTLINE, np.uint8), pixels)


def write_outlined(pixels: NDArray[np.uint8], labels: NDArray[np.integer], path: Path) -> Path:
    """Write `outlined` as PNG."""
    return _write(Image.fromarray(outlined(pixels, labels)), path)


def write_labels(labels: NDArray[np.integer], path: Path) -> Path:
    """Write labels (h, w) from 0 as 16-bit grey PNG, each pixel's value being its label.

    Raises:
        ValueError: a label does not fit into 16 bits.
    """
    if labels.min() < 0 or labels.max() > np.iinfo(np.uint16).max:
        raise ValueError(f"labels range from {labels.min()} to {labels.max()}; a PNG holds 0 to 65535")
    return _write(Image.fromarray(labels.astype(np.uint16)), path)


def _write(image: Image.Image, path: Path) -> Path:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    write_whole(path, buffer.getvalue())
    return path
