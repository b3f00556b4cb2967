"""An image with the segmentations that people drew on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class AnnotatedImage:
    """One image and its segmentations.

    Attributes:
        pixels: (h, w, 3) uint8, sRGB.
        annotations: (a, h, w) int32 segment labels from 0, one map per annotator; a may be 0.
    """

    pixels: NDArray[np.uint8]
    annotations: NDArray[np.int32]
